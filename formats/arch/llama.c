/* llama: the Llama family: pre-norm blocks of rotary attention with grouped queries and a gated feed-forward
 * layer.
 *
 *    x += o_proj(attention(rope(q_norm(q_proj(n))), rope(k_norm(k_proj(n))), v_proj(n)))    n = input_norm(x)
 *    x += down_proj(act(gate_proj(m)) * up_proj(m))                                         m = post_norm(x)
 *
 * Llama, Mistral, Qwen2, Qwen3 and Phi-3 differ in biases, query and key norms, fused projections, and a few
 * defaults: see `family`. Sources: transformers' modeling_llama.py and its siblings; Touvron et al. 2023 (arXiv
 * 2302.13971); Ainslie et al. 2023 (GQA, 2305.13245); Abdin et al. 2024 (Phi-3, 2404.14219). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/arch/arch.h"

typedef enum bias_rule {
   BIAS_NEVER,
   BIAS_BY_CONFIG, /* "attention_bias": query, key, value and output */
   BIAS_QKV        /* always, but not on the output */
} bias_rule;

typedef struct family {
   const char *name;
   bias_rule bias;
   bool mlp_bias;    /* "mlp_bias" counts */
   bool qk_norm;
   bool fused;       /* query, key and value are one product, gate and up another */
   int64_t head_dim; /* when the config has none; 0: hidden_size / num_attention_heads */
   int64_t window;   /* "sliding_window" when the key is absent; 0: none */
   bool window_off;  /* unless "use_sliding_window" is true */
   double eps;       /* when the config has none; 0: 1e-6 */
   pare_rope_rules rope; /* but for head_dim */
} family;

/* What config.json says. */
typedef struct llama {
   const family *family;
   int64_t vocab, hidden, inner, layers, context;
   pare_heads heads;
   pare_rope_attrs rope;
   double eps;
   int act;
   bool tied, q_bias, o_bias, mlp_bias;
} llama;

static const pare_json *member(const pare_builder *b, const char *key)
{
   return pare_json_get(b->source->config, key);
}

/* ---- config ---- */

static void read_heads(pare_builder *b, llama *m)
{
   pare_heads *h = &m->heads;
   h->heads = pare_config_int(b, "num_attention_heads", 1, PARE_CONFIG_MAX_HEADS, PARE_REQUIRED);
   h->kv_heads = pare_config_int(b, "num_key_value_heads", 1, PARE_CONFIG_MAX_HEADS, h->heads);
   h->head_dim = pare_config_int(b, "head_dim", 2, PARE_CONFIG_MAX_HEADS, m->family->head_dim);
   if (b->status != PARE_OK) return;
   if (h->head_dim == 0 && m->hidden % h->heads != 0)
      pare_config_fail(b, PARE_INPUT,
                       "hidden_size %" PRId64 " is not a multiple of num_attention_heads %" PRId64, m->hidden,
                       h->heads);
   if (h->head_dim == 0) h->head_dim = m->hidden / h->heads;
   if (h->heads % h->kv_heads != 0)
      pare_config_fail(b, PARE_INPUT,
                       "num_attention_heads %" PRId64 " is not a multiple of num_key_value_heads %" PRId64,
                       h->heads, h->kv_heads);
   if (h->head_dim == 0 || h->head_dim % 2 != 0)
      pare_config_fail(b, PARE_INPUT,
                       "head_dim %" PRId64 " is not an even number that rotary positions can use",
                       h->head_dim);
   if (h->heads * h->head_dim > PARE_CONFIG_MAX_DIM)
      pare_config_fail(b, PARE_INPUT,
                       "num_attention_heads %" PRId64 " times head_dim %" PRId64 " is above %" PRId64,
                       h->heads, h->head_dim, PARE_CONFIG_MAX_DIM);
   h->scale = 1 / sqrt((double)h->head_dim);
}

static void read_rope(pare_builder *b, llama *m)
{
   pare_rope_rules rules = m->family->rope;
   rules.head_dim = m->heads.head_dim;
   pare_config_rope(b, &rules, &m->rope, &m->context);
}

/* A window that no position reaches the end of changes nothing. */
static void check_window(pare_builder *b, const llama *m)
{
   bool present = member(b, "sliding_window") != NULL;
   int64_t window = pare_config_int(b, "sliding_window", 1, INT64_MAX, present ? 0 : m->family->window);
   bool used = !m->family->window_off || pare_config_bool(b, "use_sliding_window", false);
   if (b->status != PARE_OK || !used || window == 0 || window >= m->context) return;
   pare_config_fail(b, PARE_UNSUPPORTED,
                    "sliding_window %" PRId64 " shorter than the context %" PRId64 " is not supported yet",
                    window, m->context);
}

static void check_layer_types(pare_builder *b, const llama *m)
{
   const pare_json *types = member(b, "layer_types");
   if (b->status != PARE_OK || pare_json_is_null(types)) return;
   if (!pare_json_is_array(types) || pare_json_count(types) != (size_t)m->layers)
      pare_config_fail(b, PARE_INPUT,
                       "\"layer_types\" is not a list of num_hidden_layers = %" PRId64 " names", m->layers);
   for (const pare_json *item = pare_json_first(types); item; item = pare_json_next(item)) {
      const char *type = pare_json_string(item);
      if (!type || strcmp(type, "full_attention") != 0)
         pare_config_fail(b, PARE_UNSUPPORTED, "layer_types \"%.100s\" is not supported yet",
                          type ? type : "");
   }
}

static void read_biases(pare_builder *b, llama *m)
{
   bool by_config = m->family->bias == BIAS_BY_CONFIG && pare_config_bool(b, "attention_bias", false);
   m->q_bias = by_config || m->family->bias == BIAS_QKV;
   m->o_bias = by_config;
   m->mlp_bias = m->family->mlp_bias && pare_config_bool(b, "mlp_bias", false);
}

static void read_config(pare_builder *b, llama *m)
{
   pare_config_refuse_common(b);
   m->vocab = pare_config_int(b, "vocab_size", 1, PARE_CONFIG_MAX_DIM, PARE_REQUIRED);
   m->hidden = pare_config_int(b, "hidden_size", 1, PARE_CONFIG_MAX_DIM, PARE_REQUIRED);
   m->inner = pare_config_int(b, "intermediate_size", 1, PARE_CONFIG_MAX_DIM, PARE_REQUIRED);
   m->layers = pare_config_int(b, "num_hidden_layers", 1, PARE_CONFIG_MAX_LAYERS, PARE_REQUIRED);
   m->eps = pare_config_number(b, "rms_norm_eps", 0, 1, m->family->eps > 0 ? m->family->eps : 1e-6);
   m->act = pare_config_activation(b, "hidden_act", "silu");
   m->tied = pare_config_bool(b, "tie_word_embeddings", false);
   read_heads(b, m);
   read_rope(b, m);
   check_window(b, m);
   check_layer_types(b, m);
   read_biases(b, m);
}

/* ---- graph ---- */

static pare_value *projection(pare_builder *b, const char *name, pare_value *x, int64_t n, int64_t k,
                              bool biased)
{
   char stored[64];
   snprintf(stored, sizeof stored, "%s.weight", name);
   pare_weight *w = pare_build_weight(b, stored, n, k);
   snprintf(stored, sizeof stored, "%s.bias", name);
   return pare_build_linear(b, name, x, w, biased ? pare_build_weight(b, stored, n, 0) : NULL);
}

/* Norm of each head on its own (Qwen3). */
static pare_value *head_norm(pare_builder *b, const llama *m, const char *name, const char *stored,
                             pare_value *x)
{
   if (!m->family->qk_norm) return x;
   return pare_build_rms_norm(b, name, x, pare_build_weight(b, stored, m->heads.head_dim, 0), m->eps);
}

/* Query, key and value of x. */
static void project_qkv(pare_builder *b, const llama *m, pare_value *x, pare_value *out[3])
{
   const pare_heads *h = &m->heads;
   int64_t q_size = h->heads * h->head_dim, kv_size = h->kv_heads * h->head_dim, size = q_size + 2 * kv_size;
   if (m->family->fused) {
      pare_value *qkv = projection(b, "self_attn.qkv_proj", x, size, m->hidden, m->q_bias);
      out[0] = pare_build_slice(b, "self_attn.q_slice", qkv, 0, q_size);
      out[1] = pare_build_slice(b, "self_attn.k_slice", qkv, q_size, q_size + kv_size);
      out[2] = pare_build_slice(b, "self_attn.v_slice", qkv, q_size + kv_size, size);
      return;
   }
   out[0] = projection(b, "self_attn.q_proj", x, q_size, m->hidden, m->q_bias);
   out[1] = projection(b, "self_attn.k_proj", x, kv_size, m->hidden, m->q_bias);
   out[2] = projection(b, "self_attn.v_proj", x, kv_size, m->hidden, m->q_bias);
}

static pare_value *attention(pare_builder *b, const llama *m, int64_t layer, pare_value *x)
{
   const pare_heads *h = &m->heads;
   pare_value *qkv[3], *q, *k;
   project_qkv(b, m, x, qkv);
   q = head_norm(b, m, "self_attn.q_norm", "self_attn.q_norm.weight", qkv[0]);
   k = head_norm(b, m, "self_attn.k_norm", "self_attn.k_norm.weight", qkv[1]);
   q = pare_build_rope(b, "self_attn.q_rope", q, &m->rope);
   k = pare_build_rope(b, "self_attn.k_rope", k, &m->rope);
   pare_value *y = pare_build_attention(b, "self_attn.attention", q, k, qkv[2], layer, h);
   return projection(b, "self_attn.o_proj", y, m->hidden, h->heads * h->head_dim, m->o_bias);
}

static pare_value *feed_forward(pare_builder *b, const llama *m, pare_value *x)
{
   pare_value *gate, *up;
   if (m->family->fused) {
      pare_value *both = projection(b, "mlp.gate_up_proj", x, 2 * m->inner, m->hidden, m->mlp_bias);
      gate = pare_build_slice(b, "mlp.gate_slice", both, 0, m->inner);
      up = pare_build_slice(b, "mlp.up_slice", both, m->inner, 2 * m->inner);
   } else {
      gate = projection(b, "mlp.gate_proj", x, m->inner, m->hidden, m->mlp_bias);
      up = projection(b, "mlp.up_proj", x, m->inner, m->hidden, m->mlp_bias);
   }
   gate = pare_build_activation(b, "mlp.act", gate, m->act);
   pare_value *y = pare_build_mul(b, "mlp.glu", gate, up);
   return projection(b, "mlp.down_proj", y, m->hidden, m->inner, m->mlp_bias);
}

static pare_value *norm(pare_builder *b, const llama *m, const char *name, const char *stored, pare_value *x)
{
   return pare_build_rms_norm(b, name, x, pare_build_weight(b, stored, m->hidden, 0), m->eps);
}

static pare_value *block(pare_builder *b, const llama *m, int64_t layer, pare_value *x)
{
   pare_builder_enter(b, "layers", layer);
   pare_value *y = norm(b, m, "input_norm", "input_layernorm.weight", x);
   x = pare_build_add(b, "attn_residual", x, attention(b, m, layer, y));
   y = norm(b, m, "post_norm", "post_attention_layernorm.weight", x);
   x = pare_build_add(b, "mlp_residual", x, feed_forward(b, m, y));
   pare_builder_leave(b);
   return x;
}

static void build_graph(pare_builder *b, const llama *m)
{
   pare_weight *embed, *head;
   pare_build_tables(b, "embed_tokens.weight", "lm_head.weight", m->vocab, m->hidden, m->tied, &embed, &head);
   pare_value *x = pare_build_embed(b, "embed_tokens", b->tokens, embed);
   for (int64_t layer = 0; layer < m->layers && b->status == PARE_OK; layer++) x = block(b, m, layer, x);
   x = pare_build_select(b, "select", x);
   x = norm(b, m, "norm", "norm.weight", x);
   pare_build_output(b, pare_build_linear(b, "lm_head", x, head, NULL));
}

static pare_status build(pare_ctx *ctx, const pare_arch_source *source, const family *which)
{
   llama m = { .family = which };
   pare_builder b = pare_builder_on(ctx, source, "model.");
   pare_builder_begin(&b, which->name);
   read_config(&b, &m);
   build_graph(&b, &m);
   source->model->context = m.context;
   source->model->vocab = m.vocab;
   return b.status;
}

/* ---- the model types ---- */

static const char *const leftover[] = { ".rotary_emb.inv_freq", NULL };

static pare_status build_llama(pare_ctx *ctx, const pare_arch_source *source)
{
   return build(ctx, source, &(family){ .name = "llama", .bias = BIAS_BY_CONFIG, .mlp_bias = true });
}

static pare_status build_mistral(pare_ctx *ctx, const pare_arch_source *source)
{
   return build(ctx, source, &(family){ .name = "mistral", .window = 4096 });
}

static pare_status build_qwen2(pare_ctx *ctx, const pare_arch_source *source)
{
   return build(ctx, source,
                &(family){ .name = "qwen2", .bias = BIAS_QKV, .window = 4096, .window_off = true });
}

static pare_status build_qwen3(pare_ctx *ctx, const pare_arch_source *source)
{
   return build(ctx, source,
                &(family){ .name = "qwen3",
                           .bias = BIAS_BY_CONFIG,
                           .qk_norm = true,
                           .head_dim = 128,
                           .window = 4096,
                           .window_off = true });
}

static pare_status build_phi3(pare_ctx *ctx, const pare_arch_source *source)
{
   return build(ctx, source,
                &(family){ .name = "phi3",
                           .fused = true,
                           .eps = 1e-5,
                           .rope = { .partial = true, .only_longrope = true, .original = 4096 } });
}

const pare_arch pare_arch_llama = { "llama", "LlamaForCausalLM", leftover, build_llama };
const pare_arch pare_arch_mistral = { "mistral", "MistralForCausalLM", leftover, build_mistral };
const pare_arch pare_arch_qwen2 = { "qwen2", "Qwen2ForCausalLM", leftover, build_qwen2 };
const pare_arch pare_arch_qwen3 = { "qwen3", "Qwen3ForCausalLM", leftover, build_qwen3 };
const pare_arch pare_arch_phi3 = { "phi3", "Phi3ForCausalLM", leftover, build_phi3 };
