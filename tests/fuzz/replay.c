/* replay: feeds a fuzz target its corpus, as an ordinary test.
 *
 *    replay_json CORPUS_FOLDER [DAMAGED_COPIES]
 *
 * Each file goes in as it is and then, so that every build does a little fuzzing, in DAMAGED_COPIES copies
 * with bits turned over or the end cut off, the same ones in every run. The name of each file is printed
 * before it is fed: the last one names the input of a crash. Exits 77 (meson: skipped) when the folder has no
 * file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
   uint8_t *bytes;
   size_t size;
} input;

static int read_input(const char *path, input *in)
{
   FILE *file = fopen(path, "rb");
   struct stat info;
   if (!file) return 0;
   int fine = fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode);
   in->size = fine ? (size_t)info.st_size : 0;
   in->bytes = malloc(in->size + 1);
   fine = fine && in->bytes && fread(in->bytes, 1, in->size, file) == in->size;
   fclose(file);
   if (!fine) free(in->bytes);
   return fine;
}

/* Feeds exactly `size` bytes in a block of that size, so that a sanitizer sees the first byte read behind it.
 * */
static void feed(const uint8_t *bytes, size_t size)
{
   uint8_t *copy = malloc(size ? size : 1);
   if (!copy) exit(4);
   if (size) memcpy(copy, bytes, size);
   LLVMFuzzerTestOneInput(copy, size);
   free(copy);
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
   uint64_t z = *state += 0x9e3779b97f4a7c15u;
   z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
   z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
   return z ^ (z >> 31);
}

static void feed_damaged(const input *in, long copies)
{
   uint64_t state = in->size;
   if (in->size == 0) return;
   uint8_t *bytes = malloc(in->size);
   for (long i = 0; bytes && i < copies; i++) {
      memcpy(bytes, in->bytes, in->size);
      size_t size = i % 4 == 3 ? (size_t)(next_random(&state) % in->size) : in->size;
      for (long flips = i % 4; flips > 0 && size > 0; flips--) {
         uint64_t bit = next_random(&state) % (8 * (uint64_t)size);
         bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << (bit % 8)));
      }
      feed(bytes, size);
   }
   free(bytes);
}

static int replay_file(const char *folder, const char *name, long copies)
{
   char path[4096];
   input in;
   if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || !read_input(path, &in))
      return 0;
   printf("%s\n", path);
   fflush(stdout);
   feed(in.bytes, in.size);
   feed_damaged(&in, copies);
   free(in.bytes);
   return 1;
}

int main(int argc, char **argv)
{
   if (argc < 2) return 2;
   int files = 0;
   DIR *dir = opendir(argv[1]);
   for (struct dirent *entry; dir && (entry = readdir(dir));)
      if (entry->d_name[0] != '.') files += replay_file(argv[1], entry->d_name, argc > 2 ? atol(argv[2]) : 0);
   if (dir) closedir(dir);
   printf("%d files\n", files);
   return files ? 0 : 77;
}
