/* safetensors: the set and the reading of one header. The checks are those of the format's own reader:
 * tensors follow one another without gap or overlap and end where the file ends. */
#include "formats/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/json.h"

enum { SIZE_BYTES = 8 };

/* Every dtype of the format. */
static const struct dtype {
   const char *name;
   uint32_t bits;
   bool usable;
   pare_encoding_kind encoding;
} dtypes[] = {
   { "F32", 32, true, PARE_ENC_F32 },  { "F16", 16, true, PARE_ENC_F16 }, { "BF16", 16, true, PARE_ENC_BF16 },
   { "F64", 64, false, 0 },    { "I64", 64, false, 0 },    { "I32", 32, false, 0 },
   { "I16", 16, false, 0 },    { "I8", 8, false, 0 },      { "U64", 64, false, 0 },
   { "U32", 32, false, 0 },    { "U16", 16, false, 0 },    { "U8", 8, false, 0 },
   { "BOOL", 8, false, 0 },    { "C64", 64, false, 0 },    { "F8_E4M3", 8, false, 0 },
   { "F8_E5M2", 8, false, 0 }, { "F8_E8M0", 8, false, 0 }, { "F6_E2M3", 6, false, 0 },
   { "F6_E3M2", 6, false, 0 }, { "F4", 4, false, 0 },
};

/* One header being read. */
typedef struct header {
   pare_safetensors *set;
   size_t file;
   const char *path;
   uint64_t data_at, data_size;
   size_t first; /* entry of the set */
} header;

static const struct dtype *find_dtype(const char *name)
{
   for (size_t i = 0; name && i < sizeof dtypes / sizeof dtypes[0]; i++)
      if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
   return NULL;
}

static pare_status bad_entry(pare_ctx *ctx, const header *h, const char *name, const char *problem)
{
   return pare_fail(ctx, PARE_INPUT, h->path, "tensor \"%s\": %s", name, problem);
}

static pare_status read_shape(pare_ctx *ctx, const header *h, const pare_json *shape,
                              pare_safetensors_entry *e)
{
   if (!pare_json_is_array(shape)) return bad_entry(ctx, h, e->name, "no \"shape\"");
   for (const pare_json *dim = pare_json_first(shape); dim; dim = pare_json_next(dim)) {
      if (e->rank == PARE_SAFETENSORS_MAX_RANK) return bad_entry(ctx, h, e->name, "more than 16 dimensions");
      if (!pare_json_int(dim, 0, INT64_MAX, &e->dim[e->rank++]))
         return bad_entry(ctx, h, e->name, "\"shape\" holds something else than whole numbers from 0 on");
   }
   return PARE_OK;
}

/* Bytes that dtype and shape ask for; false on overflow or when they do not fill whole bytes. */
static bool entry_bytes(const pare_safetensors_entry *e, uint32_t bits, uint64_t *bytes)
{
   uint64_t total = bits;
   for (int i = 0; i < e->rank; i++)
      if (__builtin_mul_overflow(total, (uint64_t)e->dim[i], &total)) return false;
   *bytes = total / 8;
   return total % 8 == 0;
}

static pare_status read_offsets(pare_ctx *ctx, const header *h, const pare_json *offsets,
                                pare_safetensors_entry *e)
{
   int64_t begin, end;
   const pare_json *first = pare_json_first(offsets);
   if (!pare_json_is_array(offsets) || pare_json_count(offsets) != 2 ||
       !pare_json_int(first, 0, INT64_MAX, &begin) ||
       !pare_json_int(pare_json_next(first), 0, INT64_MAX, &end) || end < begin)
      return bad_entry(ctx, h, e->name, "\"data_offsets\" is not a pair of rising offsets");
   if ((uint64_t)end > h->data_size)
      return pare_fail(ctx, PARE_INPUT, h->path,
                       "truncated: tensor \"%s\" ends at byte %" PRIu64 ", the file has %" PRIu64, e->name,
                       h->data_at + (uint64_t)end, h->data_at + h->data_size);
   e->offset = h->data_at + (uint64_t)begin;
   e->size = (uint64_t)(end - begin);
   return PARE_OK;
}

static pare_status check_bytes(pare_ctx *ctx, const header *h, const pare_safetensors_entry *e, uint32_t bits)
{
   uint64_t bytes;
   if (!entry_bytes(e, bits, &bytes))
      return bad_entry(ctx, h, e->name, "its size overflows or is no whole number of bytes");
   if (bytes == e->size) return PARE_OK;
   return pare_fail(ctx, PARE_INPUT, h->path,
                    "tensor \"%s\": dtype and shape need %" PRIu64 " bytes, \"data_offsets\" gives %" PRIu64,
                    e->name, bytes, e->size);
}

static pare_status read_entry(pare_ctx *ctx, header *h, const pare_json *json)
{
   pare_safetensors *set = h->set;
   void *entries = set->entries;
   PARE_TRY(pare_grow(ctx, &entries, &set->entries_capacity, set->n_entries + 1, sizeof *set->entries));
   set->entries = entries;
   pare_safetensors_entry *e = &set->entries[set->n_entries];
   *e = (pare_safetensors_entry){ .file = h->file };
   e->name = pare_arena_strdup(ctx, set->arena, pare_json_name(json));
   if (!e->name) return PARE_RESOURCE;
   const char *name = pare_json_string(pare_json_get(json, "dtype"));
   if (!name) return bad_entry(ctx, h, e->name, "no \"dtype\"");
   const struct dtype *dtype = find_dtype(name);
   if (!dtype)
      return pare_fail(ctx, PARE_UNSUPPORTED, h->path, "tensor \"%s\": unknown dtype \"%s\"", e->name, name);
   e->dtype = dtype->name;
   e->usable = dtype->usable;
   e->encoding = dtype->encoding;
   PARE_TRY(read_shape(ctx, h, pare_json_get(json, "shape"), e));
   PARE_TRY(read_offsets(ctx, h, pare_json_get(json, "data_offsets"), e));
   PARE_TRY(check_bytes(ctx, h, e, dtype->bits));
   set->n_entries++;
   return PARE_OK;
}

static pare_status check_metadata(pare_ctx *ctx, const header *h, const pare_json *metadata)
{
   if (!pare_json_is_object(metadata))
      return pare_fail(ctx, PARE_INPUT, h->path, "\"__metadata__\" is not an object");
   for (const pare_json *item = pare_json_first(metadata); item; item = pare_json_next(item))
      if (!pare_json_is_string(item))
         return pare_fail(ctx, PARE_INPUT, h->path, "\"__metadata__\": \"%s\" is not a string",
                          pare_json_name(item));
   return PARE_OK;
}

static int by_offset(const void *a, const void *b)
{
   const pare_safetensors_entry *x = a, *y = b;
   if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
   return (x->size > y->size) - (x->size < y->size);
}

/* Tensors of one file must follow one another and fill the data area. */
static pare_status check_layout(pare_ctx *ctx, const header *h)
{
   size_t count = h->set->n_entries - h->first;
   uint64_t at = h->data_at, end = h->data_at + h->data_size;
   pare_safetensors_entry *entries = count ? h->set->entries + h->first : NULL;
   if (count) qsort(entries, count, sizeof *entries, by_offset);
   for (size_t i = 0; i < count; at = entries[i].offset + entries[i].size, i++)
      if (entries[i].offset != at)
         return pare_fail(ctx, PARE_INPUT, h->path,
                          "tensor \"%s\" starts at byte %" PRIu64 ", expected %" PRIu64, entries[i].name,
                          entries[i].offset, at);
   if (at == end) return PARE_OK;
   return pare_fail(ctx, PARE_INPUT, h->path, "%" PRIu64 " bytes after the last tensor", end - at);
}

static pare_status read_entries(pare_ctx *ctx, header *h, const pare_json *root)
{
   if (!pare_json_is_object(root))
      return pare_fail(ctx, PARE_INPUT, h->path, "the header is not a JSON object");
   for (const pare_json *item = pare_json_first(root); item; item = pare_json_next(item)) {
      bool metadata = strcmp(pare_json_name(item), "__metadata__") == 0;
      PARE_TRY(metadata ? check_metadata(ctx, h, item) : read_entry(ctx, h, item));
   }
   return check_layout(ctx, h);
}

static pare_status read_header(pare_ctx *ctx, header *h, const pare_buffer *bytes)
{
   size_t file_size = pare_buffer_size(bytes);
   pare_cursor cursor = pare_cursor_on(pare_buffer_data(bytes), file_size);
   uint64_t size = pare_cursor_u64(&cursor);
   if (cursor.bad)
      return pare_fail(ctx, PARE_INPUT, h->path, "truncated: %zu bytes, expected at least 8", file_size);
   if (size > PARE_SAFETENSORS_MAX_HEADER)
      return pare_fail(ctx, PARE_INPUT, h->path,
                       "not a safetensors file: a header of %" PRIu64 " bytes, limit %d", size,
                       PARE_SAFETENSORS_MAX_HEADER);
   const uint8_t *text = pare_cursor_take(&cursor, (size_t)size);
   if (!text)
      return pare_fail(ctx, PARE_INPUT, h->path,
                       "truncated: the header ends at byte %" PRIu64 ", the file has %zu", size + SIZE_BYTES,
                       file_size);
   h->data_at = SIZE_BYTES + size;
   h->data_size = file_size - h->data_at;
   if (size == 0 || text[0] != '{')
      return pare_fail(ctx, PARE_INPUT, h->path, "the header is not a JSON object");
   pare_json *root;
   PARE_TRY(pare_json_parse(ctx, (const char *)text, (size_t)size, h->path, &root));
   pare_status status = read_entries(ctx, h, root);
   pare_json_free(root);
   return status == PARE_OK ? pare_check_stop(ctx) : status;
}

pare_status pare_safetensors_create(pare_ctx *ctx, pare_safetensors **out)
{
   pare_safetensors *set = pare_alloc(ctx, sizeof *set);
   if (!set) return PARE_RESOURCE;
   set->arena = pare_arena_create(ctx);
   if (!set->arena) {
      pare_free(ctx, set);
      return PARE_RESOURCE;
   }
   *out = set;
   return PARE_OK;
}

void pare_safetensors_close(pare_ctx *ctx, pare_safetensors *set)
{
   if (!set) return;
   for (size_t i = 0; i < set->n_files; i++) pare_buffer_unref(ctx, set->files[i].bytes);
   pare_free(ctx, set->files);
   pare_free(ctx, set->entries);
   pare_arena_destroy(ctx, set->arena);
   pare_free(ctx, set);
}

pare_status pare_safetensors_add(pare_ctx *ctx, pare_safetensors *set, pare_buffer *bytes, const char *name,
                                 const char *path)
{
   void *files = set->files;
   PARE_TRY(pare_grow(ctx, &files, &set->files_capacity, set->n_files + 1, sizeof *set->files));
   set->files = files;
   pare_safetensors_file file = { .name = pare_arena_strdup(ctx, set->arena, name) };
   file.path = file.name ? pare_arena_strdup(ctx, set->arena, path) : NULL;
   if (!file.path) return PARE_RESOURCE;
   file.bytes = pare_buffer_ref(bytes);
   set->files[set->n_files++] = file;
   header h = { .set = set, .file = set->n_files - 1, .path = file.path, .first = set->n_entries };
   return read_header(ctx, &h, bytes);
}

static int by_name(const void *a, const void *b)
{
   return strcmp(((const pare_safetensors_entry *)a)->name, ((const pare_safetensors_entry *)b)->name);
}

pare_status pare_safetensors_sort(pare_ctx *ctx, pare_safetensors *set)
{
   if (set->n_entries) qsort(set->entries, set->n_entries, sizeof *set->entries, by_name);
   for (size_t i = 1; i < set->n_entries; i++)
      if (strcmp(set->entries[i - 1].name, set->entries[i].name) == 0)
         return pare_fail(ctx, PARE_INPUT, set->files[set->entries[i].file].path,
                          "tensor \"%s\" occurs twice", set->entries[i].name);
   return PARE_OK;
}

static const char *last_part(const char *path)
{
   const char *slash = strrchr(path, '/');
   return slash ? slash + 1 : path;
}

pare_status pare_safetensors_open_buffer(pare_ctx *ctx, pare_buffer *bytes, const char *name,
                                         pare_safetensors **out)
{
   pare_safetensors *set;
   PARE_TRY(pare_safetensors_create(ctx, &set));
   pare_status status = pare_safetensors_add(ctx, set, bytes, last_part(name), name);
   if (status == PARE_OK) status = pare_safetensors_sort(ctx, set);
   if (status == PARE_OK) *out = set;
   else pare_safetensors_close(ctx, set);
   return status;
}

pare_status pare_safetensors_open(pare_ctx *ctx, const char *path, pare_safetensors **out)
{
   pare_buffer *bytes;
   PARE_TRY(pare_buffer_map(ctx, path, &bytes));
   pare_status status = pare_safetensors_open_buffer(ctx, bytes, path, out);
   pare_buffer_unref(ctx, bytes);
   return status;
}

pare_safetensors_entry *pare_safetensors_find(const pare_safetensors *set, const char *name)
{
   pare_safetensors_entry key = { .name = name };
   return set->n_entries ? bsearch(&key, set->entries, set->n_entries, sizeof key, by_name) : NULL;
}

pare_status pare_safetensors_view(pare_ctx *ctx, const pare_safetensors *set,
                                  const pare_safetensors_entry *entry, pare_buffer **out)
{
   return pare_buffer_view(ctx, set->files[entry->file].bytes, (size_t)entry->offset, (size_t)entry->size,
                           out);
}

static bool is_expected(const char *name, const char *const *expected)
{
   size_t size = strlen(name);
   for (; expected && *expected; expected++) {
      size_t tail = strlen(*expected);
      if (size >= tail && strcmp(name + size - tail, *expected) == 0) return true;
   }
   return false;
}

void pare_safetensors_warn_unused(pare_ctx *ctx, const pare_safetensors *set, const char *const *expected)
{
   const pare_safetensors_entry *first = NULL;
   size_t count = 0;
   for (size_t i = 0; i < set->n_entries; i++) {
      if (set->entries[i].used || is_expected(set->entries[i].name, expected)) continue;
      if (count++ == 0) first = &set->entries[i];
   }
   if (count == 0) return;
   pare_log(ctx, PARE_WARNING, "unused_tensors", set->files[first->file].path,
            "%zu tensor%s not used by the architecture, first \"%s\"", count, count == 1 ? " is" : "s are",
            first->name);
}
