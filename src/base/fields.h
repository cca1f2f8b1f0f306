/* fields: the one mechanism that describes op attributes, pass options and command-line options. From a
 * table come JSON decoding and encoding, text decoding, range checks, defaults, printing and help. An
 * unknown key is an error that names its JSON path and the nearest valid key. */
#ifndef PARE_BASE_FIELDS_H
#define PARE_BASE_FIELDS_H

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

typedef enum pare_field_kind {
   PARE_FIELD_BOOL,   /* bool */
   PARE_FIELD_INT,    /* int64_t, in [min, max] */
   PARE_FIELD_FLOAT,  /* double, in [min, max], finite */
   PARE_FIELD_ENUM,   /* int: index into choices */
   PARE_FIELD_TEXT,   /* const char *, NULL when not given */
   PARE_FIELD_LIST,   /* pare_list of texts; on the command line the option may be repeated */
   PARE_FIELD_NUMBERS, /* pare_numbers, each in [min, max], finite; none by default */
   PARE_FIELD_INTS    /* pare_ints, each in [min, max]; empty by default */
} pare_field_kind;

typedef struct pare_list {
   const char **items;
   size_t count;
} pare_list;

typedef struct pare_numbers {
   const double *items;
   size_t count;
} pare_numbers;

enum { PARE_MAX_INTS = 5 };

/* A few whole numbers, as plain bytes: shapes and permutations. Items past the count are 0. */
typedef struct pare_ints {
   int64_t count, items[PARE_MAX_INTS];
} pare_ints;

typedef struct pare_field {
   const char *name;
   pare_field_kind kind;
   size_t offset;              /* in the options struct */
   double min, max;            /* INT, FLOAT, items of NUMBERS and INTS */
   double initial;             /* default of BOOL, INT, FLOAT, ENUM */
   const char *const *choices; /* ENUM: NULL-terminated */
   const char *help;           /* one or two sentences, lower case, no full stop */
   const char *initial_text;   /* default of TEXT, and of LIST (one item); may be NULL */
   char letter;                /* command line: short form, or 0 */
   const char *value_name;     /* command line: what the value is called in help ("FILE"), or NULL */
   const char *needs;          /* command line: options, "a b", of which one must be given too; or NULL */
} pare_field;

/* Tables end with a field whose name is NULL. */
#define PARE_FIELDS_END { .name = NULL }
/* The table of what has no options. */
extern const pare_field pare_no_fields[];

/* Texts and lists live in `arena`. */
pare_status pare_fields_init(pare_ctx *ctx, const pare_field *fields, pare_arena *arena, void *options);
/* Sets every key of `object` (NULL: none) on already initialized options; `path` is the JSON path for
 * messages, e.g. "passes[2]". Keys named in `extra` (NULL-terminated, may be NULL) are left to the caller. */
pare_status pare_fields_from_json(pare_ctx *ctx, const pare_field *fields, const pare_json *object, const char *path,
                                  const char *const *extra, pare_arena *arena, void *options, pare_status bad);
/* Sets one field from text ("0.5", "true", "i8", "a,b"); a LIST is appended to. `where` names it in
 * messages. */
pare_status pare_fields_set(pare_ctx *ctx, const pare_field *field, const char *text, const char *where,
                            pare_arena *arena, void *options, pare_status bad);
/* The table's entry, or NULL. */
const pare_field *pare_fields_find(const pare_field *fields, const char *name);
/* Writes name and value of every field into the open JSON object; defaults too unless skip_defaults. */
pare_status pare_fields_to_json(pare_ctx *ctx, const pare_field *fields, const void *options, bool skip_defaults,
                                pare_json_writer *writer);
/* Both have the same value in every field. */
bool pare_fields_same(const pare_field *fields, const void *a, const void *b);
/* After a copy byte by byte: gives the copy numbers of its own, in `arena`. Texts and lists stay shared. */
pare_status pare_fields_own_numbers(pare_ctx *ctx, const pare_field *fields, pare_arena *arena, void *options);
/* One aligned paragraph a field: name, value, range, default, help. `prefix` is "--" on a command line,
 * else "". */
pare_status pare_fields_help(pare_ctx *ctx, const pare_field *fields, const char *prefix, pare_str *out);

/* The candidate (NULL-terminated list) nearest to `name` in edit distance, or NULL when none is near. */
const char *pare_nearest(const char *name, const char *const *candidates);

#endif
