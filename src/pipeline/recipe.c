/* recipe: see recipe.h. A step is decoded twice: by the table of keys that every pass has, then by the pass's
 * own; each time the names of the other table are passed over, so that an unknown key is compared with
 * all. */
#include "pipeline/recipe.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 32, MAX_FIELDS = 64 };

typedef struct root_keys {
   const char *schema;
   bool deflate;
} root_keys;

static const pare_field root_fields[] = {
   { .name = "schema", .kind = PARE_FIELD_TEXT, .offset = offsetof(root_keys, schema),
     .help = "version of the recipe's form: " PARE_RECIPE_SCHEMA },
   { .name = "deflate", .kind = PARE_FIELD_BOOL, .offset = offsetof(root_keys, deflate),
     .help = "store the artifact's sections deflated" },
   PARE_FIELDS_END
};
static const char *const root_extra[] = { "passes", NULL };

typedef struct step_keys {
   const char *pass;
   pare_list targets, skip;
} step_keys;

static const pare_field step_fields[] = {
   { .name = "pass",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(step_keys, pass),
     .help = "name of the pass" },
   { .name = "targets",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(step_keys, targets),
     .help = "patterns of the node and weight names it works on" },
   { .name = "skip",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(step_keys, skip),
     .help = "patterns of the names it leaves alone" },
   PARE_FIELDS_END
};
static const char *const step_names[] = { "pass", "targets", "skip", NULL };

static pare_status unknown_pass(pare_ctx *ctx, const char *name, const char *where)
{
   const pare_pass *const *passes = pare_passes();
   size_t count = 0;
   while (passes[count]) count++;
   const char **candidates = pare_alloc_array(ctx, count + 1, sizeof *candidates);
   if (!candidates) return PARE_RESOURCE;
   for (size_t i = 0; i < count; i++) candidates[i] = passes[i]->name;
   const char *near = pare_nearest(name, candidates);
   if (near) pare_fail(ctx, PARE_USAGE, where, "no pass \"%.64s\", did you mean \"%s\"?", name, near);
   else pare_fail(ctx, PARE_USAGE, where, "no pass \"%.64s\"", name);
   pare_hint(ctx, "\"pare passes\" lists them");
   pare_free(ctx, candidates);
   return PARE_USAGE;
}

static pare_status find_pass(pare_ctx *ctx, const pare_json *object, const char *path, const pare_pass **out)
{
   char where[PATH_SIZE + 8];
   snprintf(where, sizeof where, "%s.pass", path);
   if (!pare_json_is_object(object)) return pare_fail(ctx, PARE_USAGE, path, "expected an object");
   const pare_json *name = pare_json_get(object, "pass");
   if (!name) return pare_fail(ctx, PARE_USAGE, path, "no \"pass\", expected the name of a pass");
   if (!pare_json_string(name)) return pare_fail(ctx, PARE_USAGE, where, "expected a text");
   *out = pare_pass_find(pare_json_string(name));
   return *out ? PARE_OK : unknown_pass(ctx, pare_json_string(name), where);
}

/* Names of the pass's own options. */
static pare_status option_names(pare_ctx *ctx, const pare_pass *pass, const char *names[MAX_FIELDS + 1])
{
   size_t count = 0;
   for (const pare_field *f = pass->fields; f->name; f++) {
      if (count == MAX_FIELDS) return pare_fail(ctx, PARE_INTERNAL, pass->name, "too many options");
      names[count++] = f->name;
   }
   names[count] = NULL;
   return PARE_OK;
}

static pare_status read_step_keys(pare_ctx *ctx, const pare_pass *pass, const pare_json *object,
                                  const char *path, pare_arena *arena, step_keys *keys)
{
   static const pare_field only_pass[] = {
      { .name = "pass", .kind = PARE_FIELD_TEXT, .offset = offsetof(step_keys, pass) }, PARE_FIELDS_END
   };
   const char *names[MAX_FIELDS + 1];
   const pare_field *fields = pass->targets ? step_fields : only_pass;
   PARE_TRY(option_names(ctx, pass, names));
   PARE_TRY(pare_fields_init(ctx, step_fields, arena, keys));
   return pare_fields_from_json(ctx, fields, object, path, names, arena, keys, PARE_USAGE);
}

static pare_status default_list(pare_ctx *ctx, const char *const *defaults, pare_arena *arena, pare_list *out)
{
   size_t count = 0;
   while (defaults && defaults[count]) count++;
   *out = (pare_list){ pare_arena_array(ctx, arena, count + 1, sizeof *out->items), count };
   if (!out->items) return PARE_RESOURCE;
   for (size_t i = 0; i < count; i++) out->items[i] = defaults[i];
   return PARE_OK;
}

static pare_status read_targets(pare_ctx *ctx, const pare_json *object, const step_keys *keys,
                                pare_arena *arena, pare_recipe_step *step)
{
   step->targets_given = pare_json_get(object, "targets") != NULL;
   step->targets = keys->targets;
   step->skip = keys->skip;
   if (!step->targets_given) PARE_TRY(default_list(ctx, step->pass->targets, arena, &step->targets));
   if (!pare_json_get(object, "skip")) PARE_TRY(default_list(ctx, step->pass->skip, arena, &step->skip));
   return PARE_OK;
}

static pare_status read_step(pare_ctx *ctx, const pare_json *object, size_t index, pare_arena *arena,
                             pare_recipe_step *step)
{
   char path[PATH_SIZE];
   step_keys keys;
   snprintf(path, sizeof path, "passes[%zu]", index);
   PARE_TRY(find_pass(ctx, object, path, &step->pass));
   const pare_pass *pass = step->pass;
   step->options = pare_arena_alloc(ctx, arena, pass->options_size);
   if (!step->options) return PARE_RESOURCE;
   PARE_TRY(read_step_keys(ctx, pass, object, path, arena, &keys));
   PARE_TRY(read_targets(ctx, object, &keys, arena, step));
   PARE_TRY(pare_fields_init(ctx, pass->fields, arena, step->options));
   PARE_TRY(
      pare_fields_from_json(ctx, pass->fields, object, path, step_names, arena, step->options, PARE_USAGE));
   return pass->check ? pass->check(ctx, step->options, path) : PARE_OK;
}

static pare_status read_steps(pare_ctx *ctx, const pare_json *list, pare_recipe *recipe)
{
   if (!list) return pare_fail(ctx, PARE_USAGE, "passes", "missing, expected a list of passes");
   if (!pare_json_is_array(list)) return pare_fail(ctx, PARE_USAGE, "passes", "expected a list");
   size_t count = pare_json_count(list);
   if (count == 0) return pare_fail(ctx, PARE_USAGE, "passes", "the list is empty, there is nothing to do");
   if (count > PARE_MAX_STEPS)
      return pare_fail(ctx, PARE_USAGE, "passes", "%zu passes, expected at most %d", count, PARE_MAX_STEPS);
   recipe->steps = pare_arena_array(ctx, recipe->arena, count, sizeof *recipe->steps);
   if (!recipe->steps) return PARE_RESOURCE;
   for (const pare_json *v = pare_json_first(list); v; v = pare_json_next(v), recipe->n_steps++)
      PARE_TRY(read_step(ctx, v, recipe->n_steps, recipe->arena, &recipe->steps[recipe->n_steps]));
   return PARE_OK;
}

static pare_status read_root(pare_ctx *ctx, const pare_json *root, pare_recipe *recipe)
{
   root_keys keys;
   PARE_TRY(pare_fields_init(ctx, root_fields, recipe->arena, &keys));
   PARE_TRY(pare_fields_from_json(ctx, root_fields, root, "", root_extra, recipe->arena, &keys, PARE_USAGE));
   if (!keys.schema)
      return pare_fail(ctx, PARE_USAGE, "schema", "missing, expected \"" PARE_RECIPE_SCHEMA "\"");
   if (strcmp(keys.schema, PARE_RECIPE_SCHEMA) != 0)
      return pare_fail(ctx, PARE_USAGE, "schema", "\"%.64s\", expected \"" PARE_RECIPE_SCHEMA "\"",
                       keys.schema);
   recipe->deflate = keys.deflate;
   return read_steps(ctx, pare_json_get(root, "passes"), recipe);
}

static pare_status create(pare_ctx *ctx, pare_recipe **out)
{
   pare_recipe *recipe = pare_alloc(ctx, sizeof *recipe);
   if (!recipe) return PARE_RESOURCE;
   recipe->arena = pare_arena_create(ctx);
   *out = recipe;
   return recipe->arena ? PARE_OK : PARE_RESOURCE;
}

/* Failures so far name a JSON path alone; the user also wants to know in which file. */
static void name_source(pare_ctx *ctx, const char *source)
{
   pare_error old = ctx->error;
   char where[sizeof old.where];
   snprintf(where, sizeof where, "%.120s%s%.120s", source, old.where[0] ? ": " : "", old.where);
   pare_fail_again(ctx, old.status, where, "%s", old.message);
}

pare_status pare_recipe_parse(pare_ctx *ctx, const char *text, size_t size, const char *where,
                              pare_recipe **out)
{
   pare_json *root = NULL;
   pare_recipe *recipe = NULL;
   pare_status status = pare_json_parse(ctx, text, size, where, &root);
   if (status == PARE_OK) status = create(ctx, &recipe);
   if (status == PARE_OK) {
      status = read_root(ctx, root, recipe);
      if (status == PARE_USAGE) name_source(ctx, where);
   }
   pare_json_free(root);
   if (status == PARE_OK) {
      *out = recipe;
      return PARE_OK;
   }
   pare_recipe_destroy(ctx, recipe);
   return status;
}

void pare_recipe_destroy(pare_ctx *ctx, pare_recipe *recipe)
{
   if (!recipe) return;
   pare_arena_destroy(ctx, recipe->arena);
   pare_free(ctx, recipe);
}

/* ---- the recipes that types stand for ---- */

#define RECIPE(passes) "{\"schema\": \"" PARE_RECIPE_SCHEMA "\", \"passes\": [" passes "]}"
/* What makes a graph run faster and changes no bit of its results; every recipe ends with it. */
#define FUSE "{\"pass\": \"fuse_glu\"}, {\"pass\": \"fuse_linear\"}, "                                            \
   "{\"pass\": \"fuse_residual_norm\"}, {\"pass\": \"fuse_norm_quant\"}"
/* Narrow linear layers; embedding and head, which every token passes and which cost more, at 8 bits. */
#define NARROW(type)                                                                                        \
   RECIPE("{\"pass\": \"quant_rtn\", \"type\": \"" type "\", \"skip\": [\"embed_tokens\", \"lm_head\"]}, "        \
          "{\"pass\": \"quant_rtn\"}, {\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}, " FUSE)
static const struct {
   const char *type, *text;
} types[] = {
   { "i8", RECIPE("{\"pass\": \"quant_rtn\"}, {\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}, " FUSE) },
   { "i4", NARROW("i4") },
   { "i3", NARROW("i3") },
   { "i2", NARROW("i2") },
   { "f16",
     RECIPE("{\"pass\": \"cast\", \"type\": \"f16\"}, {\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}, " FUSE) },
   { "bf16",
     RECIPE("{\"pass\": \"cast\", \"type\": \"bf16\"}, {\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}, " FUSE) },
   { "f32", RECIPE("{\"pass\": \"cast\", \"type\": \"f32\"}, {\"pass\": \"opt_dce\"}, " FUSE) },
};

static pare_status unknown_type(pare_ctx *ctx, const char *type)
{
   char known[128] = "";
   for (size_t i = 0, at = 0; i < sizeof types / sizeof *types && at < sizeof known; i++)
      at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", types[i].type);
   return pare_fail(ctx, PARE_USAGE, "--type", "\"%.64s\", expected one of %s", type, known);
}

pare_status pare_recipe_for_fusion(pare_ctx *ctx, pare_recipe **out)
{
   static const char text[] = RECIPE(FUSE);
   return pare_recipe_parse(ctx, text, strlen(text), "fusion", out);
}

pare_status pare_recipe_for_type(pare_ctx *ctx, const char *type, pare_recipe **out)
{
   for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
      if (strcmp(types[i].type, type) != 0) continue;
      return pare_recipe_parse(ctx, types[i].text, strlen(types[i].text), "--type", out);
   }
   return unknown_type(ctx, type);
}

/* ---- printing ---- */

static void print_list(const pare_list *list, const char *name, pare_json_writer *writer)
{
   pare_json_open_array(writer, name);
   for (size_t i = 0; i < list->count; i++) pare_json_put_string(writer, NULL, list->items[i]);
   pare_json_close_array(writer);
}

static pare_status print_step(pare_ctx *ctx, const pare_recipe_step *step, pare_json_writer *writer)
{
   pare_json_open_object(writer, NULL);
   pare_json_put_string(writer, "pass", step->pass->name);
   PARE_TRY(pare_fields_to_json(ctx, step->pass->fields, step->options, false, writer));
   if (step->pass->targets) {
      print_list(&step->targets, "targets", writer);
      print_list(&step->skip, "skip", writer);
   }
   pare_json_close_object(writer);
   return writer->status;
}

pare_status pare_recipe_print(pare_ctx *ctx, const pare_recipe *recipe, pare_json_writer *writer,
                              const char *name)
{
   pare_json_open_object(writer, name);
   pare_json_put_string(writer, "schema", PARE_RECIPE_SCHEMA);
   pare_json_put_bool(writer, "deflate", recipe->deflate);
   pare_json_open_array(writer, "passes");
   for (size_t i = 0; i < recipe->n_steps; i++) PARE_TRY(print_step(ctx, &recipe->steps[i], writer));
   pare_json_close_array(writer);
   pare_json_close_object(writer);
   return writer->status;
}
