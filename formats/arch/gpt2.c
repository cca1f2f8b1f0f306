/* gpt2: learned positions, LayerNorm, one product for query, key and value, biases everywhere. Linear weights
 * are those of transformers' Conv1D: stored [inputs][outputs].
 *
 *    x = wte[token] + wpe[position]
 *    x += c_proj(attention(c_attn(ln_1(x))))
 *    x += c_proj(act(c_fc(ln_2(x))))
 *
 * Sources: Radford et al. 2019; transformers' modeling_gpt2.py. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "formats/arch/arch.h"

/* What config.json says. */
typedef struct gpt2 {
   int64_t vocab, hidden, inner, layers, context;
   pare_heads heads;
   double eps;
   int act;
   bool tied, scale_by_layer;
} gpt2;

static void read_heads(pare_builder *b, gpt2 *m)
{
   int64_t heads = pare_config_int(b, "n_head", 1, PARE_CONFIG_MAX_HEADS, PARE_REQUIRED);
   bool scaled = pare_config_bool(b, "scale_attn_weights", true);
   m->scale_by_layer = pare_config_bool(b, "scale_attn_by_inverse_layer_idx", false);
   if (b->status != PARE_OK) return;
   if (m->hidden % heads != 0)
      pare_config_fail(b, PARE_INPUT, "n_embd %" PRId64 " is not a multiple of n_head %" PRId64, m->hidden,
                       heads);
   int64_t head_dim = m->hidden / heads;
   m->heads = (pare_heads){ heads, heads, head_dim, scaled ? 1 / sqrt((double)head_dim) : 1 };
}

static void read_config(pare_builder *b, gpt2 *m)
{
   pare_config_refuse_common(b);
   m->vocab = pare_config_int(b, "vocab_size", 1, PARE_CONFIG_MAX_DIM, PARE_REQUIRED);
   m->hidden = pare_config_int(b, "n_embd", 1, PARE_CONFIG_MAX_DIM / 4, PARE_REQUIRED);
   m->inner = pare_config_int(b, "n_inner", 1, PARE_CONFIG_MAX_DIM, 4 * m->hidden);
   m->layers = pare_config_int(b, "n_layer", 1, PARE_CONFIG_MAX_LAYERS, PARE_REQUIRED);
   m->context = pare_config_int(b, "n_positions", 1, PARE_CONFIG_MAX_DIM, PARE_REQUIRED);
   m->eps = pare_config_number(b, "layer_norm_epsilon", 0, 1, 1e-5);
   m->act = pare_config_activation(b, "activation_function", "gelu_new");
   m->tied = pare_config_bool(b, "tie_word_embeddings", true);
   if (pare_config_bool(b, "add_cross_attention", false))
      pare_config_fail(b, PARE_UNSUPPORTED, "add_cross_attention is not supported");
   read_heads(b, m);
}

static pare_value *conv1d(pare_builder *b, const char *name, const char *stored, pare_value *x, int64_t n,
                          int64_t k)
{
   char full[64];
   snprintf(full, sizeof full, "%s.weight", stored);
   pare_weight *w = pare_build_transposed(b, full, n, k);
   snprintf(full, sizeof full, "%s.bias", stored);
   return pare_build_linear(b, name, x, w, pare_build_weight(b, full, n, 0));
}

static pare_value *norm(pare_builder *b, const gpt2 *m, const char *name, const char *stored, pare_value *x)
{
   char full[64];
   snprintf(full, sizeof full, "%s.weight", stored);
   pare_weight *w = pare_build_weight(b, full, m->hidden, 0);
   snprintf(full, sizeof full, "%s.bias", stored);
   return pare_build_layer_norm(b, name, x, w, pare_build_weight(b, full, m->hidden, 0), m->eps);
}

static pare_value *attention(pare_builder *b, const gpt2 *m, int64_t layer, pare_value *x)
{
   pare_heads heads = m->heads;
   if (m->scale_by_layer) heads.scale /= (double)(layer + 1);
   int64_t n = m->hidden;
   pare_value *qkv = conv1d(b, "self_attn.qkv_proj", "attn.c_attn", x, 3 * n, n);
   pare_value *q = pare_build_slice(b, "self_attn.q_slice", qkv, 0, n);
   pare_value *k = pare_build_slice(b, "self_attn.k_slice", qkv, n, 2 * n);
   pare_value *v = pare_build_slice(b, "self_attn.v_slice", qkv, 2 * n, 3 * n);
   pare_value *y = pare_build_attention(b, "self_attn.attention", q, k, v, layer, &heads);
   return conv1d(b, "self_attn.o_proj", "attn.c_proj", y, n, n);
}

static pare_value *feed_forward(pare_builder *b, const gpt2 *m, pare_value *x)
{
   pare_value *y = conv1d(b, "mlp.up_proj", "mlp.c_fc", x, m->inner, m->hidden);
   y = pare_build_activation(b, "mlp.act", y, m->act);
   return conv1d(b, "mlp.down_proj", "mlp.c_proj", y, m->hidden, m->inner);
}

static pare_value *block(pare_builder *b, const gpt2 *m, int64_t layer, pare_value *x)
{
   pare_builder_enter(b, "h", layer);
   pare_value *y = norm(b, m, "input_norm", "ln_1", x);
   x = pare_build_add(b, "attn_residual", x, attention(b, m, layer, y));
   y = norm(b, m, "post_norm", "ln_2", x);
   x = pare_build_add(b, "mlp_residual", x, feed_forward(b, m, y));
   pare_builder_leave(b);
   return x;
}

static pare_value *embeddings(pare_builder *b, const gpt2 *m, pare_weight *tokens)
{
   pare_weight *positions = pare_build_weight(b, "wpe.weight", m->context, m->hidden);
   pare_value *x = pare_build_embed(b, "embed_tokens", b->tokens, tokens);
   return pare_build_add(b, "embed_sum", x, pare_build_embed(b, "embed_positions", b->positions, positions));
}

static pare_status build(pare_ctx *ctx, const pare_arch_source *source)
{
   gpt2 m = { 0 };
   pare_weight *embed, *head;
   pare_builder b = pare_builder_on(ctx, source, "transformer.");
   read_config(&b, &m);
   pare_builder_begin(&b, "gpt2");
   pare_build_tables(&b, "wte.weight", "lm_head.weight", m.vocab, m.hidden, m.tied, &embed, &head);
   pare_value *x = embeddings(&b, &m, embed);
   for (int64_t layer = 0; layer < m.layers && b.status == PARE_OK; layer++) x = block(&b, &m, layer, x);
   x = pare_build_select(&b, "select", x);
   x = norm(&b, &m, "norm", "ln_f", x);
   pare_build_output(&b, pare_build_linear(&b, "lm_head", x, head, NULL));
   source->model->context = m.context;
   source->model->vocab = m.vocab;
   return b.status;
}

/* The causal mask, which old checkpoints stored. */
static const char *const leftover[] = { ".attn.bias", ".attn.masked_bias", NULL };

const pare_arch pare_arch_gpt2 = { "gpt2", "GPT2LMHeadModel", leftover, build };
