/* type: see type.h. */
#include "ir/type.h"

#include <string.h>

static const struct {
   const char *name;
   size_t size;
} dtypes[PARE_DTYPE_COUNT] = {
#define DTYPE(symbol, name, bytes) { name, bytes },
#include "ir/dtype.def"
#undef DTYPE
};

/* dim_names[i] is the name of dimension -1 - i. */
static const char *const dim_names[] = { "tokens", "rows", "slots", "past" };
enum { N_SYMBOLS = sizeof dim_names / sizeof *dim_names };

const char *pare_dtype_name(pare_dtype dtype)
{
   return dtypes[dtype].name;
}

size_t pare_dtype_size(pare_dtype dtype)
{
   return dtypes[dtype].size;
}

bool pare_dtype_parse(const char *name, pare_dtype *out)
{
   for (int i = 0; i < PARE_DTYPE_COUNT; i++) {
      if (strcmp(dtypes[i].name, name) != 0) continue;
      *out = (pare_dtype)i;
      return true;
   }
   return false;
}

const char *pare_dim_name(int64_t dim)
{
   return dim < 0 && dim >= -N_SYMBOLS ? dim_names[-1 - dim] : NULL;
}

bool pare_dim_parse(const char *name, int64_t *out)
{
   for (int i = 0; i < N_SYMBOLS; i++) {
      if (strcmp(dim_names[i], name) != 0) continue;
      *out = -1 - i;
      return true;
   }
   return false;
}

pare_type pare_type_of(pare_dtype dtype, int rank, const int64_t *dim)
{
   pare_type type = { .dtype = dtype, .rank = rank };
   for (int i = 0; i < rank && i < PARE_MAX_RANK; i++) type.dim[i] = dim[i];
   return type;
}

bool pare_type_valid(const pare_type *type)
{
   if ((unsigned)type->dtype >= PARE_DTYPE_COUNT || type->rank < 1 || type->rank > PARE_MAX_RANK)
      return false;
   int64_t count = 1;
   for (int i = 0; i < type->rank; i++) {
      if (pare_dim_name(type->dim[i])) continue;
      if (type->dim[i] < 1 || __builtin_mul_overflow(count, type->dim[i], &count)) return false;
   }
   return count <= PARE_MAX_ELEMENTS;
}

bool pare_type_equal(const pare_type *a, const pare_type *b)
{
   if (a->dtype != b->dtype || a->rank != b->rank) return false;
   for (int i = 0; i < a->rank; i++) {
      if (a->dim[i] != b->dim[i]) return false;
   }
   return true;
}

pare_status pare_type_print(pare_ctx *ctx, const pare_type *type, pare_str *out)
{
   PARE_TRY(pare_str_puts(ctx, out, pare_dtype_name(type->dtype)));
   for (int i = 0; i < type->rank; i++) {
      PARE_TRY(pare_str_puts(ctx, out, i ? ", " : "["));
      const char *symbol = pare_dim_name(type->dim[i]);
      if (symbol) PARE_TRY(pare_str_puts(ctx, out, symbol));
      else PARE_TRY(pare_str_printf(ctx, out, "%lld", (long long)type->dim[i]));
   }
   return pare_str_puts(ctx, out, "]");
}
