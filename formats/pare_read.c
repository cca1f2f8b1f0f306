/* pare_read: an artifact to a model, and the check of an artifact's hashes. The container is pare_open's, the
 * graph is checked by its own rules; what is left here is that the two fit each other. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/pool.h"
#include "formats/format.h"
#include "formats/pare.h"
#include "formats/pare_layout.h"
#include "formats/pare_open.h"

/* ---- contents of the sections ---- */

typedef struct inflating {
   const pare_ctx *ctx;
   pare_container *container;
} inflating;

/* A worker may not fail into the shared context: it uses a copy, and who fails is asked again afterwards. */
static void inflate_item(void *arg, int64_t item, int worker)
{
   (void)worker;
   const inflating *job = arg;
   pare_ctx own = *job->ctx;
   pare_section *s = &job->container->sections[item];
   s->failed = pare_section_inflate(&own, job->container, s) != PARE_OK;
}

static pare_status attach_bytes(pare_ctx *ctx, pare_container *c)
{
   inflating job = { ctx, c };
   for (size_t i = 0; i < c->n_sections; i++) PARE_TRY(pare_section_place(ctx, c, &c->sections[i]));
   pare_pool_run(ctx, (int64_t)c->n_sections, inflate_item, &job);
   for (size_t i = 0; i < c->n_sections; i++)
      if (c->sections[i].failed) PARE_TRY(pare_section_inflate(ctx, c, &c->sections[i]));
   return PARE_OK;
}

/* ---- model ---- */

static pare_status attach_weight(pare_ctx *ctx, void *user, const char *name, int rank, const int64_t *dim,
                                 pare_encoding encoding, pare_buffer **out)
{
   (void)rank;
   (void)dim;
   (void)encoding;
   const pare_container *c = user;
   char section_name[1024];
   snprintf(section_name, sizeof section_name, "%s%s", PARE_WEIGHT_PREFIX, name);
   pare_section *s = pare_container_find(c, section_name);
   if (!s) return pare_fail(ctx, PARE_INPUT, c->path, "damaged artifact: no section %s", section_name);
   *out = pare_buffer_ref(s->bytes);
   return PARE_OK;
}

static pare_status read_graph(pare_ctx *ctx, pare_container *c, pare_model *model)
{
   const char *text = pare_json_string(pare_json_get(c->header, "graph"));
   if (!text) return pare_damaged(ctx, c, "the header holds no graph");
   PARE_TRY(pare_graph_parse(ctx, text, strlen(text), c->path, attach_weight, c, &model->graph));
   return pare_graph_validate(ctx, model->graph, PARE_INPUT);
}

/* A text member of the header, copied; absent and null stay NULL. */
static pare_status copy_text(pare_ctx *ctx, const pare_container *c, pare_model *model, const char *key,
                             const char **out)
{
   const char *text;
   PARE_TRY(pare_json_read_string(ctx, c->header, key, c->path, NULL, &text));
   if (!text) return PARE_OK;
   *out = pare_arena_strdup(ctx, model->arena, text);
   return *out ? PARE_OK : PARE_RESOURCE;
}

static pare_status read_texts(pare_ctx *ctx, const pare_container *c, pare_model *model)
{
   PARE_TRY(copy_text(ctx, c, model, "arch", &model->arch));
   PARE_TRY(copy_text(ctx, c, model, "licence", &model->licence));
   PARE_TRY(copy_text(ctx, c, model, "base_model", &model->base_model));
   PARE_TRY(copy_text(ctx, c, model, "config", &model->config));
   PARE_TRY(copy_text(ctx, c, model, "generation_config", &model->generation_config));
   PARE_TRY(copy_text(ctx, c, model, "chat_template", &model->chat_template));
   const pare_json *provenance = pare_json_get(c->header, "provenance");
   if (!provenance) return PARE_OK;
   pare_str text = { 0 };
   pare_status status = pare_json_print(ctx, provenance, &text);
   if (status == PARE_OK) model->provenance = pare_arena_strdup(ctx, model->arena, text.data);
   pare_str_finish(ctx, &text);
   return status != PARE_OK ? status : model->provenance ? PARE_OK : PARE_RESOURCE;
}

static pare_status read_limits(pare_ctx *ctx, const pare_container *c, pare_model *model)
{
   PARE_TRY(pare_json_read_int(ctx, c->header, "context", c->path, 1, INT32_MAX, 0, &model->context));
   PARE_TRY(pare_json_read_int(ctx, c->header, "vocab", c->path, 1, INT32_MAX, 0, &model->vocab));
   PARE_TRY(pare_json_read_int(ctx, c->header, "bos", c->path, -1, INT32_MAX, -1, &model->bos));
   PARE_TRY(pare_json_read_bool(ctx, c->header, "add_bos", c->path, false, &model->add_bos));
   for (const pare_json *v = pare_json_first(pare_json_get(c->header, "end")); v; v = pare_json_next(v)) {
      if (model->n_end == PARE_MAX_END_TOKENS || !pare_json_int(v, 0, INT32_MAX, &model->end[model->n_end]))
         return pare_damaged(ctx, c, "bad list of end tokens");
      model->n_end++;
   }
   if (model->context && model->vocab) return PARE_OK;
   return pare_damaged(ctx, c, "context or vocabulary size is missing");
}

/* Who samples or scores reads logits by the header's vocabulary, so it must be the graph's. */
static pare_status check_vocab(pare_ctx *ctx, const pare_container *c, const pare_model *model)
{
   const pare_graph *graph = model->graph;
   pare_type logits = pare_type_make(PARE_F32, 2, PARE_DIM_ROWS, model->vocab);
   if (graph->n_outputs != 1 || !pare_type_equal(&graph->outputs[0]->type, &logits)) {
      pare_fail(ctx, PARE_INPUT, c->path,
                "damaged artifact: the graph's output is not f32[rows, %lld], logits of the vocabulary",
                (long long)model->vocab);
      pare_hint(ctx, "copy or make the file again");
      return PARE_INPUT;
   }
   if (model->bos >= model->vocab) return pare_damaged(ctx, c, "the start token is outside the vocabulary");
   for (size_t i = 0; i < model->n_end; i++)
      if (model->end[i] >= model->vocab)
         return pare_damaged(ctx, c, "an end token is outside the vocabulary");
   return PARE_OK;
}

static pare_status read_model(pare_ctx *ctx, pare_container *c, pare_model *model)
{
   model->format = "pare";
   model->path = pare_arena_strdup(ctx, model->arena, c->path);
   if (!model->path) return PARE_RESOURCE;
   PARE_TRY(read_limits(ctx, c, model));
   PARE_TRY(read_texts(ctx, c, model));
   PARE_TRY(attach_bytes(ctx, c));
   PARE_TRY(read_graph(ctx, c, model));
   PARE_TRY(check_vocab(ctx, c, model));
   const pare_section *tokenizer = pare_container_find(c, PARE_TOKENIZER_SECTION);
   if (tokenizer) model->tokenizer = pare_buffer_ref(tokenizer->bytes);
   const char *slash = strrchr(model->path, '/');
   return pare_model_add_source(ctx, model, slash ? slash + 1 : model->path, pare_buffer_ref(c->file));
}

pare_status pare_artifact_load(pare_ctx *ctx, const char *path, pare_model **out)
{
   pare_container c;
   pare_model *model = NULL;
   pare_status status = pare_container_open(ctx, path, &c);
   if (status == PARE_OK) status = pare_model_create(ctx, &model);
   if (status == PARE_OK) status = read_model(ctx, &c, model);
   pare_container_close(ctx, &c);
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

typedef struct tally {
   uint64_t done, total; /* bytes of content */
} tally;

/* A stream that does not inflate is changed bytes like any others. */
static pare_status inflate_changed(pare_ctx *ctx, const pare_container *c, pare_section *s)
{
   pare_status status = pare_section_inflate(ctx, c, s);
   if (status != PARE_INPUT) return status;
   pare_ctx_clear(ctx);
   PARE_TRY(pare_check_stop(ctx));
   return pare_fail(ctx, PARE_DIFFERS, c->path, "section %s: its bytes do not inflate", s->name);
}

static pare_status hash_section(pare_ctx *ctx, const pare_container *c, const pare_section *s, tally *t)
{
   pare_sha256 hash;
   char found[PARE_SHA256_HEX];
   pare_sha256_init(&hash);
   for (uint64_t at = 0, step; at < s->size; at += step) {
      step = s->size - at < PARE_SHA256_STEP ? s->size - at : PARE_SHA256_STEP;
      pare_sha256_update(&hash, pare_buffer_data(s->bytes) + at, step);
      PARE_TRY(pare_check_stop(ctx));
      t->done += step;
      pare_report_progress(ctx, "verify", "bytes", (double)t->done, (double)t->total);
   }
   pare_sha256_finish(&hash, found);
   if (strcmp(found, s->sha256) == 0) return PARE_OK;
   return pare_fail(ctx, PARE_DIFFERS, c->path, "section %s: its bytes do not match their hash", s->name);
}

/* One section at a time, so that no more than the largest is held inflated. */
static pare_status verify_section(pare_ctx *ctx, const pare_container *c, pare_section *s, tally *t)
{
   PARE_TRY(pare_section_place(ctx, c, s));
   pare_status status = inflate_changed(ctx, c, s);
   if (status == PARE_OK) status = hash_section(ctx, c, s, t);
   pare_buffer_unref(ctx, s->bytes);
   s->bytes = NULL;
   return status;
}

pare_status pare_artifact_verify(pare_ctx *ctx, const char *path, uint64_t *bytes)
{
   pare_container c;
   tally t = { 0 };
   pare_status status = pare_container_open(ctx, path, &c);
   for (size_t i = 0; status == PARE_OK && i < c.n_sections; i++) t.total += c.sections[i].size;
   for (size_t i = 0; status == PARE_OK && i < c.n_sections; i++)
      status = verify_section(ctx, &c, &c.sections[i], &t);
   pare_container_close(ctx, &c);
   *bytes = t.done;
   return status;
}
