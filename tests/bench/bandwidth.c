/* bandwidth: what this machine's memory and disk give, to hold pare's speed against.
 *
 *    bandwidth [MIB]            reads MIB (default 1024) of memory over and over: threads x streams, GB/s
 *    bandwidth map FILE         the same of the file's own pages, mapped: where they lie decides what they give
 *    bandwidth read FILE ...    seconds and GB/s of reading the files, none of which is in the page cache
 *    bandwidth write FILE BYTES seconds and GB/s of writing that many bytes to a new file, and of its fsync
 *    bandwidth copy FROM TO BYTES   all of FROM read (cold) and BYTES written and synced, in turns of 1 MiB
 *    bandwidth drop FILE ...    takes the files out of the page cache
 *
 * One stream walks the buffer from start to end, four interleaved streams walk its quarters side by side. GB
 * are 1e9 bytes. Each line ends with the figure, so that scripts can take the last word. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__has_attribute)
#if __has_attribute(target_clones) && !defined(__SANITIZE_ADDRESS__)
#define EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#endif
#endif
#ifndef EACH_CPU
#define EACH_CPU
#endif

enum { LINE = 64, LANES = 8, MAX_STREAMS = 4, MAX_THREADS = 64, PART = 1 << 20, TURNS = 8 };

static double now(void)
{
   struct timespec t;
   clock_gettime(CLOCK_MONOTONIC, &t);
   return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- memory ---- */

typedef uint64_t lanes __attribute__((vector_size(LINE)));

typedef struct reader {
   const lanes *from;
   size_t lines;
   int streams;
   uint64_t sum;
} reader;

/* Streams of lines/streams lines each, four lines of each in turn. */
EACH_CPU static uint64_t sum_lines(const lanes *from, size_t lines, int streams)
{
   lanes sum[4] = { { 0 } };
   size_t each = lines / (size_t)streams;
   for (size_t i = 0; i + 4 <= each; i += 4)
      for (int s = 0; s < streams; s++)
         for (size_t k = 0; k < 4; k++) sum[k] += from[(size_t)s * each + i + k];
   uint64_t total = 0;
   for (int k = 0; k < 4; k++)
      for (int lane = 0; lane < LANES; lane++) total += sum[k][lane];
   return total;
}

static void *read_part(void *arg)
{
   reader *r = arg;
   r->sum = sum_lines(r->from, r->lines, r->streams);
   return NULL;
}

/* Best of TURNS. */
static double memory_rate(const lanes *buffer, size_t lines, int threads, int streams)
{
   double best = 0;
   for (int turn = 0; turn < TURNS; turn++) {
      pthread_t thread[MAX_THREADS];
      reader part[MAX_THREADS];
      double start = now();
      for (int i = 0; i < threads; i++) {
         part[i] =
            (reader){ buffer + lines / (size_t)threads * (size_t)i, lines / (size_t)threads, streams, 0 };
         if (pthread_create(&thread[i], NULL, read_part, &part[i])) exit(4);
      }
      for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
      double rate = (double)(lines * LINE) / (now() - start) / 1e9;
      if (rate > best) best = rate;
   }
   return best;
}

static void measure_rates(const lanes *buffer, size_t size, const char *what)
{
   long processors = sysconf(_SC_NPROCESSORS_ONLN);
   for (int threads = 1; threads <= processors && threads <= MAX_THREADS; threads *= 2)
      for (int streams = 1; streams <= MAX_STREAMS; streams *= 4)
         printf("%s read, %d threads, %d streams, GB/s: %.2f\n", what, threads, streams,
                memory_rate(buffer, size / LINE, threads, streams));
}

static int measure_memory(size_t mib)
{
   size_t size = mib << 20;
   lanes *buffer = aligned_alloc(LINE, size);
   if (!buffer) return 4;
   memset(buffer, 1, size);
   measure_rates(buffer, size, "memory");
   free(buffer);
   return 0;
}

/* ---- files ---- */

static int open_or_die(const char *path, int flags)
{
   int fd = open(path, flags | O_CLOEXEC, 0666);
   if (fd >= 0) return fd;
   perror(path);
   exit(4);
}

static int measure_map(const char *path)
{
   struct stat info;
   int fd = open_or_die(path, O_RDONLY);
   if (fstat(fd, &info)) return 4;
   size_t size = (size_t)info.st_size / LINE * LINE;
   void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
   close(fd);
   if (map == MAP_FAILED) return 4;
   madvise(map, size, MADV_HUGEPAGE);
   sum_lines(map, size / LINE, 1);
   measure_rates(map, size, "pages");
   munmap(map, size);
   return 0;
}

static void drop(const char *path)
{
   int fd = open_or_die(path, O_RDONLY);
   fdatasync(fd);
   posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
   close(fd);
}

static uint64_t read_all(const char *path, char *part)
{
   int fd = open_or_die(path, O_RDONLY);
   uint64_t total = 0;
   posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
   for (ssize_t got; (got = read(fd, part, PART)) > 0;) total += (uint64_t)got;
   close(fd);
   return total;
}

static int measure_read(int n, char **paths, char *part)
{
   uint64_t total = 0;
   for (int i = 0; i < n; i++) drop(paths[i]);
   double start = now();
   for (int i = 0; i < n; i++) total += read_all(paths[i], part);
   double seconds = now() - start;
   printf("read %.3f GB cold at %.2f GB/s, seconds: %.3f\n", (double)total / 1e9,
          (double)total / 1e9 / seconds, seconds);
   return 0;
}

static void put(int fd, const char *part, size_t size)
{
   if (write(fd, part, size) == (ssize_t)size) return;
   perror("write");
   exit(4);
}

static void put_all(int fd, const char *part, uint64_t size)
{
   for (; size > PART; size -= PART) put(fd, part, PART);
   put(fd, part, (size_t)size);
}

static int measure_write(const char *path, uint64_t size, char *part)
{
   int fd = open_or_die(path, O_WRONLY | O_CREAT | O_TRUNC);
   double start = now();
   put_all(fd, part, size);
   fsync(fd);
   double seconds = now() - start;
   close(fd);
   printf("wrote %.3f GB at %.2f GB/s, seconds: %.3f\n", (double)size / 1e9, (double)size / 1e9 / seconds,
          seconds);
   return 0;
}

/* What a program that converts FROM to TO must do at least. */
static int measure_copy(const char *from, const char *to, uint64_t size, char *part)
{
   drop(from);
   struct stat info;
   int in = open_or_die(from, O_RDONLY), out = open_or_die(to, O_WRONLY | O_CREAT | O_TRUNC);
   if (fstat(in, &info)) return 4;
   uint64_t taken = 0, made = 0;
   double start = now();
   posix_fadvise(in, 0, 0, POSIX_FADV_SEQUENTIAL);
   for (ssize_t got; (got = read(in, part, PART)) > 0;) {
      taken += (uint64_t)got;
      uint64_t due = (uint64_t)((double)size * ((double)taken / (double)info.st_size));
      if (taken >= (uint64_t)info.st_size) due = size;
      put_all(out, part, due - made);
      made = due;
   }
   fsync(out);
   double seconds = now() - start;
   close(in);
   close(out);
   printf("read %.3f GB cold and wrote %.3f GB, seconds: %.3f\n", (double)taken / 1e9, (double)made / 1e9,
          seconds);
   return 0;
}

int main(int argc, char **argv)
{
   static char part[PART];
   memset(part, 7, sizeof part);
   const char *what = argc > 1 ? argv[1] : "1024";
   if (!strcmp(what, "map") && argc == 3) return measure_map(argv[2]);
   if (!strcmp(what, "read") && argc > 2) return measure_read(argc - 2, argv + 2, part);
   if (!strcmp(what, "write") && argc == 4) return measure_write(argv[2], strtoull(argv[3], NULL, 10), part);
   if (!strcmp(what, "copy") && argc == 5)
      return measure_copy(argv[2], argv[3], strtoull(argv[4], NULL, 10), part);
   if (!strcmp(what, "drop")) {
      for (int i = 2; i < argc; i++) drop(argv[i]);
      return 0;
   }
   size_t mib = strtoull(what, NULL, 10);
   if (mib) return measure_memory(mib);
   fputs("usage: bandwidth [MIB] | map FILE | read FILE ... | write FILE BYTES | copy FROM TO BYTES | drop FILE ...\n",
         stderr);
   return 2;
}
