/* pare_read: an artifact to a model. Nothing in the file is trusted: the header is found by the footer and
 * checked by its hash, every section's place and size is checked against the file, and the graph's own
 * checks do the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/deflate.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/name_index.h"
#include "base/pool.h"
#include "formats/format.h"
#include "formats/pare.h"
#include "formats/pare_layout.h"

typedef struct section {
   const char *name;
   uint64_t offset, stored, size;
   bool deflated;
   const char *sha256;
   pare_buffer *bytes; /* a view of the file or inflated; one reference */
   bool failed;
} section;

typedef struct reader {
   pare_ctx *ctx;
   const char *path;
   pare_buffer *file;
   uint64_t header_at;
   pare_json *header;
   section *sections;
   size_t n_sections;
   pare_name_index names;
} reader;

static pare_status damaged(pare_ctx *ctx, const reader *r, const char *what)
{
   pare_fail(ctx, PARE_INPUT, r->path, "damaged artifact: %s", what);
   pare_hint(ctx, "copy or make the file again");
   return PARE_INPUT;
}

/* ---- header ---- */

static pare_status check_head(pare_ctx *ctx, const reader *r)
{
   size_t size = pare_buffer_size(r->file);
   if (size < sizeof pare_head_magic ||
       memcmp(pare_buffer_data(r->file), pare_head_magic, sizeof pare_head_magic) != 0)
      return pare_fail(ctx, PARE_INPUT, r->path, "not a .pare artifact");
   if (size < PARE_FILE_HEAD + PARE_FILE_FOOT) return damaged(ctx, r, "truncated");
   pare_cursor head = pare_cursor_on(pare_buffer_data(r->file) + 8, PARE_FILE_HEAD - 8);
   uint32_t version = pare_cursor_u32(&head);
   if (version != PARE_FILE_VERSION)
      return pare_fail(ctx, PARE_UNSUPPORTED, r->path, "artifact version %u, this pare reads version %d",
                       version, PARE_FILE_VERSION);
   while (pare_cursor_left(&head))
      if (pare_cursor_u8(&head)) return damaged(ctx, r, "bytes 12 to 63 must be zero");
   return PARE_OK;
}

static pare_status inflate_header(pare_ctx *ctx, reader *r, const uint8_t *stored, uint64_t stored_size,
                                  uint64_t size)
{
   if (size > stored_size * PARE_INFLATE_RATIO + 64) return damaged(ctx, r, "header size out of proportion");
   char *text = pare_alloc(ctx, size + 1);
   if (!text) return PARE_RESOURCE;
   pare_status status = pare_inflate(ctx, stored, stored_size, r->path, text, size);
   if (status == PARE_OK) status = pare_json_parse(ctx, text, size, r->path, &r->header);
   pare_free(ctx, text);
   return status;
}

static pare_status read_header(pare_ctx *ctx, reader *r)
{
   const uint8_t *data = pare_buffer_data(r->file);
   size_t size = pare_buffer_size(r->file), foot_at = size - PARE_FILE_FOOT;
   pare_cursor foot = pare_cursor_on(data + foot_at, PARE_FILE_FOOT);
   r->header_at = pare_cursor_u64(&foot);
   uint64_t stored_size = pare_cursor_u64(&foot), header_size = pare_cursor_u64(&foot);
   const uint8_t *digest = pare_cursor_take(&foot, PARE_SHA256_RAW);
   if (memcmp(pare_cursor_take(&foot, 8), pare_foot_magic, 8) != 0)
      return damaged(ctx, r, "truncated, or the footer is not at the end");
   if (r->header_at < PARE_FILE_HEAD || r->header_at % PARE_FILE_ALIGN || r->header_at > foot_at ||
       stored_size != foot_at - r->header_at)
      return damaged(ctx, r, "the footer points outside the file");
   uint8_t found[PARE_SHA256_RAW];
   pare_sha256_raw(data + r->header_at, stored_size, found);
   if (memcmp(found, digest, sizeof found) != 0) return damaged(ctx, r, "the header does not match its hash");
   PARE_TRY(inflate_header(ctx, r, data + r->header_at, stored_size, header_size));
   const char *schema = pare_json_string(pare_json_get(r->header, "schema"));
   if (!schema || strcmp(schema, PARE_FILE_SCHEMA) != 0)
      return damaged(ctx, r, "schema is not " PARE_FILE_SCHEMA);
   return PARE_OK;
}

/* ---- sections ---- */

static pare_status read_section(pare_ctx *ctx, const reader *r, const pare_json *v, section *s)
{
   int64_t offset, stored, size, limit = (int64_t)r->header_at;
   s->name = pare_json_string(pare_json_get(v, "name"));
   s->sha256 = pare_json_string(pare_json_get(v, "sha256"));
   const char *encoding = pare_json_string(pare_json_get(v, "encoding"));
   if (!s->name || !s->sha256 || !encoding ||
       !pare_json_int(pare_json_get(v, "offset"), PARE_FILE_HEAD, limit, &offset) ||
       !pare_json_int(pare_json_get(v, "stored"), 0, limit - offset, &stored) ||
       !pare_json_int(pare_json_get(v, "size"), 0, INT64_MAX, &size) || offset % PARE_FILE_ALIGN)
      return damaged(ctx, r, "a section lies outside the file");
   s->deflated = strcmp(encoding, "deflate") == 0;
   if (!s->deflated && strcmp(encoding, "raw") != 0)
      return pare_fail(ctx, PARE_UNSUPPORTED, r->path, "section %s has unknown encoding \"%s\"", s->name,
                       encoding);
   if (s->deflated ? size > stored * PARE_INFLATE_RATIO + 64 : size != stored)
      return damaged(ctx, r, "a section's size does not match its stored size");
   s->offset = (uint64_t)offset;
   s->stored = (uint64_t)stored;
   s->size = (uint64_t)size;
   return PARE_OK;
}

static int by_offset(const void *a, const void *b)
{
   const section *x = a, *y = b;
   if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
   return x->stored < y->stored ? -1 : x->stored > y->stored;
}

static pare_status read_sections(pare_ctx *ctx, reader *r)
{
   const pare_json *list = pare_json_get(r->header, "sections");
   size_t count = pare_json_count(list);
   if (!pare_json_is_array(list) || count > PARE_FILE_MAX_SECTIONS)
      return damaged(ctx, r, "no list of sections");
   r->sections = pare_alloc_array(ctx, count, sizeof *r->sections);
   if (!r->sections) return PARE_RESOURCE;
   for (const pare_json *v = pare_json_first(list); v; v = pare_json_next(v))
      PARE_TRY(read_section(ctx, r, v, &r->sections[r->n_sections++]));
   qsort(r->sections, count, sizeof *r->sections, by_offset);
   for (size_t i = 1; i < count; i++)
      if (r->sections[i].offset < r->sections[i - 1].offset + r->sections[i - 1].stored)
         return damaged(ctx, r, "sections overlap");
   for (size_t i = 0; i < count; i++) {
      section *s = &r->sections[i];
      if (pare_name_index_find(&r->names, s->name)) return damaged(ctx, r, "two sections have one name");
      PARE_TRY(pare_name_index_add(ctx, &r->names, s->name, s));
   }
   return PARE_OK;
}

static pare_status inflate_into(pare_ctx *ctx, const reader *r, const section *s)
{
   return pare_inflate(ctx, pare_buffer_data(r->file) + s->offset, s->stored, r->path,
                       pare_buffer_edit(s->bytes), s->size);
}

/* A worker may not fail into the shared context: it uses a copy, and who fails is asked again afterwards. */
static void inflate_section(void *arg, int64_t item, int worker)
{
   (void)worker;
   const reader *r = arg;
   section *s = &r->sections[item];
   pare_ctx own = *r->ctx;
   s->failed = s->deflated && inflate_into(&own, r, s) != PARE_OK;
}

static pare_status attach_bytes(pare_ctx *ctx, reader *r)
{
   for (size_t i = 0; i < r->n_sections; i++) {
      section *s = &r->sections[i];
      if (s->deflated) PARE_TRY(pare_buffer_create(ctx, s->size, &s->bytes));
      else PARE_TRY(pare_buffer_view(ctx, r->file, s->offset, s->size, &s->bytes));
   }
   pare_pool_run(ctx, (int64_t)r->n_sections, inflate_section, r);
   for (size_t i = 0; i < r->n_sections; i++)
      if (r->sections[i].failed) PARE_TRY(inflate_into(ctx, r, &r->sections[i]));
   return PARE_OK;
}

static pare_status open_reader(pare_ctx *ctx, const char *path, reader *r)
{
   *r = (reader){ .ctx = ctx, .path = path };
   PARE_TRY(pare_buffer_map(ctx, path, &r->file));
   PARE_TRY(check_head(ctx, r));
   PARE_TRY(read_header(ctx, r));
   return read_sections(ctx, r);
}

static void close_reader(pare_ctx *ctx, reader *r)
{
   for (size_t i = 0; i < r->n_sections; i++) pare_buffer_unref(ctx, r->sections[i].bytes);
   pare_free(ctx, r->sections);
   pare_name_index_finish(ctx, &r->names);
   pare_json_free(r->header);
   pare_buffer_unref(ctx, r->file);
}

/* ---- model ---- */

static pare_status attach_weight(pare_ctx *ctx, void *user, const char *name, int rank, const int64_t *dim,
                                 pare_encoding encoding, pare_buffer **out)
{
   (void)rank;
   (void)dim;
   (void)encoding;
   const reader *r = user;
   char section_name[1024];
   snprintf(section_name, sizeof section_name, "%s%s", PARE_WEIGHT_PREFIX, name);
   section *s = pare_name_index_find(&r->names, section_name);
   if (!s) return pare_fail(ctx, PARE_INPUT, r->path, "damaged artifact: no section %s", section_name);
   *out = pare_buffer_ref(s->bytes);
   return PARE_OK;
}

static pare_status read_graph(pare_ctx *ctx, reader *r, pare_model *model)
{
   const char *text = pare_json_string(pare_json_get(r->header, "graph"));
   if (!text) return damaged(ctx, r, "the header holds no graph");
   PARE_TRY(pare_graph_parse(ctx, text, strlen(text), r->path, attach_weight, r, &model->graph));
   return pare_graph_validate(ctx, model->graph, PARE_INPUT);
}

/* A text member of the header, copied; absent and null stay NULL. */
static pare_status copy_text(pare_ctx *ctx, const reader *r, pare_model *model, const char *key,
                             const char **out)
{
   const char *text;
   PARE_TRY(pare_json_read_string(ctx, r->header, key, r->path, NULL, &text));
   if (!text) return PARE_OK;
   *out = pare_arena_strdup(ctx, model->arena, text);
   return *out ? PARE_OK : PARE_RESOURCE;
}

static pare_status read_texts(pare_ctx *ctx, const reader *r, pare_model *model)
{
   PARE_TRY(copy_text(ctx, r, model, "arch", &model->arch));
   PARE_TRY(copy_text(ctx, r, model, "licence", &model->licence));
   PARE_TRY(copy_text(ctx, r, model, "base_model", &model->base_model));
   PARE_TRY(copy_text(ctx, r, model, "config", &model->config));
   PARE_TRY(copy_text(ctx, r, model, "generation_config", &model->generation_config));
   PARE_TRY(copy_text(ctx, r, model, "chat_template", &model->chat_template));
   const pare_json *provenance = pare_json_get(r->header, "provenance");
   if (!provenance) return PARE_OK;
   pare_str text = { 0 };
   pare_status status = pare_json_print(ctx, provenance, &text);
   if (status == PARE_OK) model->provenance = pare_arena_strdup(ctx, model->arena, text.data);
   pare_str_finish(ctx, &text);
   return status != PARE_OK ? status : model->provenance ? PARE_OK : PARE_RESOURCE;
}

static pare_status read_limits(pare_ctx *ctx, const reader *r, pare_model *model)
{
   PARE_TRY(pare_json_read_int(ctx, r->header, "context", r->path, 1, INT32_MAX, 0, &model->context));
   PARE_TRY(pare_json_read_int(ctx, r->header, "vocab", r->path, 1, INT32_MAX, 0, &model->vocab));
   PARE_TRY(pare_json_read_int(ctx, r->header, "bos", r->path, -1, INT32_MAX, -1, &model->bos));
   PARE_TRY(pare_json_read_bool(ctx, r->header, "add_bos", r->path, false, &model->add_bos));
   for (const pare_json *v = pare_json_first(pare_json_get(r->header, "end")); v; v = pare_json_next(v)) {
      if (model->n_end == PARE_MAX_END_TOKENS || !pare_json_int(v, 0, INT32_MAX, &model->end[model->n_end]))
         return damaged(ctx, r, "bad list of end tokens");
      model->n_end++;
   }
   return model->context && model->vocab ? PARE_OK : damaged(ctx, r, "context or vocabulary size is missing");
}

static pare_status read_model(pare_ctx *ctx, reader *r, pare_model *model)
{
   model->format = "pare";
   model->path = pare_arena_strdup(ctx, model->arena, r->path);
   if (!model->path) return PARE_RESOURCE;
   PARE_TRY(read_limits(ctx, r, model));
   PARE_TRY(read_texts(ctx, r, model));
   PARE_TRY(attach_bytes(ctx, r));
   PARE_TRY(read_graph(ctx, r, model));
   const section *tokenizer = pare_name_index_find(&r->names, PARE_TOKENIZER_SECTION);
   if (tokenizer) model->tokenizer = pare_buffer_ref(tokenizer->bytes);
   const char *slash = strrchr(model->path, '/');
   return pare_model_add_source(ctx, model, slash ? slash + 1 : model->path, pare_buffer_ref(r->file));
}

pare_status pare_artifact_load(pare_ctx *ctx, const char *path, pare_model **out)
{
   reader r;
   pare_model *model = NULL;
   pare_status status = open_reader(ctx, path, &r);
   if (status == PARE_OK) status = pare_model_create(ctx, &model);
   if (status == PARE_OK) status = read_model(ctx, &r, model);
   close_reader(ctx, &r);
   if (status != PARE_OK) {
      pare_model_destroy(ctx, model);
      return status;
   }
   *out = model;
   return PARE_OK;
}

static bool artifact_probe(const char *path)
{
   return pare_file_starts_with(path, pare_head_magic, sizeof pare_head_magic);
}

const pare_format pare_format_pare = { "pare", "an artifact made by pare compress", artifact_probe,
                                       pare_artifact_load };

/* ---- verify ---- */

pare_status pare_artifact_verify(pare_ctx *ctx, const char *path, uint64_t *bytes)
{
   reader r;
   pare_status status = open_reader(ctx, path, &r);
   if (status == PARE_OK) status = attach_bytes(ctx, &r);
   *bytes = 0;
   for (size_t i = 0; status == PARE_OK && i < r.n_sections; i++) {
      const section *s = &r.sections[i];
      char found[PARE_SHA256_HEX];
      pare_sha256_of(pare_buffer_data(s->bytes), s->size, found);
      status = pare_check_stop(ctx);
      if (status == PARE_OK && strcmp(found, s->sha256) != 0)
         status =
            pare_fail(ctx, PARE_DIFFERS, path, "section %s: its bytes do not match their hash", s->name);
      *bytes += s->size;
      pare_report_progress(ctx, "verify", "sections", (double)i + 1, (double)r.n_sections);
   }
   close_reader(ctx, &r);
   return status;
}
