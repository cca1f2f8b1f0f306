/* Worker threads. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/pool.h"
#include "unit.h"

enum { MOST = 5000 };

typedef struct job {
   atomic_int runs[MOST];
   atomic_int busy[1024]; /* by worker */
   atomic_int faults;
   int width;
   bool slow;
   double result[MOST];
} job;

static void pause_us(long us)
{
   nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static void item(void *arg, int64_t i, int worker)
{
   job *j = arg;
   bool wrong = worker < 0 || worker >= j->width || atomic_exchange(&j->busy[worker], 1);
   if (wrong) atomic_fetch_add(&j->faults, 1);
   atomic_fetch_add(&j->runs[i], 1);
   j->result[i] = sqrt((double)i) / 3;
   if (j->slow && i % 97 == 0) pause_us(100);
   atomic_store(&j->busy[worker], 0);
}

static job the_job;

static void run_and_check(pare_ctx *ctx, int64_t count, bool slow)
{
   memset(&the_job, 0, sizeof the_job);
   the_job.width = pare_pool_width(ctx);
   the_job.slow = slow;
   pare_pool_run(ctx, count, item, &the_job);
   ck_assert_int_eq(atomic_load(&the_job.faults), 0);
   for (int64_t i = 0; i < MOST; i++) {
      ck_assert_int_eq(atomic_load(&the_job.runs[i]), i < count);
      if (i < count) ck_assert_double_eq(the_job.result[i], sqrt((double)i) / 3);
   }
}

START_TEST(every_item_once)
{
   static const int64_t counts[] = { 0, 1, 2, 3, 7, 8, 9, 100, MOST };
   for (int threads = 1; threads <= 8; threads++) {
      pare_ctx ctx;
      unit_heap heap;
      unit_heap_init(&ctx, &heap);
      ctx.threads = threads;
      ck_assert_int_eq(pare_pool_width(&ctx), threads);
      for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) run_and_check(&ctx, counts[i], i % 2);
      pare_ctx_finish(&ctx);
      ck_assert_int_eq(heap.blocks, 0);
   }
}
END_TEST

static void add(void *arg, int64_t i, int worker)
{
   (void)worker;
   atomic_fetch_add((atomic_llong *)arg, i + 1);
}

START_TEST(many_loops)
{
   for (int threads = 1; threads <= 4; threads++) {
      pare_ctx ctx;
      pare_ctx_init(&ctx);
      ctx.threads = threads;
      for (int loop = 0; loop < 3000; loop++) {
         atomic_llong sum = 0;
         int64_t count = loop % 50;
         pare_pool_run(&ctx, count, add, &sum);
         ck_assert_int_eq(atomic_load(&sum), count * (count + 1) / 2);
         if (loop % 500 == 0) pause_us(1000); /* long enough for the workers to fall asleep */
      }
      pare_ctx_finish(&ctx);
   }
}
END_TEST

static void add_range(void *arg, int64_t from, int64_t to, int worker)
{
   ck_assert(from < to);
   for (int64_t i = from; i < to; i++) add(arg, i, worker);
}

START_TEST(ranges)
{
   for (int threads = 1; threads <= 4; threads++) {
      pare_ctx ctx;
      pare_ctx_init(&ctx);
      ctx.threads = threads;
      for (int64_t count = 0; count < 300; count++) {
         atomic_llong sum = 0;
         pare_pool_run_ranges(&ctx, count, 1 + count % 4, add_range, &sum);
         ck_assert_int_eq(atomic_load(&sum), count * (count + 1) / 2);
      }
      pare_ctx_finish(&ctx);
   }
}
END_TEST

START_TEST(threads_may_change)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 12; i++) {
      ctx.threads = 1 + i * 5 % 7;
      run_and_check(&ctx, 200, false);
   }
   ctx.threads = -3;
   ck_assert_int_eq(pare_pool_width(&ctx), 1);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(no_memory_means_one_thread)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   ctx.threads = 4;
   heap.fail_at = 1;
   ck_assert_int_eq(pare_pool_width(&ctx), 1);
   heap.fail_at = 0;
   ck_assert_int_eq(pare_pool_width(&ctx), 1);
   run_and_check(&ctx, 100, false);
   ck_assert_int_eq(ctx.error.status, PARE_OK);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(most_threads)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   ctx.threads = 1024;
   run_and_check(&ctx, 10, false); /* whatever the machine gives */
   ck_assert_int_ge(pare_pool_width(&ctx), 1);
   pare_ctx_finish(&ctx);
}
END_TEST

START_TEST(processors)
{
   int count = pare_pool_processors();
   ck_assert_int_ge(count, 1);
   ck_assert_int_le(count, (int)sysconf(_SC_NPROCESSORS_CONF));
}
END_TEST

UNIT_MAIN("pool", every_item_once, many_loops, ranges, threads_may_change, no_memory_means_one_thread,
          most_threads, processors)
