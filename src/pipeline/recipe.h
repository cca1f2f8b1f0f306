/* recipe: what to do to a model, as JSON:
 *    { "schema": "pare.recipe/1",
 *      "passes": [ { "pass": "prune_magnitude", "sparsity": 0.5, "targets": ["layers.*"] },
 *                  { "pass": "quant_rtn" } ] }
 * Unknown keys, unknown passes and values out of range are PARE_USAGE with their JSON path. */
#ifndef PARE_PIPELINE_RECIPE_H
#define PARE_PIPELINE_RECIPE_H

#include "pipeline/pass.h"

#define PARE_RECIPE_SCHEMA "pare.recipe/1"
enum { PARE_MAX_STEPS = 256 };

typedef struct pare_recipe_step {
   const pare_pass *pass;
   void *options;
   pare_list targets, skip; /* the pass's defaults when the recipe has none */
   bool targets_given;      /* the recipe names them, so each of them must match something */
} pare_recipe_step;

typedef struct pare_recipe {
   pare_arena *arena;
   pare_recipe_step *steps;
   size_t n_steps;
   bool deflate; /* "deflate": true stores the artifact's sections deflated */
} pare_recipe;

pare_status pare_recipe_parse(pare_ctx *ctx, const char *text, size_t size, const char *where,
                              pare_recipe **out);
/* The recipe that a --type stands for: "i8" is quant_rtn, quant_kv, opt_dce; "i4", "i3" and "i2"
 * the same with linear layers at so many bits, embedding and head at i8; "f32", "f16" and "bf16" cast. All end
 * with the passes of pare_recipe_for_fusion.
 * PARE_USAGE for an unknown type, naming the known ones. */
pare_status pare_recipe_for_type(pare_ctx *ctx, const char *type, pare_recipe **out);
/* The fusions of our own operations, in order: lossless, and nothing but speed. */
pare_status pare_recipe_for_fusion(pare_ctx *ctx, pare_recipe **out);
void pare_recipe_destroy(pare_ctx *ctx, pare_recipe *recipe); /* NULL is fine */
/* The recipe as run, every option spelled out, into the open writer under `name`; it parses back. */
pare_status pare_recipe_print(pare_ctx *ctx, const pare_recipe *recipe, pare_json_writer *writer,
                              const char *name);

#endif
