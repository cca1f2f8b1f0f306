/* Files that appear whole or not at all. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/outfile.h"
#include "unit.h"

static pare_ctx ctx;
static unit_heap heap;
static char folder[64], target[80];

static void begin(void)
{
   unit_heap_init(&ctx, &heap);
   strcpy(folder, "/tmp/pare_unit_XXXXXX");
   ck_assert_ptr_nonnull(mkdtemp(folder));
   snprintf(target, sizeof target, "%s/out", folder);
}

/* Number of files in the folder. */
static int n_files(void)
{
   DIR *dir = opendir(folder);
   int count = 0;
   for (struct dirent *e; (e = readdir(dir));) count += e->d_name[0] != '.';
   closedir(dir);
   return count;
}

static void end(void)
{
   ck_assert_int_eq(heap.blocks, 0);
   unlink(target);
   ck_assert_int_eq(rmdir(folder), 0);
}

static void put(const char *text)
{
   pare_outfile *file;
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &file));
   assert_ok(&ctx, pare_outfile_write(&ctx, file, text, strlen(text)));
   assert_ok(&ctx, pare_outfile_commit(&ctx, file));
   pare_outfile_destroy(&ctx, file);
}

static void assert_holds(const char *text)
{
   pare_buffer *bytes;
   assert_ok(&ctx, pare_read_file(&ctx, target, 1000, &bytes));
   ck_assert_uint_eq(pare_buffer_size(bytes), strlen(text));
   ck_assert_int_eq(memcmp(pare_buffer_data(bytes), text, strlen(text)), 0);
   pare_buffer_unref(&ctx, bytes);
}

START_TEST(commit_replaces)
{
   begin();
   put("old");
   put("new text");
   assert_holds("new text");
   struct stat st;
   mode_t mask = umask(0);
   umask(mask);
   stat(target, &st);
   ck_assert_uint_eq(st.st_mode & 0777, 0666 & ~mask);
   ck_assert_int_eq(n_files(), 1);
   end();
}
END_TEST

START_TEST(destroy_leaves_the_old_file)
{
   begin();
   put("old");
   pare_outfile *file;
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &file));
   assert_ok(&ctx, pare_outfile_write(&ctx, file, "half", 4));
   ck_assert_int_eq(n_files(), 2);
   pare_outfile_destroy(&ctx, file);
   pare_outfile_destroy(&ctx, NULL);
   assert_holds("old");
   ck_assert_int_eq(n_files(), 1);
   end();
}
END_TEST

START_TEST(two_writers_do_not_mix)
{
   begin();
   pare_outfile *a, *b;
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &a));
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &b));
   assert_ok(&ctx, pare_outfile_write(&ctx, a, "aaaa", 4));
   assert_ok(&ctx, pare_outfile_write(&ctx, b, "bb", 2));
   assert_ok(&ctx, pare_outfile_commit(&ctx, a));
   assert_holds("aaaa");
   assert_ok(&ctx, pare_outfile_commit(&ctx, b));
   assert_holds("bb");
   pare_outfile_destroy(&ctx, a);
   pare_outfile_destroy(&ctx, b);
   ck_assert_int_eq(n_files(), 1);
   end();
}
END_TEST

START_TEST(reserved_space_is_the_file)
{
   begin();
   pare_outfile *file;
   pare_buffer *first, *second;
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &file));
   assert_ok(&ctx, pare_outfile_write(&ctx, file, "head", 4));
   assert_ok(&ctx, pare_outfile_reserve(&ctx, file, 100, &first));
   assert_ok(&ctx, pare_outfile_reserve(&ctx, file, 3, &second));
   ck_assert_int_eq(pare_outfile_find(file, first), 64);
   ck_assert_int_eq(pare_outfile_find(file, second), 192);
   ck_assert_uint_eq(pare_outfile_size(file), 195);
   memset(pare_buffer_edit(first), 'x', 100);
   memset(pare_buffer_edit(second), 'y', 3);
   assert_ok(&ctx, pare_outfile_align(&ctx, file, 128));
   pare_buffer_unref(&ctx, second);
   assert_ok(&ctx, pare_outfile_commit(&ctx, file));
   pare_buffer_unref(&ctx, first);
   pare_outfile_destroy(&ctx, file);
   char expected[256] = "head";
   memset(expected + 64, 'x', 100);
   memset(expected + 192, 'y', 3);
   pare_buffer *bytes;
   assert_ok(&ctx, pare_read_file(&ctx, target, 1000, &bytes));
   ck_assert_uint_eq(pare_buffer_size(bytes), 256);
   ck_assert_int_eq(memcmp(pare_buffer_data(bytes), expected, 256), 0);
   pare_buffer_unref(&ctx, bytes);
   end();
}
END_TEST

START_TEST(loose_bytes_can_be_cut)
{
   begin();
   pare_outfile *file;
   pare_buffer *space;
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &file));
   assert_ok(&ctx, pare_outfile_write(&ctx, file, "head and more", 13));
   assert_ok(&ctx, pare_outfile_cut(&ctx, file, 4));
   assert_ok(&ctx, pare_outfile_write(&ctx, file, "er", 2));
   assert_ok(&ctx, pare_outfile_cut(&ctx, file, 6));
   assert_fails(&ctx, pare_outfile_cut(&ctx, file, 7), PARE_INTERNAL, "not loose");
   assert_ok(&ctx, pare_outfile_commit(&ctx, file));
   pare_outfile_destroy(&ctx, file);
   assert_holds("header");
   assert_ok(&ctx, pare_outfile_scratch(&ctx, folder, &file));
   assert_ok(&ctx, pare_outfile_reserve(&ctx, file, 100, &space));
   assert_ok(&ctx, pare_outfile_write(&ctx, file, "x", 1));
   assert_ok(&ctx, pare_outfile_cut(&ctx, file, 100));
   assert_fails(&ctx, pare_outfile_cut(&ctx, file, 99), PARE_INTERNAL, "not loose");
   pare_buffer_unref(&ctx, space);
   pare_outfile_destroy(&ctx, file);
   end();
}
END_TEST

START_TEST(full_disk_is_an_error)
{
   begin();
   put("old");
   signal(SIGXFSZ, SIG_IGN);
   struct rlimit before, small = { 4096, RLIM_INFINITY };
   getrlimit(RLIMIT_FSIZE, &before);
   small.rlim_max = before.rlim_max;
   setrlimit(RLIMIT_FSIZE, &small);
   pare_outfile *file;
   pare_buffer *space;
   char page[4096] = { 0 };
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &file));
   assert_fails(&ctx, pare_outfile_reserve(&ctx, file, 1 << 20, &space), PARE_RESOURCE, "cannot reserve");
   assert_ok(&ctx, pare_outfile_write(&ctx, file, page, sizeof page));
   assert_fails(&ctx, pare_outfile_write(&ctx, file, page, 1), PARE_RESOURCE, "cannot write");
   pare_outfile_destroy(&ctx, file);
   setrlimit(RLIMIT_FSIZE, &before);
   assert_holds("old");
   ck_assert_int_eq(n_files(), 1);
   end();
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
   begin();
   pare_outfile *file;
   assert_fails(&ctx, pare_outfile_create(&ctx, "/nonexistent/x", &file), PARE_RESOURCE, "cannot create");
   assert_fails(&ctx, pare_outfile_scratch(&ctx, "/nonexistent", &file), PARE_RESOURCE, "cannot create");
   assert_ok(&ctx, pare_outfile_scratch(&ctx, folder, &file));
   ck_assert_int_eq(n_files(), 0);
   assert_fails(&ctx, pare_outfile_commit(&ctx, file), PARE_INTERNAL, "scratch");
   pare_outfile_destroy(&ctx, file);
   volatile sig_atomic_t stop = SIGTERM;
   assert_ok(&ctx, pare_outfile_create(&ctx, target, &file));
   ctx.stop = &stop;
   assert_fails(&ctx, pare_outfile_commit(&ctx, file), PARE_STOPPED, "signal");
   pare_outfile_destroy(&ctx, file);
   ck_assert_int_eq(n_files(), 0);
   end();
}
END_TEST

START_TEST(no_memory_leaves_nothing)
{
   begin();
   for (long at = 1; at < 20; at++) {
      pare_outfile *file = NULL;
      pare_buffer *space = NULL;
      heap.calls = 0;
      heap.fail_at = at;
      pare_status status = pare_outfile_create(&ctx, target, &file);
      if (status == PARE_OK) status = pare_outfile_reserve(&ctx, file, 10, &space);
      if (status == PARE_OK) status = pare_outfile_commit(&ctx, file);
      pare_buffer_unref(&ctx, space);
      pare_outfile_destroy(&ctx, file);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      ck_assert_int_eq(heap.blocks, 0);
      if (status == PARE_OK) unlink(target);
      ck_assert_int_eq(n_files(), 0);
      pare_ctx_clear(&ctx);
   }
   end();
}
END_TEST

UNIT_MAIN("outfile", commit_replaces, destroy_leaves_the_old_file, two_writers_do_not_mix,
          reserved_space_is_the_file, loose_bytes_can_be_cut, full_disk_is_an_error,
          refuses_what_cannot_be, no_memory_leaves_nothing)
