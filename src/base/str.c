/* str: see str.h. */
#include "base/str.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pare_status pare_grow(pare_ctx *ctx, void **items, size_t *capacity, size_t need, size_t size)
{
   if (need <= *capacity) return PARE_OK;
   size_t wanted = *capacity ? *capacity : 16, bytes;
   while (wanted < need) {
      if (__builtin_mul_overflow(wanted, (size_t)2, &wanted))
         return pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory");
   }
   if (__builtin_mul_overflow(wanted, size, &bytes))
      return pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory");
   void *grown = pare_realloc(ctx, *items, bytes);
   if (!grown) return PARE_RESOURCE;
   *items = grown;
   *capacity = wanted;
   return PARE_OK;
}

static pare_status reserve(pare_ctx *ctx, pare_str *str, size_t more)
{
   size_t need;
   if (__builtin_add_overflow(str->size, more, &need) || need == SIZE_MAX)
      return pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory");
   return pare_grow(ctx, (void **)&str->data, &str->capacity, need + 1, 1);
}

pare_status pare_str_append(pare_ctx *ctx, pare_str *str, const void *bytes, size_t size)
{
   PARE_TRY(reserve(ctx, str, size));
   if (size) memcpy(str->data + str->size, bytes, size);
   str->size += size;
   str->data[str->size] = 0;
   return PARE_OK;
}

pare_status pare_str_puts(pare_ctx *ctx, pare_str *str, const char *text)
{
   return pare_str_append(ctx, str, text, strlen(text));
}

pare_status pare_str_printf(pare_ctx *ctx, pare_str *str, const char *fmt, ...)
{
   va_list args;
   va_start(args, fmt);
   int length = vsnprintf(NULL, 0, fmt, args);
   va_end(args);
   PARE_TRY(reserve(ctx, str, length < 0 ? SIZE_MAX : (size_t)length));
   va_start(args, fmt);
   vsnprintf(str->data + str->size, (size_t)length + 1, fmt, args);
   va_end(args);
   str->size += (size_t)length;
   return PARE_OK;
}

void pare_str_clear(pare_str *str)
{
   str->size = 0;
   if (str->data) str->data[0] = 0;
}

void pare_str_finish(pare_ctx *ctx, pare_str *str)
{
   pare_free(ctx, str->data);
   *str = (pare_str){ 0 };
}

bool pare_ends_with(const char *text, const char *ending)
{
   size_t size = strlen(text), tail = strlen(ending);
   return size >= tail && strcmp(text + size - tail, ending) == 0;
}

/* strtod takes the decimal point of the locale, so that is put in the place of '.'. */
double pare_number_parse(const char *text, size_t size)
{
   char number[121], local[160], *end;
   if (size == 0 || size >= sizeof number) return (double)NAN;
   memcpy(number, text, size);
   number[size] = 0;
   if (strspn(number, "0123456789+-.eE") != size) return (double)NAN;
   int before = (int)strcspn(number, ".");
   const char *after = number[before] ? number + before + 1 : "";
   const char *point = number[before] ? localeconv()->decimal_point : "";
   int length = snprintf(local, sizeof local, "%.*s%s%s", before, number, point, after);
   if (length < 0 || (size_t)length >= sizeof local) return (double)NAN;
   double value = strtod(local, &end);
   return *end ? (double)NAN : value;
}
