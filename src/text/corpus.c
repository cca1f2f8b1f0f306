/* corpus: see corpus.h. */
#include "text/corpus.h"

#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"

const char *const pare_corpus_formats[] = { "auto", "text", "lines", "ids", "u16", "u32", NULL };

static const size_t LARGEST_FILE = (size_t)1 << 36;

typedef struct reader {
   pare_ctx *ctx;
   const char *path;
   const pare_tokenizer *tokenizer;
   int64_t vocab_size;
   pare_corpus *out;
} reader;

pare_corpus_format pare_corpus_resolve(pare_corpus_format format, const char *path)
{
   if (format != PARE_CORPUS_AUTO) return format;
   if (pare_ends_with(path, ".u16")) return PARE_CORPUS_U16;
   if (pare_ends_with(path, ".u32")) return PARE_CORPUS_U32;
   if (pare_ends_with(path, ".ids.txt") || pare_ends_with(path, ".ids")) return PARE_CORPUS_IDS;
   return PARE_CORPUS_TEXT;
}

/* Ends the document under way; one without ids does not count. */
static pare_status end_document(pare_ctx *ctx, pare_corpus *c)
{
   size_t from = c->documents ? c->starts[c->documents] : 0;
   if (c->ids.size == from) return PARE_OK;
   PARE_TRY(pare_grow(ctx, (void **)&c->starts, &c->starts_capacity, c->documents + 2, sizeof *c->starts));
   c->starts[0] = 0;
   c->starts[++c->documents] = c->ids.size;
   return PARE_OK;
}

static bool too_large(const reader *r, uint64_t id)
{
   return id > UINT32_MAX || (r->vocab_size > 0 && id >= (uint64_t)r->vocab_size);
}

static pare_status bad_id(const reader *r, uint64_t id, const char *unit, size_t line, size_t place)
{
   long long limit = r->vocab_size > 0 ? (long long)r->vocab_size : 1LL << 32;
   if (line)
      return pare_fail(r->ctx, PARE_INPUT, r->path, "line %zu, %s %zu: id %llu, expected less than %lld",
                       line, unit, place, (unsigned long long)id, limit);
   return pare_fail(r->ctx, PARE_INPUT, r->path, "%s %zu: id %llu, expected less than %lld", unit, place,
                    (unsigned long long)id, limit);
}

/* ---- text ---- */

static pare_status read_text(reader *r, const char *text, size_t size, size_t line)
{
   size_t from = r->out->ids.size;
   PARE_TRY(pare_tokenizer_encode(r->ctx, r->tokenizer, text, size, false, &r->out->ids));
   r->out->text_bytes += size;
   for (size_t i = from; i < r->out->ids.size; i++)
      if (too_large(r, r->out->ids.data[i]))
         return bad_id(r, r->out->ids.data[i], "token", line, i - from + 1);
   return end_document(r->ctx, r->out);
}

static pare_status read_id_line(reader *r, const char *text, size_t size, size_t line)
{
   PARE_TRY(pare_ids_parse(r->ctx, text, size, r->path, line, r->vocab_size, &r->out->ids));
   return end_document(r->ctx, r->out);
}

static pare_status read_lines(reader *r, const char *text, size_t size,
                              pare_status (*read_line)(reader *r, const char *text, size_t size, size_t line))
{
   size_t line = 0;
   for (size_t at = 0, next; at < size; at = next) {
      const char *feed = memchr(text + at, '\n', size - at);
      size_t end = feed ? (size_t)(feed - text) : size;
      next = end + 1;
      if (end > at && text[end - 1] == '\r') end--;
      if (++line % 1024 == 0) PARE_TRY(pare_check_stop(r->ctx));
      if (end > at) PARE_TRY(read_line(r, text + at, end - at, line));
   }
   return PARE_OK;
}

/* ---- raw ids ---- */

static pare_status read_raw(reader *r, const char *bytes, size_t size, size_t width)
{
   if (size % width)
      return pare_fail(r->ctx, PARE_INPUT, r->path, "%zu bytes, expected a multiple of %zu", size, width);
   pare_cursor cursor = pare_cursor_on(bytes, size);
   for (size_t i = 0; i < size / width; i++) {
      uint64_t id = pare_cursor_uint(&cursor, width);
      if (i % 65536 == 0) PARE_TRY(pare_check_stop(r->ctx));
      if (too_large(r, id)) return bad_id(r, id, "position", 0, i);
      PARE_TRY(pare_ids_push(r->ctx, &r->out->ids, (uint32_t)id));
   }
   return end_document(r->ctx, r->out);
}

static pare_status read_file(reader *r, const pare_buffer *file, pare_corpus_format format)
{
   const char *bytes = (const char *)pare_buffer_data(file);
   size_t size = pare_buffer_size(file);
   pare_sha256_of(bytes, size, r->out->sha256);
   if (format == PARE_CORPUS_IDS) return read_lines(r, bytes, size, read_id_line);
   if (format == PARE_CORPUS_U16) return read_raw(r, bytes, size, 2);
   if (format == PARE_CORPUS_U32) return read_raw(r, bytes, size, 4);
   if (!r->tokenizer)
      return pare_fail(r->ctx, PARE_INPUT, r->path, "this is text, and the model has no tokenizer");
   if (format == PARE_CORPUS_LINES) return read_lines(r, bytes, size, read_text);
   return read_text(r, bytes, size, 0);
}

pare_status pare_corpus_load(pare_ctx *ctx, const char *path, pare_corpus_format format,
                             const pare_tokenizer *tokenizer, int64_t vocab_size, pare_corpus *out)
{
   pare_buffer *file;
   format = pare_corpus_resolve(format, path);
   *out = (pare_corpus){ .path = path, .lines = format == PARE_CORPUS_LINES || format == PARE_CORPUS_IDS };
   reader r = { .ctx = ctx, .path = path, .tokenizer = tokenizer, .vocab_size = vocab_size, .out = out };
   PARE_TRY(pare_read_file(ctx, path, LARGEST_FILE, &file));
   pare_status status = read_file(&r, file, format);
   pare_buffer_unref(ctx, file);
   if (status == PARE_OK && !out->documents) status = pare_fail(ctx, PARE_INPUT, path, "no tokens");
   if (status != PARE_OK) pare_corpus_finish(ctx, out);
   return status;
}

pare_status pare_corpus_add(pare_ctx *ctx, pare_corpus *corpus, const uint32_t *ids, size_t count)
{
   for (size_t i = 0; i < count; i++) PARE_TRY(pare_ids_push(ctx, &corpus->ids, ids[i]));
   return end_document(ctx, corpus);
}

void pare_corpus_finish(pare_ctx *ctx, pare_corpus *corpus)
{
   pare_ids_finish(ctx, &corpus->ids);
   pare_free(ctx, corpus->starts);
   *corpus = (pare_corpus){ 0 };
}
