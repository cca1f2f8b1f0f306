/* formats_files: small model directories made by tests: a temporary folder, files in it, safetensors bytes
 * from a list of tensors. */
#ifndef PARE_TESTS_FORMATS_FILES_H
#define PARE_TESTS_FORMATS_FILES_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/json.h"
#include "unit.h"

enum { FOLDER_PATH = 512 };

typedef struct folder {
   char path[64];
} folder;

static inline folder folder_create(void)
{
   folder f = { "/tmp/pare_formats_XXXXXX" };
   ck_assert_ptr_nonnull(mkdtemp(f.path));
   return f;
}

static inline void folder_write(const folder *f, const char *name, const void *bytes, size_t size)
{
   char path[FOLDER_PATH];
   snprintf(path, sizeof path, "%s/%s", f->path, name);
   FILE *file = fopen(path, "wb");
   ck_assert_ptr_nonnull(file);
   ck_assert_uint_eq(size ? fwrite(bytes, 1, size, file) : 0, size);
   ck_assert_int_eq(fclose(file), 0);
}

static inline void folder_text(const folder *f, const char *name, const char *text)
{
   folder_write(f, name, text, strlen(text));
}

static inline void folder_remove(const folder *f)
{
   char path[FOLDER_PATH];
   DIR *dir = opendir(f->path);
   ck_assert_ptr_nonnull(dir);
   for (struct dirent *item; (item = readdir(dir));) {
      snprintf(path, sizeof path, "%s/%s", f->path, item->d_name);
      if (item->d_name[0] != '.') unlink(path);
   }
   closedir(dir);
   rmdir(f->path);
}

/* A tensor of a made file; rank 1 when k is 0. The list ends with a NULL name. */
typedef struct tensor_spec {
   const char *name, *dtype;
   int64_t n, k;
} tensor_spec;

static inline size_t spec_bytes(const tensor_spec *spec)
{
   size_t size = strcmp(spec->dtype, "F64") == 0 ? 8 : strcmp(spec->dtype, "F32") == 0 ? 4 : 2;
   return (size_t)(spec->n * (spec->k ? spec->k : 1)) * size;
}

/* 8 bytes of size, `header`, `data_size` bytes counting up. */
static inline void tensors_from_header(pare_ctx *ctx, const char *header, size_t data_size, pare_str *out)
{
   uint8_t size[8];
   pare_put_uint(size, strlen(header), sizeof size);
   assert_ok(ctx, pare_str_append(ctx, out, size, sizeof size));
   assert_ok(ctx, pare_str_puts(ctx, out, header));
   for (size_t i = 0; i < data_size; i++)
      assert_ok(ctx, pare_str_append(ctx, out, &(uint8_t){ (uint8_t)(i % 64) }, 1));
}

static inline void tensors_from_specs(pare_ctx *ctx, const tensor_spec *specs, pare_str *out)
{
   pare_str header = { 0 };
   pare_json_writer w;
   size_t at = 0;
   pare_json_begin(&w, ctx, &header, false);
   pare_json_open_object(&w, NULL);
   for (; specs->name; specs++) {
      pare_json_open_object(&w, specs->name);
      pare_json_put_string(&w, "dtype", specs->dtype);
      pare_json_open_array(&w, "shape");
      pare_json_put_int(&w, NULL, specs->n);
      if (specs->k) pare_json_put_int(&w, NULL, specs->k);
      pare_json_close_array(&w);
      pare_json_open_array(&w, "data_offsets");
      pare_json_put_int(&w, NULL, (int64_t)at);
      pare_json_put_int(&w, NULL, (int64_t)(at += spec_bytes(specs)));
      pare_json_close_array(&w);
      pare_json_close_object(&w);
   }
   pare_json_close_object(&w);
   assert_ok(ctx, w.status);
   tensors_from_header(ctx, header.data, at, out);
   pare_str_finish(ctx, &header);
}

static inline void folder_tensors(pare_ctx *ctx, const folder *f, const char *name, const tensor_spec *specs)
{
   pare_str bytes = { 0 };
   tensors_from_specs(ctx, specs, &bytes);
   folder_write(f, name, bytes.data, bytes.size);
   pare_str_finish(ctx, &bytes);
}

/* Messages of the log, one after another. */
static inline void note_log(void *user, pare_level level, const char *code, const char *where,
                            const char *message)
{
   char *notes = user;
   (void)where;
   if (level == PARE_WARNING)
      snprintf(notes + strlen(notes), 1024 - strlen(notes), "%s: %s\n", code, message);
}

#endif
