/* quant: reading, rewriting, measuring and encoding weights, against plain C done here. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/half.h"
#include "base/rng.h"
#include "kernels/round.h"
#include "quant/encode_i8.h"
#include "unit.h"

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   pare_graph *graph;
   pare_weight *weight;
   float *values; /* [n][k], what the weight stands for */
} fixture;

static void store(uint8_t *bytes, pare_encoding_kind kind, size_t at, float value)
{
   uint16_t half = kind == PARE_ENC_F16 ? pare_f32_to_f16(value) : pare_f32_to_bf16(value);
   if (kind == PARE_ENC_F32) memcpy(bytes + 4 * at, &value, 4);
   else memcpy(bytes + 2 * at, &half, 2);
}

static float rounded(pare_encoding_kind kind, float value)
{
   if (kind == PARE_ENC_F16) return pare_f16_to_f32(pare_f32_to_f16(value));
   return kind == PARE_ENC_BF16 ? pare_bf16_to_f32(pare_f32_to_bf16(value)) : value;
}

static float random_value(pare_rng *rng)
{
   double u = pare_rng_unit(rng) + pare_rng_unit(rng) + pare_rng_unit(rng) - 1.5;
   return pare_rng_below(rng, 50) == 0 ? 0.0f : (float)u;
}

/* A weight [n, k] with values of its own; k == 0: rank 1. */
static void fixture_init(fixture *f, int64_t n, int64_t k, pare_encoding_kind kind, bool transposed,
                         int threads)
{
   int rank = k ? 2 : 1;
   int64_t width = k ? k : 1, dim[2] = { n, width };
   pare_encoding encoding = { .kind = kind, .transposed = transposed };
   pare_buffer *data;
   pare_rng rng;
   size_t bytes;
   unit_heap_init(&f->ctx, &f->heap);
   f->ctx.threads = threads;
   pare_rng_seed(&rng, (uint64_t)(n * 1000 + k));
   ck_assert(pare_encoding_bytes(&encoding, rank, dim, &bytes));
   assert_ok(&f->ctx, pare_buffer_create(&f->ctx, bytes, &data));
   f->values = malloc((size_t)(n * width) * sizeof(float));
   for (int64_t i = 0; i < n * width; i++) {
      int64_t at = transposed ? i % width * n + i / width : i;
      f->values[i] = rounded(kind, random_value(&rng));
      store(pare_buffer_edit(data), kind, (size_t)at, f->values[i]);
   }
   assert_ok(&f->ctx, pare_graph_create(&f->ctx, "g", &f->graph));
   assert_ok(&f->ctx, pare_graph_add_weight(&f->ctx, f->graph, "w", rank, dim, encoding, data, &f->weight));
   pare_buffer_unref(&f->ctx, data);
}

static void fixture_finish(fixture *f)
{
   pare_graph_destroy(&f->ctx, f->graph);
   pare_ctx_finish(&f->ctx);
   free(f->values);
   ck_assert_int_eq(f->heap.blocks, 0);
}

/* Puts a value at [row][column] of an f32 weight that is not transposed. */
static void poke(fixture *f, int64_t at, float value)
{
   memcpy((uint8_t *)(uintptr_t)pare_buffer_data(f->weight->data) + 4 * at, &value, 4);
}

START_TEST(reads_every_float_encoding)
{
   const struct {
      int64_t n, k;
      pare_encoding_kind kind;
      bool transposed;
   } cases[] = { { 5, 7, PARE_ENC_F32, false },      { 33, 40, PARE_ENC_F16, false },
                 { 16, 9, PARE_ENC_BF16, false },    { 70, 31, PARE_ENC_F32, true },
                 { 130, 5, PARE_ENC_F16, true },     { 37, 0, PARE_ENC_F32, false },
                 { 700, 500, PARE_ENC_BF16, false }, { 513, 520, PARE_ENC_F32, true } };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      fixture f;
      fixture_init(&f, cases[i].n, cases[i].k, cases[i].kind, cases[i].transposed, 2);
      int64_t n = f.weight->dim[0], k = f.weight->dim[1];
      float *out = malloc((size_t)(n * k) * sizeof *out);
      assert_ok(&f.ctx, pare_weight_read(&f.ctx, f.weight, 0, n, out));
      ck_assert_mem_eq(out, f.values, (size_t)(n * k) * sizeof *out);
      assert_ok(&f.ctx, pare_weight_read(&f.ctx, f.weight, n / 3, n - n / 3, out));
      ck_assert_mem_eq(out, f.values + n / 3 * k, (size_t)((n - n / 3) * k) * sizeof *out);
      free(out);
      fixture_finish(&f);
   }
}
END_TEST

static float absmax(const float *x, int64_t k)
{
   float most = 0;
   for (int64_t i = 0; i < k; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
   return most;
}

static uint8_t code_at(const pare_weight *w, int64_t n, int64_t k)
{
   int64_t quads = (w->dim[1] + 3) / 4;
   return pare_buffer_data(w->data)[((n / 16 * quads + k / 4) * 16 + n % 16) * 4 + k % 4];
}

static float scale_at(const pare_weight *w, int64_t n)
{
   float scale;
   size_t scales = pare_encoding_scales_at(&w->encoding, w->dim[0], w->dim[1]);
   memcpy(&scale, pare_buffer_data(w->data) + scales + 4 * n, 4);
   return scale;
}

START_TEST(encodes_i8_as_specified)
{
   const int64_t shapes[][2] = { { 1, 1 }, { 16, 4 }, { 17, 5 }, { 40, 33 }, { 3, 130 } };
   for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
      fixture f;
      pare_encode_error error;
      int64_t n = shapes[s][0], k = shapes[s][1], zeros = 0, zeros_before = 0;
      double squared = 0, value = 0;
      fixture_init(&f, n, k, PARE_ENC_F32, false, 1);
      assert_ok(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 0, NULL, &error));
      ck_assert_int_eq(f.weight->encoding.kind, PARE_ENC_I8);
      for (int64_t r = 0; r < n; r++) {
         float most = absmax(f.values + r * k, k);
         ck_assert(scale_at(f.weight, r) == (most == 0 ? 0 : most / 127.0f));
         for (int64_t c = 0; c < k; c++) {
            float x = f.values[r * k + c];
            int code = most == 0 ? 0 : (int)lrintf(x * (127.0f / most));
            ck_assert_int_eq(code_at(f.weight, r, c), code + 128);
            double d = (double)x - (double)code * (double)scale_at(f.weight, r);
            squared += d * d;
            value += (double)x * (double)x;
            zeros += code == 0;
            zeros_before += x == 0;
         }
      }
      ck_assert_int_eq(error.zeros, zeros);
      ck_assert_int_eq(error.zeros_before, zeros_before);
      ck_assert_double_eq_tol(error.squared_error, squared, 1e-4 * squared + 1e-12);
      ck_assert_double_eq_tol(error.squared_value, value, 1e-5 * value + 1e-12);
      for (int64_t r = n; r < (n + 15) / 16 * 16; r++) {
         ck_assert(scale_at(f.weight, r) == 0.0f);
         for (int64_t c = 0; c < (k + 3) / 4 * 4; c++) ck_assert_int_eq(code_at(f.weight, r, c), 128);
      }
      fixture_finish(&f);
   }
}
END_TEST

/* Rotated codes decode to the original basis: the error that was reported is the one that is there. */
START_TEST(rotation_comes_back)
{
   const int rotations[] = { 0, 32, 64, 128 };
   for (size_t i = 0; i < sizeof rotations / sizeof *rotations; i++) {
      fixture f;
      pare_encode_error error;
      double squared = 0;
      fixture_init(&f, 50, 256, PARE_ENC_BF16, false, 2);
      assert_ok(&f.ctx, pare_encode_i8(&f.ctx, f.weight, rotations[i], NULL, &error));
      ck_assert_int_eq(f.weight->encoding.rotation, rotations[i]);
      float *out = malloc(50 * 256 * sizeof *out);
      assert_ok(&f.ctx, pare_weight_read(&f.ctx, f.weight, 0, 50, out));
      for (int64_t j = 0; j < 50 * 256; j++) {
         ck_assert_float_eq_tol(out[j], f.values[j], 0.1f);
         squared += ((double)out[j] - (double)f.values[j]) * ((double)out[j] - (double)f.values[j]);
      }
      ck_assert_double_eq_tol(error.squared_error, squared, 1e-3 * squared);
      if (rotations[i]) ck_assert_int_eq(error.zeros, 0);
      free(out);
      fixture_finish(&f);
   }
}
END_TEST

/* Threads, instruction sets and where the result lies do not show in the bytes nor in the error. */
START_TEST(encoding_is_deterministic)
{
   uint8_t *first = NULL;
   pare_encode_error first_error = { 0 };
   for (int i = 0; i < 4; i++) {
      fixture f;
      pare_encode_error error;
      pare_outfile *file = NULL;
      fixture_init(&f, 1000, 384, PARE_ENC_F16, i == 3, i & 1 ? 3 : 1);
      if (i >= 2) f.ctx.cpu = 0;
      if (i >= 1) assert_ok(&f.ctx, pare_outfile_scratch(&f.ctx, NULL, &file));
      assert_ok(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 128, file, &error));
      size_t size = pare_buffer_size(f.weight->data);
      if (!first) {
         first = malloc(size);
         memcpy(first, pare_buffer_data(f.weight->data), size);
         first_error = error;
      }
      ck_assert_mem_eq(first, pare_buffer_data(f.weight->data), size);
      ck_assert_mem_eq(&first_error, &error, sizeof error);
      if (file) ck_assert_int_ge(pare_outfile_find(file, f.weight->data), 0);
      pare_outfile_destroy(&f.ctx, file);
      fixture_finish(&f);
   }
   free(first);
}
END_TEST

START_TEST(names_the_first_bad_value)
{
   fixture f;
   pare_encode_error error;
   fixture_init(&f, 40, 64, PARE_ENC_F32, false, 2);
   poke(&f, 20 * 64 + 3, NAN);
   poke(&f, 39 * 64 + 3, -INFINITY);
   assert_fails(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 64, NULL, &error), PARE_INPUT,
                "element 1283 (row 20, column 3) is NaN");
   assert_fails(&f.ctx, pare_weight_edit(&f.ctx, f.weight, PARE_ENC_F16, NULL, NULL, NULL, &error),
                PARE_INPUT, "is NaN");
   poke(&f, 20 * 64 + 3, 0);
   assert_fails(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 0, NULL, &error), PARE_INPUT,
                "(row 39, column 3) is -Inf");
   poke(&f, 39 * 64 + 3, 0);
   for (int i = 0; i < 64; i++) poke(&f, 64 + i, 3e38f);
   assert_fails(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 64, NULL, &error), PARE_INPUT,
                "overflow in the rotation");
   ck_assert_int_eq(f.weight->encoding.kind, PARE_ENC_F32);
   fixture_finish(&f);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
   fixture f;
   pare_encode_error error;
   fixture_init(&f, 2, 48, PARE_ENC_F32, false, 1);
   assert_fails(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 32, NULL, &error), PARE_INTERNAL, "rotation 32");
   assert_ok(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 0, NULL, &error));
   assert_fails(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 0, NULL, &error), PARE_INTERNAL,
                "cannot be encoded");
   fixture_finish(&f);
   fixture_init(&f, 9, 0, PARE_ENC_F32, false, 1);
   assert_fails(&f.ctx, pare_encode_i8(&f.ctx, f.weight, 0, NULL, &error), PARE_INTERNAL,
                "cannot be encoded");
   fixture_finish(&f);
}
END_TEST

static void drop_small(void *user, int64_t row, int64_t k, float *values)
{
   (void)row;
   for (int64_t i = 0; i < k; i++)
      if (fabsf(values[i]) < *(float *)user) values[i] = 0;
}

START_TEST(edits_keep_their_encoding)
{
   const pare_encoding_kind kinds[] = { PARE_ENC_F32, PARE_ENC_F16, PARE_ENC_BF16 };
   for (int i = 0; i < 6; i++) {
      fixture f;
      pare_encode_error error;
      float limit = 0.25f;
      int64_t zeros = 0;
      fixture_init(&f, 45, 33, kinds[i % 3], i >= 3, 2);
      assert_ok(&f.ctx, pare_weight_edit(&f.ctx, f.weight, kinds[i % 3], NULL, drop_small, &limit, &error));
      float out[45 * 33];
      assert_ok(&f.ctx, pare_weight_read(&f.ctx, f.weight, 0, 45, out));
      for (int j = 0; j < 45 * 33; j++) {
         ck_assert(out[j] == (fabsf(f.values[j]) < limit ? 0 : f.values[j]));
         zeros += out[j] == 0;
      }
      ck_assert_int_eq(error.zeros, zeros);
      ck_assert(error.zeros_before < zeros && error.zeros_before > 0 && error.squared_error > 0);
      ck_assert_int_eq(f.weight->encoding.kind, kinds[i % 3]);
      ck_assert(!f.weight->encoding.transposed);
      fixture_finish(&f);
   }
}
END_TEST

START_TEST(casts_round_and_report_overflow)
{
   fixture f;
   pare_encode_error error;
   float out[20 * 8];
   fixture_init(&f, 20, 8, PARE_ENC_F32, false, 1);
   assert_ok(&f.ctx, pare_weight_edit(&f.ctx, f.weight, PARE_ENC_BF16, NULL, NULL, NULL, &error));
   assert_ok(&f.ctx, pare_weight_read(&f.ctx, f.weight, 0, 20, out));
   for (int i = 0; i < 20 * 8; i++) ck_assert(out[i] == rounded(PARE_ENC_BF16, f.values[i]));
   fixture_finish(&f);
   fixture_init(&f, 20, 8, PARE_ENC_F32, false, 1);
   poke(&f, 77, -70000.0f);
   assert_ok(&f.ctx, pare_weight_edit(&f.ctx, f.weight, PARE_ENC_F16, NULL, NULL, NULL, &error));
   ck_assert_int_eq(error.overflows, 1);
   ck_assert_int_eq(f.weight->encoding.kind, PARE_ENC_F32);
   fixture_finish(&f);
}
END_TEST

START_TEST(measures)
{
   fixture f;
   pare_weight_stats stats;
   fixture_init(&f, 19, 32, PARE_ENC_F32, false, 2);
   for (int i = 0; i < 19 * 32; i++) poke(&f, i, i % 32 == 0 ? 0.0f : 1.0f);
   poke(&f, 17 * 32 + 5, -9.0f);
   assert_ok(&f.ctx, pare_weight_measure(&f.ctx, f.weight, &stats));
   ck_assert_int_eq(stats.count, 19 * 32);
   ck_assert_int_eq(stats.zeros, 19);
   ck_assert_int_eq(stats.bad_at, -1);
   ck_assert_double_eq(stats.min, -9);
   ck_assert_double_eq(stats.max, 1);
   ck_assert_double_eq_tol(stats.outlier, 9 / sqrt((30.0 + 81) / 32), 1e-12);
   ck_assert_double_eq_tol(stats.rms, sqrt((19 * 31 - 1 + 81.0) / (19 * 32)), 1e-12);
   poke(&f, 18 * 32 + 7, NAN);
   assert_ok(&f.ctx, pare_weight_measure(&f.ctx, f.weight, &stats));
   ck_assert_int_eq(stats.bad_at, 18 * 32 + 7);
   fixture_finish(&f);
}
END_TEST

/* A mapped source: the pages go and come, the bytes stay the same. */
START_TEST(streams_a_mapped_file)
{
   enum { N = 9000, K = 2048 };
   char path[] = "/tmp/pare_stream_XXXXXX";
   int fd = mkstemp(path);
   uint16_t *row = malloc(K * sizeof *row);
   for (int i = 0; i < N; i++) {
      for (int j = 0; j < K; j++) row[j] = pare_f32_to_bf16((float)((i * 31 + j * 16) % 255 - 127));
      ck_assert_int_eq(write(fd, row, K * sizeof *row), K * (int)sizeof *row);
   }
   close(fd);
   fixture f;
   pare_encode_error error;
   pare_buffer *map;
   pare_outfile *file;
   fixture_init(&f, 1, 1, PARE_ENC_F32, false, 2);
   assert_ok(&f.ctx, pare_buffer_map(&f.ctx, path, &map));
   pare_weight *w;
   assert_ok(&f.ctx, pare_graph_add_weight(&f.ctx, f.graph, "big", 2, (const int64_t[]){ N, K },
                                           (pare_encoding){ .kind = PARE_ENC_BF16 }, map, &w));
   pare_buffer_unref(&f.ctx, map);
   assert_ok(&f.ctx, pare_outfile_scratch(&f.ctx, NULL, &file));
   assert_ok(&f.ctx, pare_encode_i8(&f.ctx, w, 0, file, &error));
   ck_assert_double_eq_tol(error.squared_error, 0, 1e-6 * error.squared_value);
   for (int i = 0; i < N; i += 7)
      for (int j = 0; j < K; j += 13)
         ck_assert_int_eq(code_at(w, i, j), (i * 31 + j * 16) % 255 - 127 + 128);
   pare_outfile_destroy(&f.ctx, file);
   fixture_finish(&f);
   unlink(path);
   free(row);
}
END_TEST

START_TEST(survives_every_failing_allocation)
{
   for (long fail_at = 1;; fail_at++) {
      fixture f;
      pare_encode_error error;
      pare_weight_stats stats;
      float limit = 0.1f;
      fixture_init(&f, 20, 64, PARE_ENC_F32, false, 1);
      f.heap.fail_at = f.heap.calls + fail_at;
      pare_status status = pare_weight_measure(&f.ctx, f.weight, &stats);
      if (status == PARE_OK)
         status = pare_weight_edit(&f.ctx, f.weight, PARE_ENC_F32, NULL, drop_small, &limit, &error);
      if (status == PARE_OK) status = pare_encode_i8(&f.ctx, f.weight, 64, NULL, &error);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      f.heap.fail_at = 0;
      fixture_finish(&f);
      if (status == PARE_OK) break;
   }
}
END_TEST

UNIT_MAIN("quant_io", reads_every_float_encoding, encodes_i8_as_specified, rotation_comes_back,
          encoding_is_deterministic, names_the_first_bad_value, refuses_what_does_not_fit,
          edits_keep_their_encoding, casts_round_and_report_overflow, measures, streams_a_mapped_file,
          survives_every_failing_allocation)
