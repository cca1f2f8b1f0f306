/* safetensors_index: the shards of a large model, by model.safetensors.index.json:
 *
 *    { "weight_map": { "model.norm.weight": "model-00002-of-00002.safetensors", ... } } */
#include <string.h>

#include "base/json.h"
#include "formats/safetensors.h"

enum { MAX_INDEX = 100000000 };

/* A shard lies beside its index: nothing may lead out of the folder. */
static bool plain_name(const char *name)
{
   return name[0] != '\0' && name[0] != '.' && !strpbrk(name, "/\\");
}

/* The shard's place in files, or n_files. */
static size_t find_file(const pare_safetensors *set, const char *name)
{
   size_t i = 0;
   while (i < set->n_files && strcmp(set->files[i].name, name) != 0) i++;
   return i;
}

static pare_status add_shard(pare_ctx *ctx, pare_safetensors *set, const char *dir, const char *name)
{
   const char *path = pare_arena_printf(ctx, set->arena, "%s/%s", dir, name);
   if (!path) return PARE_RESOURCE;
   pare_buffer *bytes;
   PARE_TRY(pare_buffer_map(ctx, path, &bytes));
   pare_status status = pare_safetensors_add(ctx, set, bytes, name, path);
   pare_buffer_unref(ctx, bytes);
   return status;
}

static pare_status add_shards(pare_ctx *ctx, pare_safetensors *set, const char *dir, const char *where,
                              const pare_json *map)
{
   for (const pare_json *item = pare_json_first(map); item; item = pare_json_next(item)) {
      const char *shard = pare_json_string(item);
      if (!shard || !plain_name(shard))
         return pare_fail(ctx, PARE_INPUT, where,
                          "tensor \"%s\": \"%s\" is not the name of a file beside the index",
                          pare_json_name(item), shard ? shard : "");
      if (find_file(set, shard) == set->n_files) PARE_TRY(add_shard(ctx, set, dir, shard));
   }
   return pare_safetensors_sort(ctx, set);
}

/* Every tensor of the index must lie in the shard that the index says. */
static pare_status check_map(pare_ctx *ctx, const pare_safetensors *set, const char *where,
                             const pare_json *map)
{
   for (const pare_json *item = pare_json_first(map); item; item = pare_json_next(item)) {
      const pare_safetensors_entry *entry = pare_safetensors_find(set, pare_json_name(item));
      if (!entry || strcmp(set->files[entry->file].name, pare_json_string(item)) != 0)
         return pare_fail(ctx, PARE_INPUT, where, "tensor \"%s\" is not in its shard %s",
                          pare_json_name(item), pare_json_string(item));
   }
   return PARE_OK;
}

static pare_status read_index(pare_ctx *ctx, pare_safetensors *set, const char *dir, const char *index)
{
   const char *path = pare_arena_printf(ctx, set->arena, "%s/%s", dir, index);
   if (!path) return PARE_RESOURCE;
   pare_json *root;
   PARE_TRY(pare_json_load(ctx, path, MAX_INDEX, &root));
   const pare_json *map = pare_json_get(root, "weight_map");
   pare_status status = PARE_OK;
   if (!pare_json_is_object(map)) status = pare_fail(ctx, PARE_INPUT, path, "no \"weight_map\" object");
   if (status == PARE_OK) status = add_shards(ctx, set, dir, path, map);
   if (status == PARE_OK) status = check_map(ctx, set, path, map);
   pare_json_free(root);
   return status;
}

pare_status pare_safetensors_open_index(pare_ctx *ctx, const char *dir, const char *index,
                                        pare_safetensors **out)
{
   pare_safetensors *set;
   PARE_TRY(pare_safetensors_create(ctx, &set));
   pare_status status = read_index(ctx, set, dir, index);
   if (status == PARE_OK) *out = set;
   else pare_safetensors_close(ctx, set);
   return status;
}
