/* Arena, str, buffer and context. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/str.h"
#include "unit.h"

START_TEST(arena_aligns_zeroes_and_grows)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   pare_arena *arena = pare_arena_create(&ctx);
   for (size_t size = 0; size < 3000; size += 7) {
      unsigned char *p = pare_arena_alloc(&ctx, arena, size);
      ck_assert_ptr_nonnull(p);
      ck_assert_uint_eq((uintptr_t)p % 16, 0);
      size_t zeros = 0;
      while (zeros < size && p[zeros] == 0) zeros++;
      ck_assert_uint_eq(zeros, size);
      memset(p, 0xff, size);
   }
   ck_assert_str_eq(pare_arena_printf(&ctx, arena, "%d-%s", 7, "x"), "7-x");
   ck_assert_str_eq(pare_arena_strndup(&ctx, arena, "abcdef", 3), "abc");
   ck_assert_ptr_null(pare_arena_array(&ctx, arena, SIZE_MAX / 2, 4));
   ck_assert_int_eq(ctx.error.status, PARE_RESOURCE);
   pare_arena_destroy(&ctx, arena);
   pare_arena_destroy(&ctx, NULL);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(str_grows_and_prints)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   pare_str s = { 0 };
   for (int i = 0; i < 1000; i++) assert_ok(&ctx, pare_str_printf(&ctx, &s, "%03d,", i));
   ck_assert_uint_eq(s.size, 4000);
   ck_assert_uint_eq(strlen(s.data), 4000);
   ck_assert_int_eq(memcmp(s.data + 3996, "999,", 5), 0);
   pare_str_clear(&s);
   assert_ok(&ctx, pare_str_append(&ctx, &s, "a\0b", 3));
   ck_assert_int_eq(memcmp(s.data, "a\0b", 4), 0);
   heap.fail_at = heap.calls + 1;
   char big[8192] = { 0 };
   assert_fails(&ctx, pare_str_append(&ctx, &s, big, sizeof big), PARE_RESOURCE, "out of memory");
   ck_assert_uint_eq(s.size, 3);
   pare_str_finish(&ctx, &s);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(grow_refuses_overflow)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   void *items = NULL;
   size_t capacity = 0;
   assert_fails(&ctx, pare_grow(&ctx, &items, &capacity, SIZE_MAX, 1), PARE_RESOURCE, "out of memory");
   assert_fails(&ctx, pare_grow(&ctx, &items, &capacity, SIZE_MAX / 8, 64), PARE_RESOURCE, "out of memory");
   assert_ok(&ctx, pare_grow(&ctx, &items, &capacity, 17, 8));
   ck_assert_uint_eq(capacity, 32);
   pare_free(&ctx, items);
}
END_TEST

START_TEST(first_error_wins)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   ck_assert_int_eq(pare_fail(&ctx, PARE_INPUT, "a", "first %d", 1), PARE_INPUT);
   ck_assert_int_eq(pare_fail(&ctx, PARE_INTERNAL, NULL, "second"), PARE_INTERNAL);
   ck_assert_str_eq(ctx.error.message, "first 1");
   ck_assert_str_eq(ctx.error.where, "a");
   ck_assert_str_eq(pare_status_name(ctx.error.status), "bad_input");
   pare_ctx_finish(&ctx);
}
END_TEST

START_TEST(stop_flag)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   assert_ok(&ctx, pare_check_stop(&ctx));
   volatile sig_atomic_t stop = 0;
   ctx.stop = &stop;
   assert_ok(&ctx, pare_check_stop(&ctx));
   stop = SIGINT;
   assert_fails(&ctx, pare_check_stop(&ctx), PARE_STOPPED, "signal 2");
   stop = SIGBUS;
   assert_fails(&ctx, pare_check_stop(&ctx), PARE_INPUT, "shrank");
}
END_TEST

START_TEST(views_keep_the_parent)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   pare_buffer *whole, *view, *inner, *outside;
   assert_ok(&ctx, pare_buffer_copy(&ctx, "0123456789", 10, &whole));
   ck_assert_uint_eq((uintptr_t)pare_buffer_data(whole) % 64, 0);
   assert_ok(&ctx, pare_buffer_view(&ctx, whole, 2, 6, &view));
   assert_ok(&ctx, pare_buffer_view(&ctx, view, 1, 5, &inner));
   assert_fails(&ctx, pare_buffer_view(&ctx, view, 1, 6, &outside), PARE_INTERNAL, "view");
   assert_fails(&ctx, pare_buffer_view(&ctx, view, SIZE_MAX, 2, &outside), PARE_INTERNAL, "view");
   ck_assert_ptr_nonnull(pare_buffer_edit(whole));
   ck_assert_ptr_null(pare_buffer_edit(view));
   pare_buffer_unref(&ctx, whole);
   pare_buffer_unref(&ctx, view);
   ck_assert_int_eq(memcmp(pare_buffer_data(inner), "34567", 5), 0);
   ck_assert_ptr_eq(pare_buffer_ref(inner), inner);
   pare_buffer_unref(&ctx, inner);
   ck_assert_int_eq(heap.blocks, 4);
   pare_buffer_unref(&ctx, inner);
   pare_buffer_unref(&ctx, NULL);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

static void write_file(const char *path, const char *text)
{
   FILE *file = fopen(path, "w");
   ck_assert_ptr_nonnull(file);
   fputs(text, file);
   fclose(file);
}

START_TEST(maps_and_reads_files)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   char folder[] = "/tmp/pare_unit_XXXXXX", path[64], empty[64];
   ck_assert_ptr_nonnull(mkdtemp(folder));
   snprintf(path, sizeof path, "%s/file", folder);
   snprintf(empty, sizeof empty, "%s/empty", folder);
   write_file(path, "hello");
   write_file(empty, "");
   pare_buffer *map, *none, *read;
   assert_ok(&ctx, pare_buffer_map(&ctx, path, &map));
   assert_ok(&ctx, pare_buffer_map(&ctx, empty, &none));
   assert_ok(&ctx, pare_read_file(&ctx, path, 5, &read));
   ck_assert_uint_eq(pare_buffer_size(map), 5);
   ck_assert_uint_eq(pare_buffer_size(none), 0);
   ck_assert_int_eq(memcmp(pare_buffer_data(map), pare_buffer_data(read), 5), 0);
   ck_assert_ptr_null(pare_buffer_edit(map));
   pare_buffer_advise(map, 0, 5, PARE_WILL_NEED);
   pare_buffer_advise(map, 0, 100, PARE_DONT_NEED);
   pare_buffer_advise(read, 0, 5, PARE_DONT_NEED);
   pare_buffer_unref(&ctx, map);
   pare_buffer_unref(&ctx, none);
   pare_buffer_unref(&ctx, read);
   assert_fails(&ctx, pare_read_file(&ctx, path, 4, &read), PARE_INPUT, "5 bytes, expected at most 4");
   assert_fails(&ctx, pare_buffer_map(&ctx, folder, &map), PARE_INPUT, "not a regular file");
   unlink(path);
   assert_fails(&ctx, pare_buffer_map(&ctx, path, &map), PARE_INPUT, "cannot open");
   ck_assert_int_eq(heap.blocks, 0);
   unlink(empty);
   rmdir(folder);
}
END_TEST

UNIT_MAIN("memory", arena_aligns_zeroes_and_grows, str_grows_and_prints, grow_refuses_overflow,
          first_error_wins, stop_flag, views_keep_the_parent, maps_and_reads_files)
