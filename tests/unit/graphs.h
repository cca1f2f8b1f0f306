/* graphs: small graphs for tests of the IR and of the ops. */
#ifndef PARE_TESTS_GRAPHS_H
#define PARE_TESTS_GRAPHS_H

#include <math.h>
#include <string.h>

#include "ir/op.h"
#include "unit.h"

/* A layer of a Llama with one of everything: 2 heads of 4 on 1 kv head, width 8, vocabulary 6. */
#define TINY_LLAMA                                                                                        \
   "graph \"tiny\" {\n"                                                                                   \
   "  input %tokens : i32[tokens]\n"                                                                      \
   "  input %positions : i32[tokens]\n"                                                                   \
   "  input %sequences : i32[tokens]\n"                                                                   \
   "  input %rows : i32[rows]\n"                                                                          \
   "  state %kv.0 : f32[slots, 1, past, 8]\n"                                                             \
   "  weight \"embed\" [6, 8] f32\n"                                                                      \
   "  weight \"norm\" [8] bf16\n"                                                                         \
   "  weight \"q\" [8, 8] f32 {\"transposed\":true}\n"                                                    \
   "  weight \"k\" [4, 8] f16\n"                                                                          \
   "  weight \"v\" [4, 8] f32\n"                                                                          \
   "  weight \"v.bias\" [4] f32\n"                                                                        \
   "  %0 = embed \"embed\" (%tokens) [\"embed\"] : f32[tokens, 8]\n"                                      \
   "  %1 = rms_norm \"norm\" (%0) [\"norm\"] {\"eps\":1e-06} : f32[tokens, 8]\n"                       \
   "  %2 = linear \"q\" (%1) [\"q\"] : f32[tokens, 8]\n"                                                  \
   "  %3 = linear \"k\" (%1) [\"k\"] : f32[tokens, 4]\n"                                                  \
   "  %4 = linear \"v\" (%1) [\"v\", \"v.bias\"] : f32[tokens, 4]\n"                                      \
   "  %5 = rope \"q.rope\" (%2, %positions) {\"head_dim\":4,\"rot_dim\":4} : f32[tokens, 8]\n"            \
   "  %6 = rope \"k.rope\" (%3, %positions) {\"head_dim\":4,\"rot_dim\":4,\"scaling\":\"longrope\","          \
   "\"original_context\":2,\"short_factor\":[1,1.5],\"long_factor\":[2.25,8]} : f32[tokens, 4]\n"         \
   "  %7 = attention \"attn\" (%5, %6, %4, %positions, %sequences, %kv.0)"                                \
   " {\"heads\":2,\"head_dim\":4,\"scale\":0.5} : f32[tokens, 8]\n"                                       \
   "  %8 = add \"residual\" (%0, %7) : f32[tokens, 8]\n"                                                  \
   "  %9 = activation \"act\" (%8) {\"kind\":\"gelu_erf\"} : f32[tokens, 8]\n"                            \
   "  %10 = select \"last\" (%9, %rows) : f32[rows, 8]\n"                                                 \
   "  %11 = linear \"head\" (%10) [\"embed\"] : f32[rows, 6]\n"                                           \
   "  output %11\n"                                                                                       \
   "}\n"

/* The value of element i of a weight that attach_values made (f32 ones). */
static inline float test_value(const char *name, int64_t i)
{
   return (float)sin((double)(i * 7 + (int64_t)strlen(name) * 3 + name[0]));
}

/* pare_attach: f32 weights get test_value, all others zeros. Refuses more than 1 MB. */
static inline pare_status attach_values(pare_ctx *ctx, void *user, const char *name, int rank,
                                        const int64_t *dim, pare_encoding encoding, pare_buffer **out)
{
   size_t size = 0;
   (void)user;
   if (!pare_encoding_bytes(&encoding, rank, dim, &size) || size > 1 << 20)
      return pare_fail(ctx, PARE_INPUT, name, "too large for a test");
   PARE_TRY(pare_buffer_create(ctx, size, out));
   for (size_t i = 0; encoding.kind == PARE_ENC_F32 && i < size / 4; i++) {
      float value = test_value(name, (int64_t)i);
      memcpy(pare_buffer_edit(*out) + 4 * i, &value, sizeof value);
   }
   return PARE_OK;
}

static inline pare_status parse_text(pare_ctx *ctx, const char *text, pare_graph **out)
{
   return pare_graph_parse(ctx, text, strlen(text), "test", attach_values, NULL, out);
}

#endif
