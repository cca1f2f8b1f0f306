/* json: reading by path with typed errors, and a writer that makes exactly one valid document. The only
 * user of cJSON. */
#ifndef PARE_BASE_JSON_H
#define PARE_BASE_JSON_H

#include "base/str.h"

/* ---- reading ---- */
typedef struct cJSON pare_json; /* a value inside a document; owned by the document's root */

/* Parses the whole text; trailing bytes other than white space are an error. `where` names the source. */
pare_status pare_json_parse(pare_ctx *ctx, const char *text, size_t size, const char *where, pare_json **root);
pare_status pare_json_load(pare_ctx *ctx, const char *path, size_t limit, pare_json **root); /* a file */
void pare_json_free(pare_json *root);

bool pare_json_is_object(const pare_json *v);
bool pare_json_is_array(const pare_json *v);
bool pare_json_is_string(const pare_json *v);
bool pare_json_is_number(const pare_json *v);
bool pare_json_is_bool(const pare_json *v);
bool pare_json_is_null(const pare_json *v); /* also for v == NULL */

/* Member of an object (exact name) or NULL; v may be NULL or of any kind. */
const pare_json *pare_json_get(const pare_json *v, const char *name);
/* Iteration over array items and object members: first child, then next sibling; NULL at the end. */
const pare_json *pare_json_first(const pare_json *v);
const pare_json *pare_json_next(const pare_json *v);
size_t pare_json_count(const pare_json *v);
const char *pare_json_name(const pare_json *v);   /* of an object member */
const char *pare_json_string(const pare_json *v); /* NULL unless a string */
double pare_json_number(const pare_json *v, double fallback);
bool pare_json_bool(const pare_json *v, bool fallback);
/* PARE_OK and *out when v is a whole number in [min, max]; false otherwise. */
bool pare_json_int(const pare_json *v, int64_t min, int64_t max, int64_t *out);
/* The value as compact JSON text, appended. */
pare_status pare_json_print(pare_ctx *ctx, const pare_json *v, pare_str *out);

/* Members of an object with a default: absent or null gives the fallback, anything else that does not fit
 * fails with PARE_INPUT, naming `where` and the key. */
pare_status pare_json_read_int(pare_ctx *ctx, const pare_json *object, const char *key, const char *where, int64_t min,
                               int64_t max, int64_t fallback, int64_t *out);
pare_status pare_json_read_number(pare_ctx *ctx, const pare_json *object, const char *key,
                                  const char *where, double min, double max, double fallback, double *out);
pare_status pare_json_read_bool(pare_ctx *ctx, const pare_json *object, const char *key, const char *where,
                                bool fallback, bool *out);
pare_status pare_json_read_string(pare_ctx *ctx, const pare_json *object, const char *key, const char *where,
                                  const char *fallback, const char **out);

/* ---- writing ---- */
typedef struct pare_json_writer {
   pare_ctx *ctx;
   pare_str *out;
   int depth;
   bool pretty;            /* two-space indentation; short arrays of numbers stay on a line */
   bool has_items[64];
   pare_status status;     /* the first failure; later calls do nothing */
} pare_json_writer;

void pare_json_begin(pare_json_writer *w, pare_ctx *ctx, pare_str *out, bool pretty);
/* `name` is NULL inside arrays and at the root. NaN and infinities are written as null. */
void pare_json_open_object(pare_json_writer *w, const char *name);
void pare_json_close_object(pare_json_writer *w);
void pare_json_open_array(pare_json_writer *w, const char *name);
void pare_json_close_array(pare_json_writer *w);
void pare_json_put_string(pare_json_writer *w, const char *name, const char *text); /* NULL text writes null */
void pare_json_put_text(pare_json_writer *w, const char *name, const char *text, size_t size); /* may hold NULs */
void pare_json_put_int(pare_json_writer *w, const char *name, int64_t value);
void pare_json_put_number(pare_json_writer *w, const char *name, double value);     /* shortest text that reads back */
void pare_json_put_bool(pare_json_writer *w, const char *name, bool value);
void pare_json_put_null(pare_json_writer *w, const char *name);
void pare_json_put_value(pare_json_writer *w, const char *name, const pare_json *value); /* a parsed value */

#endif
