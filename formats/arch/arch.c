/* arch: the registry and the choice by config.json. */
#include "formats/arch/arch.h"

#include <string.h>

const pare_arch *const pare_archs[] = {
#define ARCH(name) &pare_arch_##name,
#include "formats/arch/arch.def"
#undef ARCH
   NULL
};

static const pare_arch *find(const char *class_name, const char *model_type)
{
   for (const pare_arch *const *arch = pare_archs; *arch; arch++) {
      if (class_name && strcmp((*arch)->class_name, class_name) == 0) return *arch;
      if (model_type && strcmp((*arch)->model_type, model_type) == 0) return *arch;
   }
   return NULL;
}

static pare_status refuse(pare_ctx *ctx, const char *where, const char *name)
{
   pare_str known = { 0 };
   pare_status status = PARE_OK;
   for (const pare_arch *const *arch = pare_archs; *arch && status == PARE_OK; arch++)
      status = pare_str_printf(ctx, &known, "%s%s", arch == pare_archs ? "" : ", ", (*arch)->class_name);
   if (status == PARE_OK)
      status = pare_fail(ctx, PARE_UNSUPPORTED, where, "architecture \"%.100s\" is not supported; known: %s",
                         name, known.data);
   pare_str_finish(ctx, &known);
   return status;
}

pare_status pare_arch_find(pare_ctx *ctx, const pare_json *config, const char *where, const pare_arch **out)
{
   if (!pare_json_is_object(config)) return pare_fail(ctx, PARE_INPUT, where, "not a JSON object");
   const char *class_name = pare_json_string(pare_json_first(pare_json_get(config, "architectures")));
   const char *model_type = pare_json_string(pare_json_get(config, "model_type"));
   if (!class_name && !model_type)
      return pare_fail(ctx, PARE_INPUT, where,
                       "neither \"architectures\" nor \"model_type\" says what the model is");
   const pare_arch *arch = find(class_name, class_name ? NULL : model_type);
   if (!arch) return refuse(ctx, where, class_name ? class_name : model_type);
   if (model_type && strcmp(arch->model_type, model_type) != 0)
      return pare_fail(ctx, PARE_INPUT, where,
                       "\"architectures\" says \"%s\", \"model_type\" says \"%.100s\"", class_name,
                       model_type);
   *out = arch;
   return PARE_OK;
}
