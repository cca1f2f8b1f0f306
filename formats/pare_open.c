/* pare_open: see pare_open.h. Nothing in the file is trusted: the header is found by the foot and checked by
 * its hash, and every byte of the file belongs to head, one section, header, foot or a gap of zeros. */
#include "formats/pare_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/deflate.h"
#include "base/hash.h"
#include "formats/pare_layout.h"

pare_status pare_damaged(pare_ctx *ctx, const pare_container *c, const char *what)
{
   pare_fail(ctx, PARE_INPUT, c->path, "damaged artifact: %s", what);
   pare_hint(ctx, "copy or make the file again");
   return PARE_INPUT;
}

/* ---- header ---- */

static pare_status check_head(pare_ctx *ctx, const pare_container *c)
{
   size_t size = pare_buffer_size(c->file);
   if (size < sizeof pare_head_magic ||
       memcmp(pare_buffer_data(c->file), pare_head_magic, sizeof pare_head_magic) != 0)
      return pare_fail(ctx, PARE_INPUT, c->path, "not a .pare artifact");
   if (size < PARE_FILE_HEAD + PARE_FILE_FOOT) return pare_damaged(ctx, c, "truncated");
   pare_cursor head = pare_cursor_on(pare_buffer_data(c->file) + 8, PARE_FILE_HEAD - 8);
   uint32_t version = pare_cursor_u32(&head);
   if (version != PARE_FILE_VERSION)
      return pare_fail(ctx, PARE_UNSUPPORTED, c->path, "artifact version %u, this pare reads version %d",
                       version, PARE_FILE_VERSION);
   while (pare_cursor_left(&head))
      if (pare_cursor_u8(&head)) return pare_damaged(ctx, c, "bytes 12 to 63 must be zero");
   return PARE_OK;
}

static pare_status inflate_header(pare_ctx *ctx, pare_container *c, const uint8_t *stored,
                                  uint64_t stored_size, uint64_t size)
{
   if (size > stored_size * PARE_INFLATE_RATIO + 64)
      return pare_damaged(ctx, c, "header size out of proportion");
   char *text = pare_alloc(ctx, size + 1);
   if (!text) return PARE_RESOURCE;
   pare_status status = pare_inflate(ctx, stored, stored_size, c->path, text, size);
   if (status == PARE_OK) status = pare_json_parse(ctx, text, size, c->path, &c->header);
   pare_free(ctx, text);
   return status;
}

/* Two readers could take different ones of two members with one name. */
static pare_status check_unique(pare_ctx *ctx, const pare_container *c, const pare_json *object)
{
   pare_name_index names = { 0 };
   pare_status status = PARE_OK;
   for (const pare_json *v = pare_json_first(object); v && status == PARE_OK; v = pare_json_next(v)) {
      if (pare_name_index_find(&names, pare_json_name(v)))
         status = pare_damaged(ctx, c, "a member of the header stands twice");
      else status = pare_name_index_add(ctx, &names, pare_json_name(v), (void *)v);
   }
   pare_name_index_finish(ctx, &names);
   return status;
}

static pare_status read_header(pare_ctx *ctx, pare_container *c)
{
   const uint8_t *data = pare_buffer_data(c->file);
   size_t size = pare_buffer_size(c->file), foot_at = size - PARE_FILE_FOOT;
   pare_cursor foot = pare_cursor_on(data + foot_at, PARE_FILE_FOOT);
   c->header_at = pare_cursor_u64(&foot);
   uint64_t stored_size = pare_cursor_u64(&foot), header_size = pare_cursor_u64(&foot);
   const uint8_t *digest = pare_cursor_take(&foot, PARE_SHA256_RAW);
   if (memcmp(pare_cursor_take(&foot, 8), pare_foot_magic, 8) != 0)
      return pare_damaged(ctx, c, "truncated, or the footer is not at the end");
   if (c->header_at < PARE_FILE_HEAD || c->header_at % PARE_FILE_ALIGN || c->header_at > foot_at ||
       stored_size != foot_at - c->header_at)
      return pare_damaged(ctx, c, "the footer points outside the file");
   uint8_t found[PARE_SHA256_RAW];
   pare_sha256_raw(data + c->header_at, stored_size, found);
   if (memcmp(found, digest, sizeof found) != 0)
      return pare_damaged(ctx, c, "the header does not match its hash");
   PARE_TRY(inflate_header(ctx, c, data + c->header_at, stored_size, header_size));
   if (pare_json_is_object(c->header)) PARE_TRY(check_unique(ctx, c, c->header));
   const char *schema = pare_json_string(pare_json_get(c->header, "schema"));
   if (!schema || strcmp(schema, PARE_FILE_SCHEMA) != 0)
      return pare_damaged(ctx, c, "schema is not " PARE_FILE_SCHEMA);
   return PARE_OK;
}

/* ---- sections ---- */

static pare_status read_section(pare_ctx *ctx, const pare_container *c, const pare_json *v, pare_section *s)
{
   int64_t offset, stored, size, limit = (int64_t)c->header_at;
   if (!pare_json_is_object(v)) return pare_damaged(ctx, c, "a section is not an object");
   PARE_TRY(check_unique(ctx, c, v));
   s->name = pare_json_string(pare_json_get(v, "name"));
   s->sha256 = pare_json_string(pare_json_get(v, "sha256"));
   const char *encoding = pare_json_string(pare_json_get(v, "encoding"));
   if (!s->name || !s->sha256 || !encoding ||
       !pare_json_int(pare_json_get(v, "offset"), PARE_FILE_HEAD, limit, &offset) ||
       !pare_json_int(pare_json_get(v, "stored"), 0, limit - offset, &stored) ||
       !pare_json_int(pare_json_get(v, "size"), 0, INT64_MAX, &size) || offset % PARE_FILE_ALIGN)
      return pare_damaged(ctx, c, "a section lies outside the file");
   s->deflated = strcmp(encoding, "deflate") == 0;
   if (!s->deflated && strcmp(encoding, "raw") != 0)
      return pare_fail(ctx, PARE_UNSUPPORTED, c->path, "section %s has unknown encoding \"%s\"", s->name,
                       encoding);
   if (s->deflated ? size > stored * PARE_INFLATE_RATIO + 64 : size != stored)
      return pare_damaged(ctx, c, "a section's size does not match its stored size");
   s->offset = (uint64_t)offset;
   s->stored = (uint64_t)stored;
   s->size = (uint64_t)size;
   return PARE_OK;
}

static int by_offset(const void *a, const void *b)
{
   const pare_section *x = a, *y = b;
   if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
   return x->stored < y->stored ? -1 : x->stored > y->stored;
}

static pare_status list_sections(pare_ctx *ctx, pare_container *c)
{
   const pare_json *list = pare_json_get(c->header, "sections");
   size_t count = pare_json_count(list);
   if (!pare_json_is_array(list) || count > PARE_FILE_MAX_SECTIONS)
      return pare_damaged(ctx, c, "no list of sections");
   c->sections = pare_alloc_array(ctx, count, sizeof *c->sections);
   if (!c->sections) return PARE_RESOURCE;
   for (const pare_json *v = pare_json_first(list); v; v = pare_json_next(v))
      PARE_TRY(read_section(ctx, c, v, &c->sections[c->n_sections++]));
   qsort(c->sections, count, sizeof *c->sections, by_offset);
   for (size_t i = 0; i < count; i++) {
      pare_section *s = &c->sections[i];
      if (pare_name_index_find(&c->names, s->name)) return pare_damaged(ctx, c, "two sections have one name");
      PARE_TRY(pare_name_index_add(ctx, &c->names, s->name, s));
   }
   return PARE_OK;
}

/* Bytes [from, to) lie between two parts. No hash covers them, so they are the zeros that align and nothing
 * else. */
static pare_status check_gap(pare_ctx *ctx, const pare_container *c, uint64_t from, uint64_t to)
{
   if (to < from) return pare_damaged(ctx, c, "sections overlap");
   if (to - from >= PARE_FILE_ALIGN) return pare_damaged(ctx, c, "bytes that belong to no section");
   for (uint64_t at = from; at < to; at++)
      if (pare_buffer_data(c->file)[at]) return pare_damaged(ctx, c, "bytes between sections must be zero");
   return PARE_OK;
}

static pare_status check_gaps(pare_ctx *ctx, const pare_container *c)
{
   uint64_t end = PARE_FILE_HEAD;
   for (size_t i = 0; i < c->n_sections; i++) {
      PARE_TRY(check_gap(ctx, c, end, c->sections[i].offset));
      end = c->sections[i].offset + c->sections[i].stored;
   }
   return check_gap(ctx, c, end, c->header_at);
}

/* ---- opening and closing ---- */

pare_status pare_container_open(pare_ctx *ctx, const char *path, pare_container *c)
{
   *c = (pare_container){ .path = path };
   PARE_TRY(pare_buffer_map(ctx, path, &c->file));
   PARE_TRY(check_head(ctx, c));
   PARE_TRY(read_header(ctx, c));
   PARE_TRY(list_sections(ctx, c));
   return check_gaps(ctx, c);
}

void pare_container_close(pare_ctx *ctx, pare_container *c)
{
   for (size_t i = 0; i < c->n_sections; i++) pare_buffer_unref(ctx, c->sections[i].bytes);
   pare_free(ctx, c->sections);
   pare_name_index_finish(ctx, &c->names);
   pare_json_free(c->header);
   pare_buffer_unref(ctx, c->file);
}

pare_section *pare_container_find(const pare_container *c, const char *name)
{
   return pare_name_index_find(&c->names, name);
}

/* ---- contents ---- */

pare_status pare_section_place(pare_ctx *ctx, const pare_container *c, pare_section *s)
{
   if (s->deflated) return pare_buffer_create(ctx, s->size, &s->bytes);
   return pare_buffer_view(ctx, c->file, s->offset, s->size, &s->bytes);
}

pare_status pare_section_inflate(pare_ctx *ctx, const pare_container *c, pare_section *s)
{
   if (!s->deflated) return PARE_OK;
   return pare_inflate(ctx, pare_buffer_data(c->file) + s->offset, s->stored, c->path,
                       pare_buffer_edit(s->bytes), s->size);
}
