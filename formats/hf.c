/* hf: the order in which a directory is read; the parts are in hf_tokens.c, hf_template.c and hf_card.c, the
 * graph in arch/. */
#include "formats/hf.h"

#include <stdio.h>
#include <sys/stat.h>

#include "formats/arch/arch.h"
#include "formats/format.h"

#define WEIGHTS "model.safetensors"
#define WEIGHTS_INDEX "model.safetensors.index.json"

enum { PATH_SIZE = 4096, MAX_FILE = 100000000 };

static bool exists(const char *dir, const char *name)
{
   char path[PATH_SIZE];
   struct stat st;
   return (size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path && stat(path, &st) == 0;
}

static bool probe(const char *path)
{
   struct stat st;
   return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && exists(path, "config.json");
}

pare_status pare_hf_read(pare_ctx *ctx, const char *dir, const char *name, pare_buffer **out)
{
   char path[PATH_SIZE];
   *out = NULL;
   if (!exists(dir, name)) return PARE_OK;
   snprintf(path, sizeof path, "%s/%s", dir, name);
   return pare_read_file(ctx, path, MAX_FILE, out);
}

static pare_status read_json(pare_ctx *ctx, const char *dir, const char *name, pare_json **out)
{
   char path[PATH_SIZE];
   *out = NULL;
   if (!exists(dir, name)) return PARE_OK;
   snprintf(path, sizeof path, "%s/%s", dir, name);
   return pare_json_load(ctx, path, MAX_FILE, out);
}

static pare_status open_weights(pare_ctx *ctx, const char *dir, pare_safetensors **out)
{
   char path[PATH_SIZE];
   snprintf(path, sizeof path, "%s/%s", dir, WEIGHTS);
   if (exists(dir, WEIGHTS)) return pare_safetensors_open(ctx, path, out);
   if (exists(dir, WEIGHTS_INDEX)) return pare_safetensors_open_index(ctx, dir, WEIGHTS_INDEX, out);
   if (exists(dir, "pytorch_model.bin") || exists(dir, "pytorch_model.bin.index.json"))
      return pare_fail(ctx, PARE_UNSUPPORTED, dir,
                       "PyTorch pickle weights are not supported; expected " WEIGHTS);
   return pare_fail(ctx, PARE_INPUT, dir, "neither " WEIGHTS " nor " WEIGHTS_INDEX);
}

static pare_status build(pare_ctx *ctx, const pare_arch *arch, const pare_arch_source *source)
{
   const pare_safetensors *tensors = source->tensors;
   source->model->arch = arch->model_type;
   PARE_TRY(arch->build(ctx, source));
   pare_safetensors_warn_unused(ctx, tensors, arch->leftover);
   for (size_t i = 0; i < tensors->n_files; i++)
      PARE_TRY(pare_model_add_source(ctx, source->model, tensors->files[i].name,
                                     pare_buffer_ref(tensors->files[i].bytes)));
   return PARE_OK;
}

/* config.json and the weights: all that the graph is made of. */
static pare_status read_graph(pare_ctx *ctx, const pare_json *config, pare_model *model)
{
   const pare_arch *arch;
   pare_arch_source source = { .config = config, .model = model };
   source.where = pare_arena_printf(ctx, model->arena, "%s/config.json", model->path);
   if (!source.where) return PARE_RESOURCE;
   PARE_TRY(pare_arch_find(ctx, config, source.where, &arch));
   PARE_TRY(open_weights(ctx, model->path, &source.tensors));
   pare_status status = build(ctx, arch, &source);
   pare_safetensors_close(ctx, source.tensors);
   return status;
}

/* Reads a file as text that the model keeps, and as a source when it counts as one. */
static pare_status keep_text(pare_ctx *ctx, pare_model *model, const char *name, bool source,
                             const char **text)
{
   pare_buffer *bytes;
   PARE_TRY(pare_hf_read(ctx, model->path, name, &bytes));
   if (!bytes) return PARE_OK;
   const char *data = (const char *)pare_buffer_data(bytes);
   *text = pare_arena_strndup(ctx, model->arena, data, pare_buffer_size(bytes));
   if (*text && source) return pare_model_add_source(ctx, model, name, bytes);
   pare_buffer_unref(ctx, bytes);
   return *text ? PARE_OK : PARE_RESOURCE;
}

static pare_status read_tokenizer(pare_ctx *ctx, pare_model *model)
{
   if (!exists(model->path, "tokenizer.json")) return PARE_OK;
   const char *path = pare_arena_printf(ctx, model->arena, "%s/tokenizer.json", model->path);
   if (!path) return PARE_RESOURCE;
   PARE_TRY(pare_buffer_map(ctx, path, &model->tokenizer));
   return pare_model_add_source(ctx, model, "tokenizer.json", pare_buffer_ref(model->tokenizer));
}

static pare_status read_card(pare_ctx *ctx, pare_model *model)
{
   pare_buffer *card;
   PARE_TRY(pare_hf_read(ctx, model->path, "README.md", &card));
   if (!card) return PARE_OK;
   pare_status status =
      pare_hf_card(ctx, (const char *)pare_buffer_data(card), pare_buffer_size(card), model);
   pare_buffer_unref(ctx, card);
   return status;
}

/* The small files that shape the artifact count as sources too. */
static pare_status add_text_sources(pare_ctx *ctx, pare_model *model)
{
   static const char *const names[] = { "generation_config.json", "tokenizer_config.json", "chat_template.jinja" };
   for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      pare_buffer *bytes;
      PARE_TRY(pare_hf_read(ctx, model->path, names[i], &bytes));
      if (bytes) PARE_TRY(pare_model_add_source(ctx, model, names[i], bytes));
   }
   return PARE_OK;
}

static pare_status read_text_side(pare_ctx *ctx, const pare_json *config, pare_model *model)
{
   pare_json *generation = NULL, *tokenizer_config = NULL;
   pare_status status = read_json(ctx, model->path, "generation_config.json", &generation);
   if (status == PARE_OK)
      status = read_json(ctx, model->path, "tokenizer_config.json", &tokenizer_config);
   if (status == PARE_OK) status = pare_hf_tokens(ctx, config, generation, tokenizer_config, model);
   if (status == PARE_OK) status = pare_hf_template(ctx, model->path, tokenizer_config, model);
   if (status == PARE_OK) status = add_text_sources(ctx, model);
   pare_json_free(generation);
   pare_json_free(tokenizer_config);
   return status;
}

static pare_status read_all(pare_ctx *ctx, pare_model *model)
{
   pare_json *config;
   PARE_TRY(read_json(ctx, model->path, "config.json", &config));
   if (!config) return pare_fail(ctx, PARE_INPUT, model->path, "a directory without config.json");
   pare_status status = read_graph(ctx, config, model);
   if (status == PARE_OK) status = keep_text(ctx, model, "config.json", true, &model->config);
   if (status == PARE_OK)
      status = keep_text(ctx, model, "generation_config.json", false, &model->generation_config);
   if (status == PARE_OK) status = read_tokenizer(ctx, model);
   if (status == PARE_OK) status = read_text_side(ctx, config, model);
   if (status == PARE_OK) status = read_card(ctx, model);
   pare_json_free(config);
   return status == PARE_OK ? pare_check_stop(ctx) : status;
}

static pare_status load(pare_ctx *ctx, const char *dir, pare_model **out)
{
   pare_model *model;
   PARE_TRY(pare_model_create(ctx, &model));
   pare_status status = PARE_OK;
   model->format = "hf";
   model->path = pare_arena_strdup(ctx, model->arena, dir);
   if (!model->path) status = PARE_RESOURCE;
   if (status == PARE_OK) status = read_all(ctx, model);
   if (status == PARE_OK) *out = model;
   else pare_model_destroy(ctx, model);
   return status;
}

const pare_format pare_format_hf = {
   .name = "hf",
   .help = "a Hugging Face directory with config.json and safetensors weights",
   .probe = probe,
   .load = load,
};
