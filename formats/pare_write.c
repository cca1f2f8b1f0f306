/* pare_write: a model to an artifact.
 *
 * The header is written last, behind the sections, because only then their places and hashes are known; so
 * a pass's result can lie at its final place before anything else of the file is decided. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/deflate.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/pool.h"
#include "formats/pare.h"
#include "formats/pare_layout.h"

typedef struct section {
   const char *prefix, *name;
   const pare_buffer *bytes;
   uint64_t offset, stored;
   bool placed, deflated;
   char sha256[PARE_SHA256_HEX];
} section;

typedef struct writer {
   const pare_model *model;
   const pare_artifact_options *options;
   pare_outfile *file;
   section *sections;
   size_t n_sections;
} writer;

pare_status pare_artifact_start(pare_ctx *ctx, const char *path, pare_outfile **file)
{
   uint8_t head[PARE_FILE_HEAD] = { 0 };
   memcpy(head, pare_head_magic, sizeof pare_head_magic);
   pare_put_uint(head + 8, PARE_FILE_VERSION, 4);
   PARE_TRY(pare_outfile_create(ctx, path, file));
   pare_status status = pare_outfile_write(ctx, *file, head, sizeof head);
   if (status == PARE_OK) return PARE_OK;
   pare_outfile_destroy(ctx, *file);
   *file = NULL;
   return status;
}

static pare_status list_sections(pare_ctx *ctx, writer *w)
{
   const pare_graph *graph = w->model->graph;
   w->sections = pare_alloc_array(ctx, graph->n_weights + 1, sizeof *w->sections);
   if (!w->sections) return PARE_RESOURCE;
   for (size_t i = 0; i < graph->n_weights; i++)
      w->sections[w->n_sections++] = (section){ .prefix = PARE_WEIGHT_PREFIX,
                                                .name = graph->weights[i]->name,
                                                .bytes = graph->weights[i]->data };
   if (w->model->tokenizer)
      w->sections[w->n_sections++] =
         (section){ .prefix = "", .name = PARE_TOKENIZER_SECTION, .bytes = w->model->tokenizer };
   return PARE_OK;
}

typedef struct hashing {
   pare_ctx *ctx;
   section *sections;
   atomic_uint_fast64_t done; /* bytes, of all workers */
   double total;
} hashing;

/* Worker 0 is the caller's own thread, so it may report; once work must end the rest is left undone. */
static void hash_section(void *arg, int64_t item, int worker)
{
   hashing *h = arg;
   section *s = &h->sections[item];
   pare_sha256 hash;
   pare_sha256_init(&hash);
   for (size_t at = 0, step, size = pare_buffer_size(s->bytes); at < size; at += step) {
      if (pare_stop_wanted(h->ctx)) return;
      step = size - at < PARE_SHA256_STEP ? size - at : PARE_SHA256_STEP;
      pare_sha256_update(&hash, pare_buffer_data(s->bytes) + at, step);
      uint64_t done = atomic_fetch_add(&h->done, step) + step;
      if (worker == 0) pare_report_progress(h->ctx, "hash", "bytes", (double)done, h->total);
   }
   pare_sha256_finish(&hash, s->sha256);
}

static pare_status hash_sections(pare_ctx *ctx, writer *w)
{
   hashing h = { .ctx = ctx, .sections = w->sections };
   for (size_t i = 0; i < w->n_sections; i++) h.total += (double)pare_buffer_size(w->sections[i].bytes);
   pare_pool_run(ctx, (int64_t)w->n_sections, hash_section, &h);
   return pare_check_stop(ctx);
}

/* Whether one of the first `count` sections lies there: two weights may share one result. */
static bool is_taken(const writer *w, size_t count, int64_t at)
{
   for (size_t i = 0; i < count; i++)
      if (w->sections[i].placed && w->sections[i].offset == (uint64_t)at) return true;
   return false;
}

/* Marks the sections that lie in the file; false when the file also holds reserved space that none of them
 * uses. */
static bool find_placed(writer *w)
{
   uint64_t used = 0;
   for (size_t i = 0; i < w->n_sections; i++) {
      section *s = &w->sections[i];
      int64_t at = w->options->deflate ? -1 : pare_outfile_find(w->file, s->bytes);
      s->placed = at >= 0 && !is_taken(w, i, at);
      if (!s->placed) continue;
      s->offset = (uint64_t)at;
      s->stored = pare_buffer_size(s->bytes);
      used += s->stored;
   }
   return used == pare_outfile_reserved(w->file);
}

static pare_status open_fresh(pare_ctx *ctx, writer *w, pare_outfile **file)
{
   pare_outfile *fresh;
   PARE_TRY(pare_artifact_start(ctx, pare_outfile_target(*file), &fresh));
   for (size_t i = 0; i < w->n_sections; i++) w->sections[i].placed = false;
   w->file = fresh;
   return PARE_OK;
}

static pare_status write_piece(pare_ctx *ctx, void *file, const void *bytes, size_t size)
{
   return pare_outfile_write(ctx, file, bytes, size);
}

/* Deflates to where the section will stay; where that saves nothing the place is cleared again. */
static pare_status write_deflated(pare_ctx *ctx, writer *w, section *s)
{
   size_t size = pare_buffer_size(s->bytes);
   PARE_TRY(pare_deflate_to(ctx, pare_buffer_data(s->bytes), size, write_piece, w->file));
   s->stored = pare_outfile_size(w->file) - s->offset;
   s->deflated = s->stored < size;
   return s->deflated ? PARE_OK : pare_outfile_cut(ctx, w->file, s->offset);
}

static pare_status write_section(pare_ctx *ctx, writer *w, section *s)
{
   PARE_TRY(pare_outfile_align(ctx, w->file, PARE_FILE_ALIGN));
   s->offset = pare_outfile_size(w->file);
   if (w->options->deflate || *s->prefix == 0) PARE_TRY(write_deflated(ctx, w, s));
   if (s->deflated) return PARE_OK;
   s->stored = pare_buffer_size(s->bytes);
   return pare_outfile_write(ctx, w->file, pare_buffer_data(s->bytes), s->stored);
}

static pare_status write_sections(pare_ctx *ctx, writer *w)
{
   for (size_t i = 0; i < w->n_sections; i++) {
      if (!w->sections[i].placed) PARE_TRY(write_section(ctx, w, &w->sections[i]));
      pare_report_progress(ctx, "write", "sections", (double)i + 1, (double)w->n_sections);
      PARE_TRY(pare_check_stop(ctx));
   }
   return PARE_OK;
}

static pare_status put_json_text(pare_ctx *ctx, pare_json_writer *json, const char *name, const char *text)
{
   pare_json *value;
   PARE_TRY(pare_json_parse(ctx, text, strlen(text), name, &value));
   pare_json_put_value(json, name, value);
   pare_json_free(value);
   return PARE_OK;
}

static void put_model(pare_json_writer *json, const pare_model *model)
{
   pare_json_put_string(json, "schema", PARE_FILE_SCHEMA);
   pare_json_put_string(json, "arch", model->arch);
   pare_json_put_int(json, "context", model->context);
   pare_json_put_int(json, "vocab", model->vocab);
   pare_json_put_int(json, "bos", model->bos);
   pare_json_put_bool(json, "add_bos", model->add_bos);
   pare_json_open_array(json, "end");
   for (size_t i = 0; i < model->n_end; i++) pare_json_put_int(json, NULL, model->end[i]);
   pare_json_close_array(json);
   pare_json_put_string(json, "licence", model->licence);
   pare_json_put_string(json, "base_model", model->base_model);
   pare_json_put_string(json, "config", model->config);
   pare_json_put_string(json, "generation_config", model->generation_config);
   pare_json_put_string(json, "chat_template", model->chat_template);
}

static void put_sections(pare_json_writer *json, const writer *w)
{
   pare_json_open_array(json, "sections");
   for (size_t i = 0; i < w->n_sections; i++) {
      const section *s = &w->sections[i];
      char name[1024];
      snprintf(name, sizeof name, "%s%s", s->prefix, s->name);
      pare_json_open_object(json, NULL);
      pare_json_put_string(json, "name", name);
      pare_json_put_int(json, "offset", (int64_t)s->offset);
      pare_json_put_int(json, "stored", (int64_t)s->stored);
      pare_json_put_int(json, "size", (int64_t)pare_buffer_size(s->bytes));
      pare_json_put_string(json, "encoding", s->deflated ? "deflate" : "raw");
      pare_json_put_string(json, "sha256", s->sha256);
      pare_json_close_object(json);
   }
   pare_json_close_array(json);
}

static pare_status make_header(pare_ctx *ctx, const writer *w, pare_str *out)
{
   pare_str graph = { 0 };
   pare_json_writer json;
   pare_json_begin(&json, ctx, out, false);
   pare_json_open_object(&json, NULL);
   put_model(&json, w->model);
   pare_status status = pare_graph_print(ctx, w->model->graph, &graph);
   if (status == PARE_OK) pare_json_put_string(&json, "graph", graph.data);
   if (status == PARE_OK && w->options->provenance)
      status = put_json_text(ctx, &json, "provenance", w->options->provenance);
   put_sections(&json, w);
   pare_json_close_object(&json);
   pare_str_finish(ctx, &graph);
   return status != PARE_OK ? status : json.status;
}

static pare_status write_foot(pare_ctx *ctx, pare_outfile *file, uint64_t offset, const pare_str *stored,
                              size_t size)
{
   uint8_t foot[PARE_FILE_FOOT];
   pare_put_uint(foot, offset, 8);
   pare_put_uint(foot + 8, stored->size, 8);
   pare_put_uint(foot + 16, size, 8);
   pare_sha256_raw(stored->data, stored->size, foot + 24);
   memcpy(foot + 56, pare_foot_magic, sizeof pare_foot_magic);
   return pare_outfile_write(ctx, file, foot, sizeof foot);
}

static pare_status write_header(pare_ctx *ctx, const writer *w)
{
   pare_str header = { 0 }, stored = { 0 };
   pare_status status = make_header(ctx, w, &header);
   if (status == PARE_OK) status = pare_deflate(ctx, header.data, header.size, &stored);
   if (status == PARE_OK) status = pare_outfile_align(ctx, w->file, PARE_FILE_ALIGN);
   uint64_t offset = pare_outfile_size(w->file);
   if (status == PARE_OK) status = pare_outfile_write(ctx, w->file, stored.data, stored.size);
   if (status == PARE_OK) status = write_foot(ctx, w->file, offset, &stored, header.size);
   pare_str_finish(ctx, &header);
   pare_str_finish(ctx, &stored);
   return status;
}

pare_status pare_artifact_finish(pare_ctx *ctx, const pare_model *model, const pare_artifact_options *options,
                                 pare_outfile **file)
{
   writer w = { .model = model, .options = options, .file = *file };
   pare_status status = list_sections(ctx, &w);
   if (status == PARE_OK && !find_placed(&w)) status = open_fresh(ctx, &w, file);
   if (status == PARE_OK) {
      pare_outfile_sync_ahead(w.file);
      status = hash_sections(ctx, &w);
   }
   if (status == PARE_OK) status = write_sections(ctx, &w);
   if (status == PARE_OK) status = write_header(ctx, &w);
   pare_free(ctx, w.sections);
   /* Of a fresh file and the one with holes, the better one survives. */
   if (w.file != *file) {
      pare_outfile_destroy(ctx, status == PARE_OK ? *file : w.file);
      if (status == PARE_OK) *file = w.file;
   }
   return status;
}
