/* format: the registry, and what is said about paths that no format takes. */
#include "formats/format.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const pare_format *const pare_formats[] = {
#define FORMAT(name) &pare_format_##name,
#include "formats/formats.def"
#undef FORMAT
   NULL
};

/* Files of other programs that a user is likely to try. A pattern matches the first bytes or the end of the
 * path. */
static const struct foreign {
   const char *magic, *suffix, *name;
} foreigns[] = {
   { "GGUF", ".gguf", "GGUF" },
   { "PK\x03\x04", ".pt", "PyTorch pickle" },
   { "PK\x03\x04", ".pth", "PyTorch pickle" },
   { NULL, ".onnx", "ONNX" },
   { NULL, ".bin", "llama2.c and PyTorch .bin" },
};

static const char *foreign_name(const char *path, const char *head, size_t size)
{
   for (size_t i = 0; i < sizeof foreigns / sizeof foreigns[0]; i++) {
      const struct foreign *f = &foreigns[i];
      if (f->magic && size >= strlen(f->magic) && memcmp(head, f->magic, strlen(f->magic)) == 0)
         return f->name;
      if (pare_ends_with(path, f->suffix)) return f->name;
   }
   return NULL;
}

static pare_status refuse_file(pare_ctx *ctx, const char *path)
{
   char head[8];
   FILE *file = fopen(path, "rb");
   if (!file) return pare_fail(ctx, PARE_INPUT, path, "cannot open: %s", strerror(errno));
   size_t size = fread(head, 1, sizeof head, file);
   fclose(file);
   const char *foreign = foreign_name(path, head, size);
   if (foreign) return pare_fail(ctx, PARE_UNSUPPORTED, path, "%s files are not supported", foreign);
   if (pare_ends_with(path, ".safetensors") || pare_ends_with(path, ".json"))
      return pare_fail(ctx, PARE_INPUT, path,
                       "one file of a model; expected the directory that holds config.json");
   return pare_fail(ctx, PARE_INPUT, path, "neither a Hugging Face directory nor a pare artifact");
}

/* A directory may hold a model of another program: the first entry, by name, that says so. */
static pare_status refuse_directory(pare_ctx *ctx, const char *path)
{
   char found[256] = "";
   const char *foreign = NULL;
   DIR *dir = opendir(path);
   for (struct dirent *entry; dir && (entry = readdir(dir));) {
      const char *name = foreign_name(entry->d_name, "", 0);
      if (!name || (foreign && strcmp(entry->d_name, found) > 0)) continue;
      foreign = name;
      snprintf(found, sizeof found, "%s", entry->d_name);
   }
   if (dir) closedir(dir);
   if (!foreign) return pare_fail(ctx, PARE_INPUT, path, "a directory without config.json");
   return pare_fail(ctx, PARE_UNSUPPORTED, path, "holds %s; %s files are not supported", found, foreign);
}

static pare_status refuse(pare_ctx *ctx, const char *path)
{
   struct stat st;
   if (stat(path, &st) != 0) return pare_fail(ctx, PARE_INPUT, path, "cannot open: %s", strerror(errno));
   if (S_ISDIR(st.st_mode)) return refuse_directory(ctx, path);
   if (!S_ISREG(st.st_mode))
      return pare_fail(ctx, PARE_INPUT, path, "neither a regular file nor a directory");
   return refuse_file(ctx, path);
}

pare_status pare_model_load(pare_ctx *ctx, const char *path, pare_model **out)
{
   for (const pare_format *const *format = pare_formats; *format; format++)
      if ((*format)->probe(path)) return (*format)->load(ctx, path, out);
   return refuse(ctx, path);
}
