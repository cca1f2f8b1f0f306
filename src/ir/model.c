/* model: see model.h. */
#include "ir/model.h"

#include "base/hash.h"
#include "ir/op.h"

pare_status pare_model_create(pare_ctx *ctx, pare_model **out)
{
   pare_model *model = pare_alloc(ctx, sizeof *model);
   if (!model) return PARE_RESOURCE;
   model->bos = -1;
   model->arena = pare_arena_create(ctx);
   if (!model->arena) {
      pare_free(ctx, model);
      return PARE_RESOURCE;
   }
   *out = model;
   return PARE_OK;
}

void pare_model_destroy(pare_ctx *ctx, pare_model *model)
{
   if (!model) return;
   pare_graph_destroy(ctx, model->graph);
   pare_buffer_unref(ctx, model->tokenizer);
   for (size_t i = 0; i < model->n_sources; i++) pare_buffer_unref(ctx, model->sources[i].bytes);
   pare_free(ctx, model->sources);
   pare_arena_destroy(ctx, model->arena);
   pare_free(ctx, model);
}

static pare_status add_source(pare_ctx *ctx, pare_model *model, const char *name, pare_buffer *bytes)
{
   PARE_TRY(pare_grow(ctx, (void **)&model->sources, &model->sources_capacity, model->n_sources + 1,
                      sizeof *model->sources));
   char *copy = pare_arena_strdup(ctx, model->arena, name);
   if (!copy) return PARE_RESOURCE;
   model->sources[model->n_sources++] = (pare_source_file){
      .name = copy, .bytes = bytes, .size = bytes ? pare_buffer_size(bytes) : 0
   };
   return PARE_OK;
}

pare_status pare_model_add_source(pare_ctx *ctx, pare_model *model, const char *name, pare_buffer *bytes)
{
   pare_status status = add_source(ctx, model, name, bytes);
   if (status != PARE_OK) pare_buffer_unref(ctx, bytes);
   return status;
}

/* Hashes one file; `done` and `total` count the bytes of all files. Pages are given back as soon as they were
 * read. */
static pare_status hash_source(pare_ctx *ctx, pare_model *model, pare_source_file *source, double done,
                               double total)
{
   pare_sha256 hash;
   char hex[PARE_SHA256_HEX];
   pare_sha256_init(&hash);
   size_t size = pare_buffer_size(source->bytes);
   for (size_t at = 0; at < size; at += PARE_SHA256_STEP) {
      size_t step = size - at < PARE_SHA256_STEP ? size - at : PARE_SHA256_STEP;
      pare_sha256_update(&hash, pare_buffer_data(source->bytes) + at, step);
      PARE_TRY(pare_check_stop(ctx));
      pare_buffer_advise(source->bytes, at, step, PARE_DONT_NEED);
      pare_report_progress(ctx, "hash", "bytes", done + (double)(at + step), total);
   }
   pare_sha256_finish(&hash, hex);
   source->sha256 = pare_arena_strdup(ctx, model->arena, hex);
   return source->sha256 ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_model_hash(pare_ctx *ctx, pare_model *model)
{
   double done = 0, total = 0;
   for (size_t i = 0; i < model->n_sources; i++) total += (double)model->sources[i].size;
   for (size_t i = 0; i < model->n_sources; i++) {
      pare_source_file *source = &model->sources[i];
      if (source->bytes && !source->sha256) PARE_TRY(hash_source(ctx, model, source, done, total));
      done += (double)source->size;
   }
   return PARE_OK;
}

/* A NULL stays NULL. */
static pare_status copy_text(pare_ctx *ctx, pare_model *copy, const char *text, const char **out)
{
   *out = text ? pare_arena_strdup(ctx, copy->arena, text) : NULL;
   return text && !*out ? PARE_RESOURCE : PARE_OK;
}

static pare_status copy_texts(pare_ctx *ctx, const pare_model *model, pare_model *copy)
{
   PARE_TRY(copy_text(ctx, copy, model->path, &copy->path));
   PARE_TRY(copy_text(ctx, copy, model->format, &copy->format));
   PARE_TRY(copy_text(ctx, copy, model->arch, &copy->arch));
   PARE_TRY(copy_text(ctx, copy, model->config, &copy->config));
   PARE_TRY(copy_text(ctx, copy, model->generation_config, &copy->generation_config));
   PARE_TRY(copy_text(ctx, copy, model->chat_template, &copy->chat_template));
   PARE_TRY(copy_text(ctx, copy, model->licence, &copy->licence));
   PARE_TRY(copy_text(ctx, copy, model->base_model, &copy->base_model));
   return copy_text(ctx, copy, model->provenance, &copy->provenance);
}

static pare_status copy_sources(pare_ctx *ctx, const pare_model *model, pare_model *copy)
{
   for (size_t i = 0; i < model->n_sources; i++) {
      const pare_source_file *source = &model->sources[i];
      pare_buffer *bytes = source->bytes ? pare_buffer_ref(source->bytes) : NULL;
      PARE_TRY(pare_model_add_source(ctx, copy, source->name, bytes));
      copy->sources[i].size = source->size;
      PARE_TRY(copy_text(ctx, copy, source->sha256, &copy->sources[i].sha256));
   }
   return PARE_OK;
}

static void copy_limits(const pare_model *model, pare_model *copy)
{
   copy->context = model->context;
   copy->vocab = model->vocab;
   copy->bos = model->bos;
   copy->add_bos = model->add_bos;
   copy->n_end = model->n_end;
   for (size_t i = 0; i < model->n_end; i++) copy->end[i] = model->end[i];
   copy->tokenizer = model->tokenizer ? pare_buffer_ref(model->tokenizer) : NULL;
}

pare_status pare_model_clone(pare_ctx *ctx, const pare_model *model, pare_model **out)
{
   pare_model *copy = NULL;
   PARE_TRY(pare_model_create(ctx, &copy));
   copy_limits(model, copy);
   pare_status status = copy_texts(ctx, model, copy);
   if (status == PARE_OK) status = copy_sources(ctx, model, copy);
   if (status == PARE_OK && model->graph) status = pare_graph_clone(ctx, model->graph, &copy->graph);
   if (status != PARE_OK) {
      pare_model_destroy(ctx, copy);
      return status;
   }
   *out = copy;
   return PARE_OK;
}

/* Bytes a position of one sequence takes in a state, 0 for a state that does not grow with positions. */
static int64_t state_bytes(const pare_value *value)
{
   int64_t bytes = (int64_t)pare_dtype_size(value->type.dtype);
   bool grows = false;
   for (int i = 0; i < value->type.rank; i++) {
      if (value->type.dim[i] == PARE_DIM_PAST) grows = true;
      if (value->type.dim[i] > 0) bytes *= value->type.dim[i];
   }
   return grows ? bytes : 0;
}

pare_model_totals pare_model_count(const pare_model *model)
{
   pare_model_totals totals = { 0 };
   const pare_graph *graph = model->graph;
   for (size_t i = 0; i < graph->n_weights; i++) {
      totals.params += pare_weight_count(graph->weights[i]);
      totals.tensor_bytes += pare_buffer_size(graph->weights[i]->data);
   }
   for (size_t i = 0; i < graph->n_values; i++) {
      if (graph->values[i]->kind == PARE_VALUE_STATE)
         totals.kv_bytes_per_token += state_bytes(graph->values[i]);
   }
   for (const pare_node *node = graph->first; node; node = node->next)
      totals.macs_per_token += pare_ops[node->op]->macs(node, 0);
   return totals;
}
