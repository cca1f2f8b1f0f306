/* pipeline_model: a small model whose weights have values, for tests of passes and of the pipeline. */
#ifndef PARE_TESTS_PIPELINE_MODEL_H
#define PARE_TESTS_PIPELINE_MODEL_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "ir/model.h"
#include "pipeline/pipeline.h"
#include "unit.h"

/* A tied embedding, learned positions, a layer whose first product is narrow, a dead branch with a weight of
 * its own. */
#define PIPELINE_GRAPH                                                                                      \
   "graph \"tiny\" {\n"                                                                                     \
   "  input %tokens : i32[tokens]\n"                                                                        \
   "  input %positions : i32[tokens]\n"                                                                     \
   "  input %sequences : i32[tokens]\n"                                                                     \
   "  input %rows : i32[rows]\n"                                                                            \
   "  state %kv.0 : f32[slots, 2, past, 64]\n"                                                              \
   "  weight \"model.embed.weight\" [40, 64] bf16\n"                                                        \
   "  weight \"wpe.weight\" [32, 64] f32\n"                                                                 \
   "  weight \"model.layers.0.norm.weight\" [64] f32\n"                                                     \
   "  weight \"model.layers.0.qkv.weight\" [64, 64] f16\n"                                                  \
   "  weight \"model.layers.0.down.weight\" [24, 64] f32 {\"transposed\":true}\n"                           \
   "  weight \"model.layers.0.down.bias\" [24] f32\n"                                                       \
   "  weight \"model.layers.0.up.weight\" [64, 24] f32\n"                                                   \
   "  weight \"unused.weight\" [3, 64] f32\n"                                                               \
   "  %0 = embed \"embed\" (%tokens) [\"model.embed.weight\"] : f32[tokens, 64]\n"                          \
   "  %1 = embed \"embed_positions\" (%positions) [\"wpe.weight\"] : f32[tokens, 64]\n"                     \
   "  %2 = add \"embed_sum\" (%0, %1) : f32[tokens, 64]\n"                                                  \
   "  %3 = rms_norm \"layers.0.norm\" (%2) [\"model.layers.0.norm.weight\"] {\"eps\":1e-06}"                \
   " : f32[tokens, 64]\n"                                                                                   \
   "  %4 = linear \"layers.0.qkv\" (%3) [\"model.layers.0.qkv.weight\"] : f32[tokens, 64]\n"                \
   "  %5 = attention \"layers.0.attn\" (%4, %4, %4, %positions, %sequences, %kv.0)"                         \
   " {\"heads\":2,\"kv_heads\":2,\"head_dim\":32,\"scale\":0.2} : f32[tokens, 64]\n"                        \
   "  %6 = linear \"layers.0.down\" (%5) [\"model.layers.0.down.weight\", \"model.layers.0.down.bias\"]"    \
   " : f32[tokens, 24]\n"                                                                                   \
   "  %7 = linear \"layers.0.up\" (%6) [\"model.layers.0.up.weight\"] : f32[tokens, 64]\n"                  \
   "  %8 = linear \"dead\" (%7) [\"unused.weight\"] : f32[tokens, 3]\n"                                     \
   "  %9 = select \"last\" (%7, %rows) : f32[rows, 64]\n"                                                   \
   "  %10 = linear \"lm_head\" (%9) [\"model.embed.weight\"] : f32[rows, 40]\n"                             \
   "  output %10\n"                                                                                         \
   "}\n"

static inline void put_value(uint8_t *bytes, pare_encoding_kind kind, int64_t i, float value)
{
   uint16_t half = kind == PARE_ENC_F16 ? pare_f32_to_f16(value) : pare_f32_to_bf16(value);
   if (kind == PARE_ENC_F32) memcpy(bytes + 4 * i, &value, 4);
   else memcpy(bytes + 2 * i, &half, 2);
}

/* Element i of a weight [n, k] (k is 1 for vectors) whose name starts with "=", so that graphs in text can have
 * constants:
 *    "=0.5 anything"        the number
 *    "=causal -1e9"         [n, n]: 0 up to the diagonal, the number after it
 *    "=frequencies 10000"   10000^(-i / n), the frequencies of rope for heads of 2 n
 *    "=cos 10000", "=sin 10000"   [n, k]: of position row times the frequency of column modulo k / 2 */
static inline float told_value(const char *name, int64_t i, int64_t n, int64_t k)
{
   double number = strtod(strchr(name, ' ') ? strchr(name, ' ') : name + 1, NULL);
   double angle = (double)(i / k) * pow(number, -2.0 * (double)(i % (k > 1 ? k / 2 : 1)) / (double)k);
   if (strncmp(name, "=causal", 7) == 0) return i % k > i / k ? (float)number : 0;
   if (strncmp(name, "=frequencies", 12) == 0) return (float)pow(number, -(double)i / (double)n);
   if (strncmp(name, "=cos", 4) == 0) return (float)cos(angle);
   if (strncmp(name, "=sin", 4) == 0) return (float)sin(angle);
   return (float)strtod(name + 1, NULL);
}

/* pare_attach: values in [-1, 1) drawn from the weight's name, or those that told_value gives; integer encodings
 * get zeros. */
static inline pare_status attach_random(pare_ctx *ctx, void *user, const char *name, int rank,
                                        const int64_t *dim, pare_encoding encoding, pare_buffer **out)
{
   size_t size = 0;
   pare_rng rng;
   (void)user;
   if (!pare_encoding_bytes(&encoding, rank, dim, &size) || size > 1 << 20)
      return pare_fail(ctx, PARE_INPUT, name, "too large for a test");
   PARE_TRY(pare_buffer_create(ctx, size, out));
   uint64_t seed = 0;
   for (const char *p = name; *p; p++) seed = seed * 31 + (uint8_t)*p;
   pare_rng_seed(&rng, seed);
   int64_t count = dim[0] * (rank == 2 ? dim[1] : 1);
   for (int64_t i = 0; i < count && pare_encoding_is_float(encoding.kind); i++) {
      float drawn = (float)(pare_rng_unit(&rng) * 2 - 1);
      bool told = name[0] == '=';
      put_value(pare_buffer_edit(*out), encoding.kind, i,
                told ? told_value(name, i, dim[0], rank == 2 ? dim[1] : 1) : drawn);
   }
   return PARE_OK;
}

static inline pare_status model_from_text(pare_ctx *ctx, const char *text, pare_model **out)
{
   pare_model *model;
   PARE_TRY(pare_model_create(ctx, &model));
   pare_status status = pare_graph_parse(ctx, text, strlen(text), "test", attach_random, NULL, &model->graph);
   if (status == PARE_OK) *out = model;
   else pare_model_destroy(ctx, model);
   return status;
}

static inline pare_status recipe_from_steps(pare_ctx *ctx, const char *steps, pare_recipe **out)
{
   char text[1024];
   int size = snprintf(text, sizeof text, "{\"schema\": \"pare.recipe/1\", \"passes\": [%s]}", steps);
   return pare_recipe_parse(ctx, text, (size_t)size, "test", out);
}

static inline int64_t count_zeros_of(pare_ctx *ctx, const pare_model *model, const char *name)
{
   pare_weight_stats stats = { 0 };
   pare_weight_measure(ctx, pare_graph_find_weight(model->graph, name), &stats);
   return stats.zeros;
}

#endif
