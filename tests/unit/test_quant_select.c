/* select: against sorting all scores. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "quant/select.h"
#include "unit.h"

enum { MOST = 4 };

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   pare_graph *graph;
   pare_weight *weights[MOST];
   size_t n;
} fixture;

/* levels > 0: only so many different magnitudes, so that there are ties; else all different. */
static void add_weight(fixture *f, int64_t n, int64_t k, pare_encoding_kind kind, uint64_t levels)
{
   const char *const names[] = { "a", "b", "c", "d" };
   pare_encoding encoding = { .kind = kind };
   pare_buffer *data;
   pare_rng rng;
   size_t bytes;
   pare_rng_seed(&rng, (uint64_t)(n * 77 + k));
   ck_assert(pare_encoding_bytes(&encoding, 2, (int64_t[]){ n, k }, &bytes));
   assert_ok(&f->ctx, pare_buffer_create(&f->ctx, bytes, &data));
   for (int64_t i = 0; i < n * k; i++) {
      double u = pare_rng_unit(&rng) * 2 - 1;
      float value = (float)(levels ? floor(u * (double)levels) / (double)levels : u);
      uint16_t half = pare_f32_to_f16(value);
      if (kind == PARE_ENC_F32) memcpy(pare_buffer_edit(data) + 4 * i, &value, 4);
      else memcpy(pare_buffer_edit(data) + 2 * i, &half, 2);
   }
   assert_ok(&f->ctx, pare_graph_add_weight(&f->ctx, f->graph, names[f->n], 2, (int64_t[]){ n, k }, encoding,
                                            data, &f->weights[f->n]));
   f->n++;
   pare_buffer_unref(&f->ctx, data);
}

static void fixture_init(fixture *f, int threads)
{
   *f = (fixture){ 0 };
   unit_heap_init(&f->ctx, &f->heap);
   f->ctx.threads = threads;
   assert_ok(&f->ctx, pare_graph_create(&f->ctx, "g", &f->graph));
}

static void fixture_finish(fixture *f)
{
   pare_graph_destroy(&f->ctx, f->graph);
   pare_ctx_finish(&f->ctx);
   ck_assert_int_eq(f->heap.blocks, 0);
}

typedef struct score {
   float value;
   size_t order;
} score;

static int compare(const void *a, const void *b)
{
   const score *x = a, *y = b;
   if (x->value != y->value) return x->value < y->value ? -1 : 1;
   return x->order < y->order ? -1 : x->order > y->order;
}

/* Applies the selection and compares with the scores sorted. */
static void check(fixture *f, int64_t block, double share)
{
   pare_selection selection;
   assert_ok(&f->ctx, pare_select_smallest(&f->ctx, f->weights, f->n, block, share, &selection));
   size_t count = 0, at = 0;
   for (size_t w = 0; w < f->n; w++)
      count += (size_t)(f->weights[w]->dim[0] * ((f->weights[w]->dim[1] + block - 1) / block));
   score *scores = malloc(count * sizeof *scores);
   bool *gone = calloc(count, 1);
   for (size_t w = 0; w < f->n; w++) {
      int64_t n = f->weights[w]->dim[0], k = f->weights[w]->dim[1];
      float *values = malloc((size_t)k * sizeof *values), *after = malloc((size_t)k * sizeof *after);
      int64_t ties = 0;
      for (int64_t r = 0; r < n; r++) {
         assert_ok(&f->ctx, pare_weight_read(&f->ctx, f->weights[w], r, 1, values));
         memcpy(after, values, (size_t)k * sizeof *after);
         if (r % 16 == 0) ties = selection.ties[selection.first[w] + (size_t)(r / 16)];
         pare_selection_apply(&selection, after, k, &ties);
         for (int64_t c = 0; c < k; c += block, at++) {
            int64_t size = k - c < block ? k - c : block;
            float sum = 0;
            bool zero = true;
            for (int64_t i = c; i < c + size; i++) {
               sum += fabsf(values[i]);
               zero &= after[i] == 0;
               ck_assert(after[i] == 0 || after[i] == values[i]);
            }
            scores[at] = (score){ size == 1 ? sum : sum / (float)size, at };
            gone[at] = zero;
         }
      }
      free(values);
      free(after);
   }
   qsort(scores, count, sizeof *scores, compare);
   size_t wanted = (size_t)floor(share * (double)count);
   for (size_t i = 0; i < count; i++)
      ck_assert_msg(gone[scores[i].order] == (i < wanted) || scores[i].value == 0, "rank %zu of %zu", i,
                    count);
   free(scores);
   free(gone);
   pare_selection_finish(&f->ctx, &selection);
}

START_TEST(agrees_with_sorting)
{
   const double shares[] = { 0, 0.001, 0.25, 0.5, 0.77, 0.99, 1 };
   const int64_t blocks[] = { 1, 4, 7 };
   const uint64_t levels[] = { 0, 3, 100 };
   for (int i = 0; i < 3 * 3 * 7 * 2; i++) {
      fixture f;
      fixture_init(&f, i % 2 + 1);
      add_weight(&f, 35, 23, PARE_ENC_F32, levels[i / 2 % 3]);
      if (i % 4 > 1) add_weight(&f, 7, 50, PARE_ENC_F16, levels[i / 2 % 3]);
      if (i % 4 > 1) add_weight(&f, 64, 3, PARE_ENC_F32, 2);
      check(&f, blocks[i / 6 % 3], shares[i / 18 % 7]);
      fixture_finish(&f);
   }
}
END_TEST

START_TEST(names_bad_values)
{
   fixture f;
   pare_selection selection;
   float bad = INFINITY;
   fixture_init(&f, 1);
   add_weight(&f, 5, 5, PARE_ENC_F32, 0);
   add_weight(&f, 5, 5, PARE_ENC_F32, 0);
   memcpy((uint8_t *)(uintptr_t)pare_buffer_data(f.weights[1]->data) + 4 * 13, &bad, 4);
   assert_fails(&f.ctx, pare_select_smallest(&f.ctx, f.weights, 2, 1, 0.5, &selection), PARE_INPUT,
                "element 13");
   fixture_finish(&f);
}
END_TEST

START_TEST(survives_every_failing_allocation)
{
   for (long fail_at = 1;; fail_at++) {
      fixture f;
      pare_selection selection;
      fixture_init(&f, 1);
      add_weight(&f, 20, 5, PARE_ENC_F32, 4);
      f.heap.fail_at = f.heap.calls + fail_at;
      pare_status status = pare_select_smallest(&f.ctx, f.weights, 1, 1, 0.5, &selection);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      if (status == PARE_OK) pare_selection_finish(&f.ctx, &selection);
      f.heap.fail_at = 0;
      fixture_finish(&f);
      if (status == PARE_OK) break;
   }
}
END_TEST

UNIT_MAIN("quant_select", agrees_with_sorting, names_bad_values, survives_every_failing_allocation)
