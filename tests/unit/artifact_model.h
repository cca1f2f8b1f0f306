/* artifact_model: a small model made by hand with a weight of every encoding, and artifacts of it. */
#ifndef PARE_TESTS_ARTIFACT_MODEL_H
#define PARE_TESTS_ARTIFACT_MODEL_H

#include "base/half.h"
#include "formats/pare.h"
#include "formats_files.h"
#include "graphs.h"

#define MADE_GRAPH                                                                                        \
   "graph \"made\" {\n"                                                                                   \
   "  input %tokens : i32[tokens]\n"                                                                      \
   "  input %positions : i32[tokens]\n"                                                                   \
   "  input %sequences : i32[tokens]\n"                                                                   \
   "  input %rows : i32[rows]\n"                                                                          \
   "  state %kv.0 : f32[slots, 1, past, 8]\n"                                                             \
   "  weight \"embed\" [18, 64] i8 {\"rotation\":32}\n"                                                   \
   "  weight \"norm\" [64] bf16\n"                                                                        \
   "  weight \"q\" [8, 64] f32 {\"transposed\":true}\n"                                                   \
   "  weight \"k\" [4, 64] f16\n"                                                                         \
   "  weight \"v\" [4, 64] f16 {\"transposed\":true}\n"                                                   \
   "  weight \"v \\\"\\u00e4\\\" bias\" [4] f32\n"                                                        \
   "  weight \"o\" [64, 8] f32\n"                                                                         \
   "  weight \"head\" [5, 64] i8\n"                                                                       \
   "  weight \"up\" [20, 64] i4 {\"rotation\":64,\"group\":32}\n"                                       \
   "  weight \"mid\" [33, 20] i3 {\"group\":64}\n"                                                       \
   "  weight \"down\" [64, 33] i2 {\"group\":32}\n"                                                      \
   "  %0 = embed \"embed\" (%tokens) [\"embed\"] : f32[tokens, 64]\n"                                     \
   "  %1 = rms_norm \"norm\" (%0) [\"norm\"] {\"eps\":1e-06} : f32[tokens, 64]\n"                         \
   "  %2 = linear \"q\" (%1) [\"q\"] : f32[tokens, 8]\n"                                                  \
   "  %3 = linear \"k\" (%1) [\"k\"] : f32[tokens, 4]\n"                                                  \
   "  %4 = linear \"v\" (%1) [\"v\", \"v \\\"\\u00e4\\\" bias\"] : f32[tokens, 4]\n"                      \
   "  %5 = rope \"q.rope\" (%2, %positions) {\"head_dim\":4,\"rot_dim\":4} : f32[tokens, 8]\n"            \
   "  %6 = rope \"k.rope\" (%3, %positions) {\"head_dim\":4,\"rot_dim\":4,\"scaling\":\"longrope\","          \
   "\"original_context\":2,\"short_factor\":[1,1.5],\"long_factor\":[2.25,8]} : f32[tokens, 4]\n"         \
   "  %7 = attention \"attn\" (%5, %6, %4, %positions, %sequences, %kv.0)"                                \
   " {\"heads\":2,\"head_dim\":4,\"scale\":0.5} : f32[tokens, 8]\n"                                       \
   "  %8 = linear \"o\" (%7) [\"o\"] : f32[tokens, 64]\n"                                                 \
   "  %9 = add \"residual\" (%0, %8) : f32[tokens, 64]\n"                                                 \
   "  %10 = select \"last\" (%9, %rows) : f32[rows, 64]\n"                                                \
   "  %11 = linear \"head\" (%10) [\"head\"] {\"act\":\"i8\"} : f32[rows, 5]\n"                            \
   "  output %11\n"                                                                                       \
   "}\n"

/* Every code but those of the padding, scales that differ. */
static inline void made_i8(uint8_t *bytes, size_t size, int64_t n, int64_t k)
{
   size_t scales = pare_encoding_scales_at(&(pare_encoding){ .kind = PARE_ENC_I8 }, n, k);
   memset(bytes, 0x80, scales);
   memset(bytes + scales, 0, size - scales);
   for (int64_t i = 0; i < n; i++) {
      float scale = 0.013f * (float)(i + 1);
      memcpy(bytes + scales + 4 * i, &scale, sizeof scale);
      for (int64_t j = 0; j < k; j++)
         bytes[((i / 16) * ((k + 3) / 4) + j / 4) * 64 + i % 16 * 4 + j % 4] = (uint8_t)(i * 37 + j * 11);
   }
}

/* Any bytes, scales that differ. */
static inline void made_groups(uint8_t *bytes, size_t size, size_t scales, int64_t n)
{
   memset(bytes + scales, 0, size - scales);
   for (size_t i = 0; i < scales; i++) bytes[i] = (uint8_t)(i * 151 + i / 64 * 29);
   for (int64_t i = 0; i < n; i++) {
      float scale = 0.0037f * (float)(i + 1);
      memcpy(bytes + scales + 4 * i, &scale, sizeof scale);
   }
}

/* Halves from the smallest to some above 1, of both signs; bfloat16 likewise. */
static inline void made_16(uint8_t *bytes, size_t size)
{
   for (size_t i = 0; i < size / 2; i++) pare_put_uint(bytes + 2 * i, i * 61 % 0x4000 | (i & 1) << 15, 2);
}

static inline pare_status attach_made(pare_ctx *ctx, void *user, const char *name, int rank,
                                      const int64_t *dim, pare_encoding encoding, pare_buffer **out)
{
   if (encoding.kind == PARE_ENC_F32) return attach_values(ctx, user, name, rank, dim, encoding, out);
   size_t size = 0;
   ck_assert(pare_encoding_bytes(&encoding, rank, dim, &size));
   PARE_TRY(pare_buffer_create(ctx, size, out));
   if (encoding.kind == PARE_ENC_I8) made_i8(pare_buffer_edit(*out), size, dim[0], dim[1]);
   else if (pare_encoding_is_grouped(encoding.kind))
      made_groups(pare_buffer_edit(*out), size, pare_encoding_scales_at(&encoding, dim[0], dim[1]), dim[0]);
   else made_16(pare_buffer_edit(*out), size);
   return PARE_OK;
}

static inline pare_status fill_made(pare_ctx *ctx, pare_model *model)
{
   static const char tokenizer[] = "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"aa\":1,\"aaa\":2,"
                                   "\"aaaa\":3,\"aaaaa\":4}},\"note\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
   model->arch = "llama";
   model->context = 32;
   model->vocab = 5;
   model->bos = 1;
   model->add_bos = true;
   model->end[model->n_end++] = 2;
   model->end[model->n_end++] = 4;
   model->licence = "MIT";
   model->config = "{\"model_type\": \"llama\"}\n";
   model->chat_template = "{{ bos }}\t\"\xc3\xa4\"";
   PARE_TRY(pare_buffer_copy(ctx, tokenizer, sizeof tokenizer - 1, &model->tokenizer));
   return pare_graph_parse(ctx, MADE_GRAPH, strlen(MADE_GRAPH), "made", attach_made, NULL, &model->graph);
}

static inline pare_status made_create(pare_ctx *ctx, pare_model **out)
{
   PARE_TRY(pare_model_create(ctx, out));
   pare_status status = fill_made(ctx, *out);
   if (status != PARE_OK) pare_model_destroy(ctx, *out);
   return status;
}

/* The artifact of a model at `path`, whole or not at all. */
static inline pare_status made_write(pare_ctx *ctx, const pare_model *model, const char *path, bool deflate)
{
   pare_artifact_options options = { deflate, "{\"tool\":\"test\",\"recipe\":[{\"share\":0.5}]}" };
   pare_outfile *file = NULL;
   PARE_TRY(pare_artifact_start(ctx, path, &file));
   pare_status status = pare_artifact_finish(ctx, model, &options, &file);
   if (status == PARE_OK) status = pare_outfile_commit(ctx, file);
   pare_outfile_destroy(ctx, file);
   return status;
}

#endif
