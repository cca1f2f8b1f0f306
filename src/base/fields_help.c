/* fields_help: the help text of a table, laid out like a manual page: names at the left, from column 28 a
 * paragraph that wraps at 100 columns. */
#include <stdio.h>
#include <string.h>

#include "base/fields_text.h"
#include "base/json_text.h"

enum { TEXT_COLUMN = 28, WIDTH = 100, LONGEST_CHOICES = 22 };

/* ---- what a value must be ---- */

static pare_status range(pare_ctx *ctx, const pare_field *field, const char *noun, double limit,
                         pare_str *out)
{
   char min[PARE_NUMBER_TEXT], max[PARE_NUMBER_TEXT];
   bool above = field->min > -limit, below = field->max < limit;
   if (above) pare_number_text(field->min, min);
   if (below) pare_number_text(field->max, max);
   if (above && below) return pare_str_printf(ctx, out, "%s in [%s, %s]", noun, min, max);
   if (above) return pare_str_printf(ctx, out, "%s of at least %s", noun, min);
   if (below) return pare_str_printf(ctx, out, "%s of at most %s", noun, max);
   return pare_str_puts(ctx, out, noun);
}

static pare_status put_choices(pare_ctx *ctx, const pare_field *field, const char *between, pare_str *out)
{
   for (int i = 0; field->choices[i]; i++)
      PARE_TRY(pare_str_printf(ctx, out, "%s%s", i ? between : "", field->choices[i]));
   return PARE_OK;
}

pare_status pare_field_expects(pare_ctx *ctx, const pare_field *field, pare_str *out)
{
   switch (field->kind) {
   case PARE_FIELD_BOOL: return pare_str_puts(ctx, out, "true or false");
   case PARE_FIELD_INT: return range(ctx, field, "a whole number", PARE_JSON_EXACT, out);
   case PARE_FIELD_FLOAT: return range(ctx, field, "a number", 1e300, out);
   case PARE_FIELD_TEXT: return pare_str_puts(ctx, out, "a text");
   case PARE_FIELD_LIST: return pare_str_puts(ctx, out, "a list of texts");
   case PARE_FIELD_NUMBERS: return range(ctx, field, "a list of numbers", 1e300, out);
   case PARE_FIELD_INTS: return range(ctx, field, "a list of up to 5 whole numbers, each", PARE_JSON_EXACT, out);
   case PARE_FIELD_ENUM: break;
   }
   PARE_TRY(pare_str_puts(ctx, out, "one of "));
   return put_choices(ctx, field, ", ", out);
}

/* ---- the left column ---- */

static size_t choices_length(const pare_field *field)
{
   size_t length = 0;
   for (int i = 0; field->choices[i]; i++) length += strlen(field->choices[i]) + 1;
   return length;
}

static pare_status put_value_name(pare_ctx *ctx, const pare_field *field, bool command_line, pare_str *out)
{
   if (field->kind == PARE_FIELD_BOOL && command_line) return PARE_OK;
   PARE_TRY(pare_str_puts(ctx, out, " "));
   if (field->value_name) return pare_str_puts(ctx, out, field->value_name);
   switch (field->kind) {
   case PARE_FIELD_BOOL: return pare_str_puts(ctx, out, "true|false");
   case PARE_FIELD_INT: return pare_str_puts(ctx, out, "N");
   case PARE_FIELD_FLOAT: return pare_str_puts(ctx, out, "X");
   case PARE_FIELD_TEXT: return pare_str_puts(ctx, out, "TEXT");
   case PARE_FIELD_LIST: return pare_str_puts(ctx, out, command_line ? "TEXT,..." : "[TEXT, ...]");
   case PARE_FIELD_NUMBERS: return pare_str_puts(ctx, out, command_line ? "X,..." : "[X, ...]");
   case PARE_FIELD_INTS: return pare_str_puts(ctx, out, command_line ? "N,..." : "[N, ...]");
   case PARE_FIELD_ENUM: break;
   }
   return choices_length(field) <= LONGEST_CHOICES ? put_choices(ctx, field, "|", out)
                                                   : pare_str_puts(ctx, out, "KIND");
}

static pare_status put_left(pare_ctx *ctx, const pare_field *field, const char *prefix, pare_str *out)
{
   bool command_line = prefix[0] != 0;
   if (command_line && field->letter) PARE_TRY(pare_str_printf(ctx, out, "  -%c, ", field->letter));
   else PARE_TRY(pare_str_puts(ctx, out, command_line ? "      " : "  "));
   PARE_TRY(pare_str_printf(ctx, out, "%s%s", prefix, field->name));
   return put_value_name(ctx, field, command_line, out);
}

/* ---- the paragraph ---- */

static pare_status put_default(pare_ctx *ctx, const pare_field *field, pare_str *out)
{
   char number[PARE_NUMBER_TEXT];
   bool on = field->initial != 0;
   pare_number_text(field->initial, number);
   switch (field->kind) {
   case PARE_FIELD_BOOL: return pare_str_puts(ctx, out, on ? "default true" : "default false");
   case PARE_FIELD_INT:
   case PARE_FIELD_FLOAT: return pare_str_printf(ctx, out, "default %s", number);
   case PARE_FIELD_ENUM: return pare_str_printf(ctx, out, "default %s", field->choices[(int)field->initial]);
   case PARE_FIELD_TEXT:
   case PARE_FIELD_INTS:
   case PARE_FIELD_LIST:
   case PARE_FIELD_NUMBERS: break;
   }
   return field->initial_text ? pare_str_printf(ctx, out, "default \"%s\"", field->initial_text) : PARE_OK;
}

/* Help, then in brackets what the value must be and its default, where that says anything. */
static pare_status put_text(pare_ctx *ctx, const pare_field *field, const char *prefix, pare_str *out)
{
   pare_field_kind kind = field->kind;
   bool bounded = kind == PARE_FIELD_INT || kind == PARE_FIELD_FLOAT || kind == PARE_FIELD_ENUM;
   bool flag = field->kind == PARE_FIELD_BOOL && prefix[0] && field->initial == 0;
   bool has_default = !flag && ((bounded || field->kind == PARE_FIELD_BOOL) || field->initial_text);
   PARE_TRY(pare_str_puts(ctx, out, field->help ? field->help : ""));
   if (field->kind == PARE_FIELD_LIST && prefix[0]) PARE_TRY(pare_str_puts(ctx, out, "; may be repeated"));
   if (!bounded && !has_default) return PARE_OK;
   PARE_TRY(pare_str_puts(ctx, out, " ("));
   if (bounded) PARE_TRY(pare_field_expects(ctx, field, out));
   if (bounded && has_default) PARE_TRY(pare_str_puts(ctx, out, "; "));
   if (has_default) PARE_TRY(put_default(ctx, field, out));
   return pare_str_puts(ctx, out, ")");
}

/* Words of text from `column` on, wrapped; the line that out ends with is `used` columns long. */
static pare_status put_wrapped(pare_ctx *ctx, const char *text, int used, pare_str *out)
{
   for (bool first = true; *(text += strspn(text, " ")); first = false) {
      int size = (int)strcspn(text, " ");
      bool opens = used + 2 > TEXT_COLUMN && first;
      if (opens || (!first && used + 1 + size > WIDTH)) {
         PARE_TRY(pare_str_puts(ctx, out, "\n"));
         used = 0;
      }
      int gap = used < TEXT_COLUMN ? TEXT_COLUMN - used : 1;
      PARE_TRY(pare_str_printf(ctx, out, "%*s%.*s", gap, "", size, text));
      used += gap + size;
      text += size;
   }
   return pare_str_puts(ctx, out, "\n");
}

static pare_status put_paragraph(pare_ctx *ctx, const pare_field *field, const char *prefix, pare_str *text,
                                 pare_str *out)
{
   size_t before = out->size;
   PARE_TRY(put_left(ctx, field, prefix, out));
   PARE_TRY(put_text(ctx, field, prefix, text));
   return put_wrapped(ctx, text->data, (int)(out->size - before), out);
}

pare_status pare_fields_help(pare_ctx *ctx, const pare_field *fields, const char *prefix, pare_str *out)
{
   pare_str text = { 0 };
   pare_status status = PARE_OK;
   for (const pare_field *f = fields; f->name && status == PARE_OK; f++) {
      pare_str_clear(&text);
      status = put_paragraph(ctx, f, prefix, &text, out);
   }
   pare_str_finish(ctx, &text);
   return status;
}
