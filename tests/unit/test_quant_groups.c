/* quant: the encodings i4, i3 and i2, against the layout of ARTIFACT.md written out here. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "quant/encode_groups.h"
#include "unit.h"

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   pare_graph *graph;
   pare_weight *weight;
   float *values; /* [n][k] */
} fixture;

static void fixture_init(fixture *f, int64_t n, int64_t k, int threads)
{
   int64_t dim[2] = { n, k };
   pare_buffer *data;
   pare_rng rng;
   unit_heap_init(&f->ctx, &f->heap);
   f->ctx.threads = threads;
   pare_rng_seed(&rng, (uint64_t)(n * 1000 + k));
   assert_ok(&f->ctx, pare_buffer_create(&f->ctx, (size_t)(n * k) * sizeof(float), &data));
   f->values = malloc((size_t)(n * k) * sizeof(float));
   for (int64_t i = 0; i < n * k; i++) {
      double u = 0;
      for (int j = 0; j < 4; j++) u += pare_rng_unit(&rng) - 0.5;
      f->values[i] = pare_rng_below(&rng, 50) == 0 ? 0.0f : (float)u;
   }
   memcpy(pare_buffer_edit(data), f->values, (size_t)(n * k) * sizeof(float));
   assert_ok(&f->ctx, pare_graph_create(&f->ctx, "g", &f->graph));
   assert_ok(&f->ctx, pare_graph_add_weight(&f->ctx, f->graph, "w", 2, dim,
                                            (pare_encoding){ .kind = PARE_ENC_F32 }, data, &f->weight));
   pare_buffer_unref(&f->ctx, data);
}

static void fixture_finish(fixture *f)
{
   pare_graph_destroy(&f->ctx, f->graph);
   pare_ctx_finish(&f->ctx);
   free(f->values);
   ck_assert_int_eq(f->heap.blocks, 0);
}

static void poke(fixture *f, int64_t at, float value)
{
   memcpy((uint8_t *)(uintptr_t)pare_buffer_data(f->weight->data) + 4 * at, &value, 4);
   f->values[at] = value;
}

static float *read_all(fixture *f)
{
   float *out = malloc((size_t)pare_weight_count(f->weight) * sizeof *out);
   assert_ok(&f->ctx, pare_weight_read(&f->ctx, f->weight, 0, f->weight->dim[0], out));
   return out;
}

/* The example of ARTIFACT.md. */
START_TEST(decodes_the_example)
{
   for (int up = 0; up < 2; up++) {
      static const float expected[2][5] = { { -12, 0, 10.5f, 1.5f, -6 }, { -10.5f, 1.5f, 12, 3, -4.5f } };
      fixture f;
      pare_buffer *data;
      pare_weight *weight;
      float scale = 0.5f, out[5];
      fixture_init(&f, 1, 1, 1);
      assert_ok(&f.ctx, pare_buffer_create(&f.ctx, 384, &data));
      uint8_t *bytes = pare_buffer_edit(data);
      memset(bytes, 0, 384);
      bytes[0] = up ? 0x13 : 0x03;
      memcpy(bytes + 64, (const uint8_t[]){ 0x40, 0x08, 0x0f, 0x09 }, 4);
      memcpy(bytes + 320, &scale, sizeof scale);
      assert_ok(&f.ctx, pare_graph_add_weight(&f.ctx, f.graph, "x", 2, (const int64_t[]){ 1, 5 },
                                              (pare_encoding){ .kind = PARE_ENC_I4, .group = 32 }, data,
                                              &weight));
      pare_buffer_unref(&f.ctx, data);
      assert_ok(&f.ctx, pare_weight_read(&f.ctx, weight, 0, 1, out));
      ck_assert_mem_eq(out, expected[up], sizeof out);
      fixture_finish(&f);
   }
}
END_TEST

/* Largest share of the squared values that may be lost. */
static double bound(pare_encoding_kind kind)
{
   return kind == PARE_ENC_I4 ? 0.012 : kind == PARE_ENC_I3 ? 0.045 : 0.17;
}

static void check_error(const fixture *f, const float *out, const pare_encode_error *error)
{
   double squared = 0, value = 0;
   int64_t zeros = 0, zeros_before = 0, count = pare_weight_count(f->weight);
   for (int64_t i = 0; i < count; i++) {
      double d = (double)f->values[i] - (double)out[i];
      squared += d * d;
      value += (double)f->values[i] * (double)f->values[i];
      zeros += out[i] == 0;
      zeros_before += f->values[i] == 0;
   }
   ck_assert_double_eq_tol(error->squared_error, squared, 1e-4 * squared + 1e-12);
   ck_assert_double_eq_tol(error->squared_value, value, 1e-5 * value);
   ck_assert_int_eq(error->zeros_before, zeros_before);
   if (f->weight->encoding.rotation == 0) ck_assert_int_eq(error->zeros, zeros);
   if (count > 500) ck_assert_double_lt(squared, bound(f->weight->encoding.kind) * value);
}

START_TEST(keeps_the_error_small_and_reports_it)
{
   static const pare_encoding_kind kinds[] = { PARE_ENC_I4, PARE_ENC_I3, PARE_ENC_I2 };
   static const int64_t shapes[][2] = { { 1, 1 }, { 16, 32 }, { 17, 33 }, { 40, 61 }, { 3, 640 }, { 20, 416 } };
   for (int i = 0; i < 3 * 6 * 3; i++) {
      fixture f;
      pare_encode_error error;
      const int64_t *shape = shapes[i / 3 % 6];
      pare_encoding encoding = { .kind = kinds[i % 3], .group = 32 << i / 18 };
      if (shape[1] % 32 == 0 && i / 18 == 1) encoding.rotation = 32;
      fixture_init(&f, shape[0], shape[1], 1);
      assert_ok(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error));
      ck_assert_int_eq(f.weight->encoding.kind, encoding.kind);
      ck_assert_int_eq(f.weight->encoding.group, encoding.group);
      float *out = read_all(&f);
      check_error(&f, out, &error);
      free(out);
      fixture_finish(&f);
   }
}
END_TEST

/* What a grid can say comes back: the sixteen codes of one group by multipliers of both signs. */
START_TEST(finds_an_exact_grid)
{
   fixture f;
   pare_encode_error error;
   fixture_init(&f, 2, 128, 1);
   static const int multipliers[] = { 15, -7, 3, 11 };
   for (int i = 0; i < 256; i++) poke(&f, i, 0.03125f * (float)((i % 16 - 8) * multipliers[i % 128 / 32]));
   pare_encoding encoding = { .kind = PARE_ENC_I4, .group = 32 };
   assert_ok(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error));
   ck_assert_double_lt(error.squared_error, 1e-3 * error.squared_value);
   fixture_finish(&f);
}
END_TEST

START_TEST(rows_of_zeros_stay)
{
   fixture f;
   pare_encode_error error;
   fixture_init(&f, 3, 70, 1);
   for (int i = 70; i < 140; i++) poke(&f, i, i == 100 ? 0x1p-120f : 0.0f);
   for (int i = 140; i < 200; i++) poke(&f, i, 0.0f);
   for (int kind = PARE_ENC_I4; kind <= PARE_ENC_I2; kind++) {
      fixture g;
      pare_encoding encoding = { .kind = (pare_encoding_kind)kind, .group = 32 };
      fixture_init(&g, 3, 70, 1);
      for (int i = 0; i < 210; i++) poke(&g, i, f.values[i]);
      assert_ok(&g.ctx, pare_encode_groups(&g.ctx, g.weight, &encoding, NULL, &error));
      float *out = read_all(&g);
      for (int i = 70; i < 140; i++) ck_assert(out[i] == 0);
      for (int i = 140; i < 140 + 32; i++) ck_assert(out[i] == 0);
      free(out);
      fixture_finish(&g);
   }
   fixture_finish(&f);
}
END_TEST

START_TEST(is_deterministic)
{
   static const pare_encoding_kind kinds[] = { PARE_ENC_I4, PARE_ENC_I3, PARE_ENC_I2 };
   for (int i = 0; i < 3; i++) {
      pare_buffer *first = NULL;
      pare_encode_error first_error, error;
      fixture one;
      pare_encoding encoding = { .kind = kinds[i], .group = 64, .rotation = 32 };
      fixture_init(&one, 100, 480, 1);
      assert_ok(&one.ctx, pare_encode_groups(&one.ctx, one.weight, &encoding, NULL, &first_error));
      first = one.weight->data;
      for (int way = 0; way < 4; way++) {
         fixture f;
         fixture_init(&f, 100, 480, 1 + way);
         if (way % 2) f.ctx.cpu = 0;
         assert_ok(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error));
         ck_assert_uint_eq(pare_buffer_size(f.weight->data), pare_buffer_size(first));
         ck_assert_mem_eq(pare_buffer_data(f.weight->data), pare_buffer_data(first), pare_buffer_size(first));
         ck_assert(memcmp(&error, &first_error, sizeof error) == 0);
         fixture_finish(&f);
      }
      fixture_finish(&one);
   }
}
END_TEST

START_TEST(refuses_what_cannot_be_encoded)
{
   fixture f;
   pare_encode_error error;
   pare_encoding encoding = { .kind = PARE_ENC_I4, .group = 32 };
   fixture_init(&f, 20, 64, 2);
   poke(&f, 18 * 64 + 7, NAN);
   assert_fails(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error), PARE_INPUT,
                "row 18, column 7");
   poke(&f, 18 * 64 + 7, -INFINITY);
   assert_fails(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error), PARE_INPUT,
                "row 18, column 7");
   for (int i = 0; i < 64; i++) poke(&f, 18 * 64 + i, 3e38f);
   encoding.rotation = 64;
   assert_fails(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error), PARE_INPUT, "overflow");
   ck_assert_int_eq(f.weight->encoding.kind, PARE_ENC_F32);
   encoding.rotation = 0;
   assert_ok(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error));
   assert_fails(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error), PARE_INTERNAL, "i4");
   encoding.group = 48;
   assert_fails(&f.ctx, pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error), PARE_INTERNAL, "48");
   fixture_finish(&f);
}
END_TEST

START_TEST(survives_every_failing_allocation)
{
   for (long fail_at = 1;; fail_at++) {
      fixture f;
      pare_encode_error error;
      pare_encoding encoding = { .kind = PARE_ENC_I3, .group = 32, .rotation = 64 };
      fixture_init(&f, 20, 64, 1);
      f.heap.fail_at = f.heap.calls + fail_at;
      pare_status status = pare_encode_groups(&f.ctx, f.weight, &encoding, NULL, &error);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      f.heap.fail_at = 0;
      fixture_finish(&f);
      if (status == PARE_OK) break;
   }
}
END_TEST

UNIT_MAIN("quant_groups", decodes_the_example, keeps_the_error_small_and_reports_it, finds_an_exact_grid,
          rows_of_zeros_stay, is_deterministic, refuses_what_cannot_be_encoded,
          survives_every_failing_allocation)
