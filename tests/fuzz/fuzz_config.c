/* libFuzzer: the text files of a Hugging Face directory around fixed weights, which fit a small model of each
 * family. The input is cut at lines of "%%%%"; the parts become, in this order, the files named below, and an
 * empty part no file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "formats/format.h"
#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CUT "\n%%%%\n"
#define WEIGHTS "model.safetensors"
#define INDEX "model.safetensors.index.json"

static const char *const files[] = {
   "config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "README.md",
   "chat_template.jinja", INDEX,
};
enum { N_FILES = sizeof files / sizeof *files, PATH_SIZE = 256 };

/* Shapes for vocab 8, hidden 4, inner 6 (GPT-2: 16), 2 heads (Llama: 1 for keys and values; Phi-3: 1 of 4
 * elements), context 16. */
static const struct tensor {
   const char *name;
   int n, k;
} tensors[] = {
   { "model.embed_tokens.weight", 8, 4 },
   { "lm_head.weight", 8, 4 },
   { "model.norm.weight", 4, 1 },
#define L "model.layers.0."
   { L "input_layernorm.weight", 4, 1 },
   { L "post_attention_layernorm.weight", 4, 1 },
   { L "self_attn.q_proj.weight", 4, 4 },
   { L "self_attn.k_proj.weight", 2, 4 },
   { L "self_attn.v_proj.weight", 2, 4 },
   { L "self_attn.o_proj.weight", 4, 4 },
   { L "self_attn.q_proj.bias", 4, 1 },
   { L "self_attn.k_proj.bias", 2, 1 },
   { L "self_attn.v_proj.bias", 2, 1 },
   { L "self_attn.o_proj.bias", 4, 1 },
   { L "self_attn.q_norm.weight", 2, 1 },
   { L "self_attn.k_norm.weight", 2, 1 },
   { L "mlp.gate_proj.weight", 6, 4 },
   { L "mlp.up_proj.weight", 6, 4 },
   { L "mlp.down_proj.weight", 4, 6 },
   { L "self_attn.qkv_proj.weight", 12, 4 },
   { L "mlp.gate_up_proj.weight", 12, 4 },
   { "wte.weight", 8, 4 },
   { "wpe.weight", 16, 4 },
   { "ln_f.weight", 4, 1 },
   { "ln_f.bias", 4, 1 },
   { "h.0.ln_1.weight", 4, 1 },
   { "h.0.ln_1.bias", 4, 1 },
   { "h.0.ln_2.weight", 4, 1 },
   { "h.0.ln_2.bias", 4, 1 },
   { "h.0.attn.c_attn.weight", 4, 12 },
   { "h.0.attn.c_attn.bias", 12, 1 },
   { "h.0.attn.c_proj.weight", 4, 4 },
   { "h.0.attn.c_proj.bias", 4, 1 },
   { "h.0.mlp.c_fc.weight", 4, 16 },
   { "h.0.mlp.c_fc.bias", 16, 1 },
   { "h.0.mlp.c_proj.weight", 16, 4 },
   { "h.0.mlp.c_proj.bias", 4, 1 },
};

static char dir[] = "/tmp/pare_fuzz_XXXXXX";

static void path_of(const char *name, char path[PATH_SIZE])
{
   snprintf(path, PATH_SIZE, "%s/%s", dir, name);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
   char path[PATH_SIZE];
   path_of(name, path);
   if (size == 0) {
      unlink(path);
      return;
   }
   FILE *file = fopen(path, "wb");
   if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

static void write_weights(void)
{
   static char text[16384];
   size_t at = 8, end = 0;
   for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
      const struct tensor *t = &tensors[i];
      char shape[32];
      snprintf(shape, sizeof shape, t->k == 1 ? "%d" : "%d,%d", t->n, t->k);
      at += (size_t)snprintf(text + at, sizeof text - at,
                             "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                             i ? "," : "{", t->name, shape, end, end + (size_t)(2 * t->n * t->k));
      end += (size_t)(2 * t->n * t->k);
   }
   text[at++] = '}';
   pare_put_uint((uint8_t *)text, at - 8, 8);
   write_file(WEIGHTS, text, at + end);
}

static void remove_all(void)
{
   for (size_t i = 0; i < N_FILES; i++) write_file(files[i], NULL, 0);
   write_file(WEIGHTS, NULL, 0);
   rmdir(dir);
}

/* The folder and the weights, on the first input. */
static void set_up(void)
{
   static bool done = false;
   if (done) return;
   done = true;
   if (!mkdtemp(dir)) abort();
   write_weights();
   atexit(remove_all);
}

/* The next cut in [data, data + size), or NULL. */
static const uint8_t *find_cut(const uint8_t *data, size_t size)
{
   for (; size >= strlen(CUT); data++, size--)
      if (memcmp(data, CUT, strlen(CUT)) == 0) return data;
   return NULL;
}

static void write_parts(const uint8_t *data, size_t size)
{
   for (size_t i = 0; i < N_FILES; i++) {
      const uint8_t *cut = find_cut(data, size);
      size_t part = cut ? (size_t)(cut - data) : size;
      write_file(files[i], data, part);
      size_t used = cut ? part + strlen(CUT) : size;
      data += used;
      size -= used;
   }
}

static void check(pare_ctx *ctx, pare_status status)
{
   if (ctx->error.status != status || (status != PARE_OK && !ctx->error.message[0])) __builtin_trap();
   if (status == PARE_INTERNAL) __builtin_trap();
   pare_ctx_clear(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_model *model = NULL;
   pare_safetensors *set = NULL;
   set_up();
   pare_ctx_init(&ctx);
   write_parts(data, size);
   pare_status status = pare_model_load(&ctx, dir, &model);
   if (status == PARE_OK) status = pare_graph_validate(&ctx, model->graph, PARE_INTERNAL);
   check(&ctx, status);
   check(&ctx, pare_safetensors_open_index(&ctx, dir, INDEX, &set));
   pare_model_destroy(&ctx, model);
   pare_safetensors_close(&ctx, set);
   pare_ctx_finish(&ctx);
   return 0;
}
