/* pool: see pool.h.
 *
 * The items of a loop are cut into one contiguous range a worker; who has finished its own range takes items
 * from the others'. Workers enter a loop through `gate`, one 64-bit word of generation, open bit and number
 * of workers inside. When the caller finds every item taken it closes the gate and waits only for those
 * inside, so a worker that the system has not scheduled yet delays nobody. Spinning is bounded by time, longer
 * than what lies between two loops of a decode step (waking a sleeper costs as much as a small layer), and left
 * out when there are more threads than processors. Sleeping uses Dekker's handshake: a sleeper announces
 * itself, then looks again; a waker changes the state, then looks for sleepers (all seq_cst). */
#define _GNU_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"

enum { CACHE_LINE = 64, MOST_THREADS = 1024, PAUSES = 32 };
enum { WORKER_STACK = 2 << 20 }; /* kernels keep sums there; some systems would give 128 KB */
#define SPIN_SECONDS      400e-6
#define GIVE_WAY_SECONDS  200e-6

#define GATE_OPEN 0x80000000u
#define GATE_INSIDE 0x7fffffffu

typedef struct worker {
   alignas(CACHE_LINE) atomic_int_fast64_t next; /* first item of the range that nobody took */
   int64_t end;
   struct pare_pool *pool;
   pthread_t thread;   /* unused by worker 0, the caller */
   int id;
   double give_way_at; /* when it lets others have its processor, if it waits then */
} worker;

struct pare_pool {
   void *memory; /* what to free */
   int wanted;   /* ctx->threads this pool was made for */
   int width;    /* workers that really run, the caller included */
   bool spins;
   pare_work_range work;
   void *arg;
   int64_t grain;
   alignas(CACHE_LINE) atomic_uint_fast64_t gate;
   atomic_int sleepers; /* workers asleep, or about to be */
   atomic_bool waiting; /* the caller is asleep, or about to be */
   atomic_bool quit;
   pthread_mutex_t lock;
   pthread_cond_t wake, done;
   worker workers[];
};

/* Stands in when there is no memory for a pool: never written, never freed. */
static const pare_pool lone_pool = { .width = 1 };

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
   __builtin_ia32_pause();
#elif defined(__aarch64__)
   __asm__ volatile("yield");
#endif
}

/* Waits a short while for ready(pool, seen); false when it is time to sleep. Who waits holds no items, so now is
 * the time to let another process have the processor: it would take it in the middle of some otherwise, and all
 * would wait for those. What it runs meanwhile is not counted as waiting. */
static bool spin(worker *self, bool (*ready)(pare_pool *, uint64_t), uint64_t seen)
{
   if (ready(self->pool, seen)) return true;
   if (!self->pool->spins) return false;
   for (double spun = 0, start; spun < SPIN_SECONDS; spun += pare_now() - start) {
      start = pare_now();
      if (start > self->give_way_at) {
         sched_yield();
         start = pare_now();
         self->give_way_at = start + GIVE_WAY_SECONDS;
      }
      for (int i = 0; i < PAUSES; i++) {
         if (ready(self->pool, seen)) return true;
         cpu_pause();
      }
   }
   return false;
}

/* ---- one loop ---- */

/* The next items of a range: a quarter of those that are left, in whole grains, so that the first parts are long
 * and the last ones short. */
static bool take(const pare_pool *pool, worker *from, int64_t *item, int64_t *end)
{
   *item = atomic_load_explicit(&from->next, memory_order_relaxed);
   do {
      int64_t rest = from->end - *item, size = rest / 4 / pool->grain * pool->grain;
      if (rest <= 0) return false;
      if (size < pool->grain) size = pool->grain;
      *end = size < rest ? *item + size : from->end;
   } while (!atomic_compare_exchange_weak_explicit(&from->next, item, *end, memory_order_relaxed,
                                                   memory_order_relaxed));
   return true;
}

static void take_items(pare_pool *pool, worker *from, int id)
{
   int64_t item, end;
   while (take(pool, from, &item, &end)) pool->work(pool->arg, item, end, id);
}

static void take_part(pare_pool *pool, int id)
{
   for (int i = 0; i < pool->width; i++) take_items(pool, &pool->workers[(id + i) % pool->width], id);
}

static bool gate_news(pare_pool *pool, uint64_t seen)
{
   uint64_t gate = atomic_load(&pool->gate);
   return ((gate & GATE_OPEN) && gate >> 32 != seen) || atomic_load(&pool->quit);
}

static bool nobody_inside(pare_pool *pool, uint64_t seen)
{
   (void)seen;
   return (atomic_load(&pool->gate) & GATE_INSIDE) == 0;
}

static bool enter(pare_pool *pool, uint64_t *seen)
{
   uint64_t gate = atomic_load(&pool->gate);
   while ((gate & GATE_OPEN) && gate >> 32 != *seen) {
      if (!atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1)) continue;
      *seen = gate >> 32;
      return true;
   }
   return false;
}

static void leave(pare_pool *pool)
{
   uint64_t gate = atomic_fetch_sub(&pool->gate, 1) - 1;
   if ((gate & GATE_INSIDE) || !atomic_load(&pool->waiting)) return;
   pthread_mutex_lock(&pool->lock);
   pthread_cond_signal(&pool->done);
   pthread_mutex_unlock(&pool->lock);
}

static void sleep_until_news(pare_pool *pool, uint64_t seen)
{
   pthread_mutex_lock(&pool->lock);
   atomic_fetch_add(&pool->sleepers, 1);
   while (!gate_news(pool, seen)) pthread_cond_wait(&pool->wake, &pool->lock);
   atomic_fetch_sub(&pool->sleepers, 1);
   pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *arg)
{
   worker *self = arg;
   pare_pool *pool = self->pool;
   uint64_t seen = 0;
   pare_fp_pin();
   while (!atomic_load(&pool->quit)) {
      if (!spin(self, gate_news, seen)) sleep_until_news(pool, seen);
      if (!enter(pool, &seen)) continue;
      take_part(pool, self->id);
      leave(pool);
   }
   return NULL;
}

static void wake_sleepers(pare_pool *pool)
{
   if (atomic_load(&pool->sleepers) == 0) return;
   pthread_mutex_lock(&pool->lock);
   pthread_cond_broadcast(&pool->wake);
   pthread_mutex_unlock(&pool->lock);
}

static void open_gate(pare_pool *pool, int64_t count, int64_t grain, pare_work_range work, void *arg)
{
   pool->work = work;
   pool->arg = arg;
   pool->grain = grain;
   int64_t share = count / pool->width, rest = count % pool->width, first = 0;
   for (int i = 0; i < pool->width; i++) {
      worker *w = &pool->workers[i];
      atomic_store_explicit(&w->next, first, memory_order_relaxed);
      w->end = first += share + (i < rest);
   }
   uint64_t generation = (atomic_load(&pool->gate) >> 32) + 1;
   if (generation > UINT32_MAX) generation = 1;
   atomic_store(&pool->gate, generation << 32 | GATE_OPEN);
   wake_sleepers(pool);
}

static void close_gate(pare_pool *pool)
{
   atomic_fetch_and(&pool->gate, ~(uint64_t)GATE_OPEN);
   if (spin(&pool->workers[0], nobody_inside, 0)) return;
   pthread_mutex_lock(&pool->lock);
   atomic_store(&pool->waiting, true);
   while (!nobody_inside(pool, 0)) pthread_cond_wait(&pool->done, &pool->lock);
   atomic_store(&pool->waiting, false);
   pthread_mutex_unlock(&pool->lock);
}

/* ---- making and ending ---- */

/* Signals meant for the process go to other threads; those a worker causes (a mapped file shrank) stay. */
static void block_signals(sigset_t *before)
{
   static const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT };
   sigset_t blocked;
   sigfillset(&blocked);
   for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&blocked, own[i]);
   pthread_sigmask(SIG_BLOCK, &blocked, before);
}

static void start_threads(pare_pool *pool)
{
   pthread_attr_t attr;
   sigset_t before;
   pthread_attr_init(&attr);
   pthread_attr_setstacksize(&attr, WORKER_STACK);
   block_signals(&before);
   for (int i = 0; i < pool->wanted; i++) {
      worker *w = &pool->workers[i];
      w->pool = pool;
      w->id = i;
      if (i > 0 && pthread_create(&w->thread, &attr, worker_main, w) != 0) break;
      pool->width = i + 1;
   }
   pthread_sigmask(SIG_SETMASK, &before, NULL);
   pthread_attr_destroy(&attr);
}

static int wanted_threads(const pare_ctx *ctx)
{
   return ctx->threads < 1 ? 1 : ctx->threads > MOST_THREADS ? MOST_THREADS : ctx->threads;
}

/* Asks the allocator directly: having no pool is not a failure and must not be recorded as one. */
static pare_pool *make_pool(pare_ctx *ctx)
{
   int wanted = wanted_threads(ctx);
   size_t size = sizeof(pare_pool) + (size_t)wanted * sizeof(worker);
   char *memory = ctx->alloc.fn(ctx->alloc.user, NULL, size + CACHE_LINE);
   if (!memory) return (pare_pool *)&lone_pool;
   pare_pool *pool = (pare_pool *)(memory + (CACHE_LINE - (uintptr_t)memory % CACHE_LINE));
   memset(pool, 0, size);
   pool->memory = memory;
   pool->wanted = wanted;
   pool->spins = wanted <= pare_pool_processors();
   pthread_mutex_init(&pool->lock, NULL);
   pthread_cond_init(&pool->wake, NULL);
   pthread_cond_init(&pool->done, NULL);
   start_threads(pool);
   return pool;
}

void pare_pool_destroy(pare_ctx *ctx, pare_pool *pool)
{
   if (!pool || pool == &lone_pool) return;
   pthread_mutex_lock(&pool->lock);
   atomic_store(&pool->quit, true);
   pthread_cond_broadcast(&pool->wake);
   pthread_mutex_unlock(&pool->lock);
   for (int i = 1; i < pool->width; i++) pthread_join(pool->workers[i].thread, NULL);
   pthread_cond_destroy(&pool->done);
   pthread_cond_destroy(&pool->wake);
   pthread_mutex_destroy(&pool->lock);
   pare_free(ctx, pool->memory);
}

/* The context's pool, made anew when the number of threads was changed; NULL for one thread. */
static pare_pool *get_pool(pare_ctx *ctx)
{
   if (wanted_threads(ctx) == 1) return NULL;
   if (ctx->pool && ctx->pool != &lone_pool && ctx->pool->wanted != wanted_threads(ctx)) {
      pare_pool_destroy(ctx, ctx->pool);
      ctx->pool = NULL;
   }
   if (!ctx->pool) ctx->pool = make_pool(ctx);
   return ctx->pool;
}

int pare_pool_width(pare_ctx *ctx)
{
   pare_pool *pool = get_pool(ctx);
   return pool ? pool->width : 1;
}

void pare_pool_run_ranges(pare_ctx *ctx, int64_t count, int64_t grain, pare_work_range work, void *arg)
{
   pare_pool *pool = count > 1 ? get_pool(ctx) : NULL;
   unsigned before = pare_fp_pin();
   if (!pool || pool->width == 1) {
      for (int64_t i = 0; i < count; i += grain) work(arg, i, count - i < grain ? count : i + grain, 0);
   } else {
      open_gate(pool, count, grain, work, arg);
      take_part(pool, 0);
      close_gate(pool);
   }
   pare_fp_restore(before);
}

typedef struct item_job {
   pare_work work;
   void *arg;
} item_job;

static void work_on_items(void *arg, int64_t from, int64_t to, int id)
{
   const item_job *job = arg;
   for (int64_t item = from; item < to; item++) job->work(job->arg, item, id);
}

void pare_pool_run(pare_ctx *ctx, int64_t count, pare_work work, void *arg)
{
   item_job job = { work, arg };
   pare_pool_run_ranges(ctx, count, 1, work_on_items, &job);
}
