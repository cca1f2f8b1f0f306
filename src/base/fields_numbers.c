/* fields_numbers: the kind NUMBERS: reading, comparing, copying. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fields_text.h"
#include "base/json_text.h"

enum { PLACE_SIZE = 288 };

static bool fits(const pare_field *field, double value)
{
   return isfinite(value) && value >= field->min && value <= field->max;
}

static pare_status refuse_item(pare_ctx *ctx, const pare_field *field, const char *found, const char *where,
                               size_t index, pare_status bad)
{
   char place[PLACE_SIZE];
   pare_field item = { .kind = PARE_FIELD_FLOAT, .min = field->min, .max = field->max };
   snprintf(place, sizeof place, "%.250s[%zu]", where, index);
   return pare_field_misfit(ctx, &item, found, place, bad);
}

pare_status pare_numbers_from_json(pare_ctx *ctx, const pare_field *field, const pare_json *v,
                                   const char *where, pare_arena *arena, pare_numbers *to, pare_status bad)
{
   char found[PARE_JSON_DESCRIBE];
   pare_json_describe(v, found);
   if (!pare_json_is_array(v)) return pare_field_misfit(ctx, field, found, where, bad);
   double *items = pare_arena_array(ctx, arena, pare_json_count(v) + 1, sizeof *items);
   if (!items) return PARE_RESOURCE;
   size_t count = 0;
   for (const pare_json *item = pare_json_first(v); item; item = pare_json_next(item)) {
      double value = pare_json_number(item, (double)NAN);
      pare_json_describe(item, found);
      if (!fits(field, value)) return refuse_item(ctx, field, found, where, count, bad);
      items[count++] = value;
   }
   *to = (pare_numbers){ items, count };
   return PARE_OK;
}

pare_status pare_numbers_from_text(pare_ctx *ctx, const pare_field *field, const char *text,
                                   const char *where, pare_arena *arena, pare_numbers *to, pare_status bad)
{
   char found[48];
   size_t room = 1, count = 0;
   for (const char *p = text; *p; p++) room += *p == ',';
   double *items = pare_arena_array(ctx, arena, room, sizeof *items);
   if (!items) return PARE_RESOURCE;
   for (const char *item = text; count < room; item += strcspn(item, ",") + 1) {
      size_t size = strcspn(item, ",");
      double value = pare_number_parse(item, size);
      snprintf(found, sizeof found, "\"%.*s\"", size < 40 ? (int)size : 40, item);
      if (!fits(field, value)) return refuse_item(ctx, field, found, where, count, bad);
      items[count++] = value;
   }
   *to = (pare_numbers){ items, count };
   return PARE_OK;
}

bool pare_numbers_same(const pare_numbers *a, const pare_numbers *b)
{
   return a->count == b->count &&
          (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof *a->items) == 0);
}

static pare_status own(pare_ctx *ctx, pare_arena *arena, pare_numbers *numbers)
{
   if (numbers->count == 0) return PARE_OK;
   double *items = pare_arena_array(ctx, arena, numbers->count, sizeof *items);
   if (!items) return PARE_RESOURCE;
   memcpy(items, numbers->items, numbers->count * sizeof *items);
   numbers->items = items;
   return PARE_OK;
}

pare_status pare_fields_own_numbers(pare_ctx *ctx, const pare_field *fields, pare_arena *arena, void *options)
{
   for (const pare_field *f = fields; f->name; f++) {
      if (f->kind != PARE_FIELD_NUMBERS) continue;
      PARE_TRY(own(ctx, arena, (pare_numbers *)((char *)options + f->offset)));
   }
   return PARE_OK;
}
