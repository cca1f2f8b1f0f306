/* unit: what every unit test program shares: its main function and an allocator that fails on demand.
 *
 *    START_TEST(adds) { ck_assert_int_eq(1 + 1, 2); } END_TEST
 *    UNIT_MAIN("sums", adds, subtracts) */
#ifndef PARE_TESTS_UNIT_H
#define PARE_TESTS_UNIT_H

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ctx.h"

#define UNIT_MAIN(name, ...)                                                   \
   int main(void)                                                              \
   {                                                                           \
      const TTest *const tests[] = { __VA_ARGS__ };                            \
      TCase *tcase = tcase_create(name);                                       \
      for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(tcase, tests[i]); \
      Suite *suite = suite_create(name);                                       \
      tcase_set_timeout(tcase, 60);                                            \
      suite_add_tcase(suite, tcase);                                           \
      SRunner *runner = srunner_create(suite);                                 \
      srunner_run_all(runner, CK_ENV);                                         \
      int failed = srunner_ntests_failed(runner);                              \
      srunner_free(runner);                                                    \
      return failed ? EXIT_FAILURE : EXIT_SUCCESS;                             \
   }

/* Counts blocks in use; the allocation numbered fail_at (from 1; 0: none) and all later ones fail. Workers call
 * it side by side. */
typedef struct unit_heap {
   atomic_long blocks, calls;
   long fail_at;
} unit_heap;

static inline void *unit_heap_fn(void *user, void *ptr, size_t size)
{
   unit_heap *heap = user;
   if (size == 0) {
      if (ptr) heap->blocks--;
      free(ptr);
      return NULL;
   }
   if (++heap->calls >= heap->fail_at && heap->fail_at) return NULL;
   if (!ptr) heap->blocks++;
   return realloc(ptr, size);
}

static inline void unit_heap_init(pare_ctx *ctx, unit_heap *heap)
{
   atomic_init(&heap->blocks, 0);
   atomic_init(&heap->calls, 0);
   heap->fail_at = 0;
   pare_ctx_init(ctx);
   ctx->alloc = (pare_allocator){ unit_heap_fn, heap };
}

#define assert_ok(ctx, call)                                                                               \
   ck_assert_msg((call) == PARE_OK, "%s: %s", (ctx)->error.where, (ctx)->error.message)
/* The call fails with `status` and a message that contains `text`; the error is cleared. */
#define assert_fails(ctx, call, wanted, text)                                                              \
   do {                                                                                                    \
      ck_assert_int_eq((call), (wanted));                                                                  \
      ck_assert_int_eq((ctx)->error.status, (wanted));                                                     \
      ck_assert_msg(strstr((ctx)->error.message, (text)) != NULL, "message: %s", (ctx)->error.message);    \
      pare_ctx_clear(ctx);                                                                                 \
   } while (0)

#endif
