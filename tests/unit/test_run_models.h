/* test_run_models: small models with random weights for the tests of the executor: a Llama with query and
 * key norms and a GPT-2 with transposed weights, in any encoding. */
#ifndef PARE_TESTS_RUN_MODELS_H
#define PARE_TESTS_RUN_MODELS_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "ops/evaluate.h"
#include "ops/ops.h"
#include "quant/encode_groups.h"
#include "pipeline/pipeline.h"
#include "quant/encode_i8.h"
#include "run/session.h"
#include "unit.h"

typedef struct tiny {
   bool gpt2, i8, fused;
   int bits;                    /* with i8: 4, 3, 2, or 0 for 8 bits a weight */
   const char *act;             /* with i8: "i16", "f32" (then gates stay floats), or NULL for activations of i8 */
   const char *cache;           /* "f32", "f16", "i8" */
   const char *weights;         /* encoding of the float matrices */
   bool twice;                  /* two layers read the results of attention */
   int dim, heads, kv_heads, head_dim, ffn, layers, vocab, context, window;
   int table;                   /* rows of an embedding of its own, or 0: tied to the head */
} tiny;

static inline tiny tiny_llama(void)
{
   return (tiny){ .fused = true,
                  .cache = "f32",
                  .weights = "f32",
                  .dim = 64,
                  .heads = 4,
                  .kv_heads = 2,
                  .head_dim = 16,
                  .ffn = 96,
                  .layers = 2,
                  .vocab = 50,
                  .context = 40 };
}

static inline tiny tiny_gpt2(void)
{
   return (tiny){ .gpt2 = true,
                  .fused = true,
                  .cache = "f32",
                  .weights = "f32",
                  .dim = 48,
                  .heads = 3,
                  .kv_heads = 3,
                  .head_dim = 16,
                  .ffn = 100,
                  .layers = 2,
                  .vocab = 37,
                  .context = 40 };
}

/* ---- text of the graph; every printf is checked by the parser in the end ---- */

typedef struct tiny_text {
   pare_ctx *ctx;
   pare_str weights, nodes;
   int next;
} tiny_text;

static inline void tiny_weight(tiny_text *t, const char *name, int layer, int n, int k, const char *encoding)
{
   pare_str_printf(t->ctx, &t->weights, "weight \"%s.%d\" [%d", name, layer, n);
   if (k) pare_str_printf(t->ctx, &t->weights, ", %d", k);
   pare_str_printf(t->ctx, &t->weights, "] %s\n", encoding);
}

/* A node with inputs and weights as text; returns the number of its value. */
static inline int tiny_node(tiny_text *t, const char *op, const char *name, int layer, const char *inputs,
                            const char *weights, const char *attrs, const char *rows, int width)
{
   pare_str_printf(t->ctx, &t->nodes, "%%%d = %s \"%s.%d.node\" (%s) ", t->next, op, name, layer, inputs);
   if (*weights) pare_str_printf(t->ctx, &t->nodes, "[%s] ", weights);
   pare_str_printf(t->ctx, &t->nodes, "%s : f32[%s, %d]\n", attrs, rows, width);
   return t->next++;
}

enum { TINY_TEXT_SIZE = 512 };

PARE_PRINTF(2, 3) static inline void tiny_format(char text[TINY_TEXT_SIZE], const char *fmt, ...)
{
   va_list args;
   va_start(args, fmt);
   int length = vsnprintf(text, TINY_TEXT_SIZE, fmt, args);
   va_end(args);
   ck_assert_int_lt(length, TINY_TEXT_SIZE);
}

#define TINY_TEXT(name, ...)      \
   char name[TINY_TEXT_SIZE];     \
   tiny_format(name, __VA_ARGS__)

static inline int tiny_linear(tiny_text *t, const tiny *m, const char *name, int layer, int x, int n, int k,
                              bool bias, const char *rows)
{
   TINY_TEXT(encoding, "%s%s", m->weights, m->gpt2 && layer >= 0 ? " {\"transposed\":true}" : "");
   TINY_TEXT(bias_name, "%s_bias", name);
   tiny_weight(t, name, layer, n, k, encoding);
   if (bias) tiny_weight(t, bias_name, layer, n, 0, "f16");
   TINY_TEXT(input, "%%%d", x);
   TINY_TEXT(weights, bias ? "\"%s.%d\", \"%s_bias.%d\"" : "\"%s.%d\"", name, layer, name, layer);
   return tiny_node(t, "linear", name, layer, input, weights, "", rows, n);
}

static inline int tiny_norm(tiny_text *t, const tiny *m, const char *name, int layer, int x, int width,
                            int run, const char *rows)
{
   TINY_TEXT(input, "%%%d", x);
   tiny_weight(t, name, layer, run, 0, "f32");
   if (!m->gpt2) {
      TINY_TEXT(weights, "\"%s.%d\"", name, layer);
      return tiny_node(t, "rms_norm", name, layer, input, weights, "{\"eps\":1e-05}", rows, width);
   }
   TINY_TEXT(bias_name, "%s_bias", name);
   tiny_weight(t, bias_name, layer, run, 0, "bf16");
   TINY_TEXT(weights, "\"%s.%d\", \"%s_bias.%d\"", name, layer, name, layer);
   return tiny_node(t, "layer_norm", name, layer, input, weights, "{\"eps\":1e-05}", rows, width);
}

static inline int tiny_pair(tiny_text *t, const char *op, const char *name, int layer, int a, int b,
                            int width)
{
   TINY_TEXT(inputs, "%%%d, %%%d", a, b);
   return tiny_node(t, op, name, layer, inputs, "", "", "tokens", width);
}

static inline int tiny_part(tiny_text *t, const tiny *m, const char *name, int layer, int qkv, int i)
{
   TINY_TEXT(input, "%%%d", qkv);
   TINY_TEXT(attrs, "{\"from\":%d,\"to\":%d}", i * m->dim, (i + 1) * m->dim);
   return tiny_node(t, "slice", name, layer, input, "", attrs, "tokens", m->dim);
}

static inline int tiny_turned(tiny_text *t, const tiny *m, const char *name, int layer, int x, int heads)
{
   int width = heads * m->head_dim;
   TINY_TEXT(norm, "%s_norm", name);
   TINY_TEXT(rope, "%s_rope", name);
   x = tiny_norm(t, m, norm, layer, x, width, m->head_dim, "tokens");
   TINY_TEXT(inputs, "%%%d, %%positions", x);
   TINY_TEXT(attrs, "{\"head_dim\":%d,\"rot_dim\":%d,\"scaling\":\"dynamic\",\"factor\":3,\"original_context\":9}",
             m->head_dim, m->head_dim - 4);
   return tiny_node(t, "rope", rope, layer, inputs, "", attrs, "tokens", width);
}

static inline int tiny_attention(tiny_text *t, const tiny *m, int layer, int x)
{
   int q, k, v, width = m->heads * m->head_dim, kv_width = m->kv_heads * m->head_dim;
   if (m->gpt2) {
      int qkv = tiny_linear(t, m, "qkv", layer, x, 3 * width, m->dim, true, "tokens");
      q = tiny_part(t, m, "q", layer, qkv, 0);
      k = tiny_part(t, m, "k", layer, qkv, 1);
      v = tiny_part(t, m, "v", layer, qkv, 2);
   } else {
      q = tiny_linear(t, m, "q", layer, x, width, m->dim, true, "tokens");
      q = tiny_turned(t, m, "q", layer, q, m->heads);
      k = tiny_linear(t, m, "k", layer, x, kv_width, m->dim, false, "tokens");
      k = tiny_turned(t, m, "k", layer, k, m->kv_heads);
      v = tiny_linear(t, m, "v", layer, x, kv_width, m->dim, false, "tokens");
   }
   TINY_TEXT(inputs, "%%%d, %%%d, %%%d, %%positions, %%sequences, %%kv.%d", q, k, v, layer);
   TINY_TEXT(attrs, "{\"heads\":%d,\"kv_heads\":%d,\"head_dim\":%d,\"scale\":0.25,\"window\":%d}", m->heads,
             m->kv_heads, m->head_dim, m->window);
   int y = tiny_node(t, "attention", "attention", layer, inputs, "", attrs, "tokens", width);
   int o = tiny_linear(t, m, "o", layer, y, m->dim, width, m->gpt2, "tokens");
   if (!m->twice) return o;
   int other = tiny_linear(t, m, "other", layer, y, m->dim, width, m->gpt2, "tokens");
   return tiny_pair(t, "add", "both", layer, o, other, m->dim);
}

static inline int tiny_mlp(tiny_text *t, const tiny *m, int layer, int x)
{
   int up = tiny_linear(t, m, "up", layer, x, m->ffn, m->dim, m->gpt2, "tokens");
   int gate = m->gpt2 ? up : tiny_linear(t, m, "gate", layer, x, m->ffn, m->dim, false, "tokens");
   TINY_TEXT(input, "%%%d", gate);
   const char *kind = m->gpt2 ? "{\"kind\":\"gelu_tanh\"}" : "{\"kind\":\"silu\"}";
   int y = tiny_node(t, "activation", "act", layer, input, "", kind, "tokens", m->ffn);
   if (!m->gpt2) y = tiny_pair(t, "mul", "gated", layer, y, up, m->ffn);
   return tiny_linear(t, m, "down", layer, y, m->dim, m->ffn, m->gpt2, "tokens");
}

static inline int tiny_body(tiny_text *t, const tiny *m)
{
   tiny_weight(t, "embed", 0, m->vocab, m->dim, m->weights);
   if (m->table) tiny_weight(t, "table", 0, m->table, m->dim, m->weights);
   const char *table = m->table ? "\"table.0\"" : "\"embed.0\"";
   int x = tiny_node(t, "embed", "embed", 0, "%tokens", table, "", "tokens", m->dim);
   if (m->gpt2) {
      tiny_weight(t, "wpe", 0, m->context, m->dim, m->weights);
      int positions = tiny_node(t, "embed", "wpe", 0, "%positions", "\"wpe.0\"", "", "tokens", m->dim);
      x = tiny_pair(t, "add", "embedded", 0, x, positions, m->dim);
   }
   for (int layer = 0; layer < m->layers; layer++) {
      int normed = tiny_norm(t, m, "norm1", layer, x, m->dim, m->dim, "tokens");
      x = tiny_pair(t, "add", "residual1", layer, x, tiny_attention(t, m, layer, normed), m->dim);
      normed = tiny_norm(t, m, "norm2", layer, x, m->dim, m->dim, "tokens");
      x = tiny_pair(t, "add", "residual2", layer, x, tiny_mlp(t, m, layer, normed), m->dim);
   }
   TINY_TEXT(inputs, "%%%d, %%rows", x);
   x = tiny_node(t, "select", "select", 0, inputs, "", "", "rows", m->dim);
   x = tiny_norm(t, m, "final", 0, x, m->dim, m->dim, "rows");
   TINY_TEXT(input, "%%%d", x);
   return tiny_node(t, "linear", "head", 0, input, "\"embed.0\"", "", "rows", m->vocab);
}

static inline void tiny_print(tiny_text *t, const tiny *m, int logits, pare_str *out)
{
   pare_str_printf(t->ctx, out,
                   "graph \"tiny\" {\ninput %%tokens : i32[tokens]\ninput %%positions : i32[tokens]\n"
                   "input %%sequences : i32[tokens]\ninput %%rows : i32[rows]\n");
   for (int i = 0; i < m->layers; i++) {
      pare_str_printf(t->ctx, out, "state %%kv.%d : %s[slots, %d, past, %d]\n", i, m->cache, m->kv_heads,
                      2 * m->head_dim);
   }
   pare_str_printf(t->ctx, out, "%s%soutput %%%d\n}\n", t->weights.data, t->nodes.data, logits);
}

/* ---- weights ---- */

/* Vectors near 1 (gains) or 0 (biases), matrices with rows of about unit length. */
static inline pare_status tiny_attach(pare_ctx *ctx, void *user, const char *name, int rank,
                                      const int64_t *dim, pare_encoding encoding, pare_buffer **out)
{
   pare_rng rng;
   size_t size = 0;
   (void)user;
   pare_rng_seed(&rng,
                 (uint64_t)strlen(name) * 1000 + (uint64_t)name[0] * 7 + (uint64_t)name[strlen(name) - 1]);
   pare_encoding_bytes(&encoding, rank, dim, &size);
   PARE_TRY(pare_buffer_create(ctx, size, out));
   size_t count = (size_t)dim[0] * (size_t)(rank == 2 ? dim[1] : 1);
   for (size_t i = 0; i < count; i++) {
      double x = 2 * pare_rng_unit(&rng) - 1;
      float value = (float)(rank == 2              ? x * sqrt(3.0 / (double)dim[1])
                            : strstr(name, "bias") ? x
                                                   : 1 + x / 2);
      uint16_t half = encoding.kind == PARE_ENC_F16 ? pare_f32_to_f16(value) : pare_f32_to_bf16(value);
      uint8_t *at = pare_buffer_edit(*out);
      if (encoding.kind == PARE_ENC_F32) memcpy(at + 4 * i, &value, 4);
      else memcpy(at + 2 * i, &half, 2);
   }
   return PARE_OK;
}

static inline void tiny_encode(pare_ctx *ctx, pare_weight *weight, int bits)
{
   static const pare_encoding_kind kinds[] = { [2] = PARE_ENC_I2, [3] = PARE_ENC_I3, [4] = PARE_ENC_I4 };
   pare_encode_error error;
   pare_encoding encoding = { .group = 32, .rotation = pare_rotation_for(weight->dim[1]) };
   if (bits == 0) {
      assert_ok(ctx, pare_encode_i8(ctx, weight, encoding.rotation, NULL, &error));
      return;
   }
   encoding.kind = kinds[bits];
   assert_ok(ctx, pare_encode_groups(ctx, weight, &encoding, NULL, &error));
}

static inline void tiny_quantize(pare_ctx *ctx, pare_graph *graph, const tiny *m)
{
   int act = !m->act ? PARE_ACT_I8 : strcmp(m->act, "i16") == 0 ? PARE_ACT_I16 : PARE_ACT_F32;
   for (size_t i = 0; i < graph->n_weights; i++) {
      bool stays = act == PARE_ACT_F32 && strncmp(graph->weights[i]->name, "gate", 4) == 0;
      if (graph->weights[i]->rank == 2 && !stays) tiny_encode(ctx, graph->weights[i], m->bits);
   }
   for (pare_node *node = graph->first; node; node = node->next) {
      if (node->op == PARE_OP_linear) ((pare_linear_attrs *)node->attrs)->act = act;
   }
}

/* The model of a text that is written but for its head; the text is done with. */
static inline pare_model *tiny_model_of(pare_ctx *ctx, const tiny *m, tiny_text *t, int logits)
{
   pare_str text = { 0 };
   pare_model *model;
   tiny_print(t, m, logits, &text);
   assert_ok(ctx, pare_model_create(ctx, &model));
   model->context = m->context;
   model->vocab = m->vocab;
   assert_ok(ctx,
             pare_graph_parse(ctx, text.data, strlen(text.data), "tiny", tiny_attach, NULL, &model->graph));
   if (m->i8) tiny_quantize(ctx, model->graph, m);
   assert_ok(ctx, pare_graph_validate(ctx, model->graph, PARE_INTERNAL));
   if (m->fused) assert_ok(ctx, pare_pipeline_fuse(ctx, model));
   pare_str_finish(ctx, &text);
   pare_str_finish(ctx, &t->weights);
   pare_str_finish(ctx, &t->nodes);
   return model;
}

static inline pare_model *tiny_model(pare_ctx *ctx, const tiny *m)
{
   tiny_text t = { .ctx = ctx };
   int logits = tiny_body(&t, m);
   return tiny_model_of(ctx, m, &t, logits);
}

static inline void tiny_tokens(const tiny *m, uint64_t seed, uint32_t *tokens, int64_t n)
{
   pare_rng rng;
   pare_rng_seed(&rng, seed);
   for (int64_t i = 0; i < n; i++) tokens[i] = (uint32_t)pare_rng_below(&rng, (uint64_t)m->vocab);
}

enum { TINY_MOST_TOKENS = 1024 };

/* Logits [n][vocab] of a sequence at slot `slot`, in batches of at most `chunk` tokens. */
static inline float *tiny_run(pare_ctx *ctx, const pare_model *model, const uint32_t *tokens, int64_t n, int64_t chunk,
                              int64_t slot)
{
   pare_session *session;
   pare_session_options options = { .slots = slot + 1, .tokens = chunk, .rows = chunk };
   float *all = malloc((size_t)(n * model->vocab) * sizeof *all);
   assert_ok(ctx, pare_session_create(ctx, model, &options, &session));
   for (int64_t from = 0; from < n; from += chunk) {
      int32_t positions[TINY_MOST_TOKENS], slots[TINY_MOST_TOKENS], rows[TINY_MOST_TOKENS];
      int64_t count = n - from < chunk ? n - from : chunk;
      for (int32_t i = 0; i < count; i++) {
         positions[i] = (int32_t)from + i;
         slots[i] = (int32_t)slot;
         rows[i] = i;
      }
      pare_batch batch = { count, tokens + from, positions, slots, count, rows };
      const float *logits;
      assert_ok(ctx, pare_session_step(ctx, session, &batch, &logits));
      memcpy(all + from * model->vocab, logits, (size_t)(count * model->vocab) * sizeof *all);
   }
   pare_session_destroy(ctx, session);
   return all;
}

#endif
