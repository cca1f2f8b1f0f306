/* format: what a model can be read from. The list is formats.def; a descriptor lives in the file of its
 * format.
 *
 *    pare_model *model;
 *    PARE_TRY(pare_model_load(ctx, "models/story", &model));  ...  pare_model_destroy(ctx, model); */
#ifndef PARE_FORMATS_FORMAT_H
#define PARE_FORMATS_FORMAT_H

#include "ir/model.h"

typedef struct pare_format {
   const char *name;                 /* "hf"; also model->format */
   const char *help;                 /* one sentence, lower case, no full stop */
   bool (*probe)(const char *path);  /* cheap: looks at names and the first bytes, reports nothing */
   pare_status (*load)(pare_ctx *ctx, const char *path, pare_model **out);
} pare_format;

#define FORMAT(name) extern const pare_format pare_format_##name;
#include "formats/formats.def"
#undef FORMAT

/* Every format, NULL at the end. */
extern const pare_format *const pare_formats[];

/* Loads with the first format whose probe says yes. PARE_INPUT when the path is missing or nothing known lies
 * there; PARE_UNSUPPORTED, by name, for a format of others that is recognised but not read. */
pare_status pare_model_load(pare_ctx *ctx, const char *path, pare_model **out);

#endif
