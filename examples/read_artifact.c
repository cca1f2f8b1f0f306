/* read_artifact: a reader of .pare files that shares no code with pare. Written from formats/ARTIFACT.md alone;
 * it needs libc and zlib.
 *
 *    cc -O2 read_artifact.c -o read_artifact -lz -lm
 *    read_artifact FILE.pare                    a table of the weights, each checked against its SHA-256
 *    read_artifact FILE.pare NAME > values.f32  one weight as f32 values, little endian, row by row
 *
 * Exit codes: 0 ok; 1 the bytes of a weight do not have their SHA-256; 2 usage; 3 not a file that can be read.
 * Read it from the end: main, then how a weight is decoded, found, and how the file is opened. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- Errors and memory ---------------------------------------------------------------------------------- */

/* Prints names from the file: control characters become '?', so that a file cannot drive the terminal. */
static const char *printable(char *text)
{
   for (char *c = text; *c; c++)
      if ((unsigned char)*c < 32 || *c == 127) *c = '?';
   return text;
}

__attribute__((format(printf, 1, 2))) static _Noreturn void die(const char *format, ...)
{
   char line[512];
   va_list args;
   va_start(args, format);
   vsnprintf(line, sizeof line, format, args);
   va_end(args);
   fprintf(stderr, "read_artifact: %s\n", printable(line));
   exit(3);
}

/* A stack of zeroed blocks: release(mark) frees all that was grabbed since top was mark. */
typedef struct block {
   struct block *below;
   max_align_t bytes[];
} block;
static block *top;

static void *grab(uint64_t size)
{
   block *b = size < SIZE_MAX / 2 ? calloc(1, sizeof *b + (size_t)size + 1) : NULL;
   if (!b) die("no memory for %" PRIu64 " bytes", size);
   b->below = top;
   top = b;
   return b->bytes;
}

static void release(block *mark)
{
   while (top != mark) {
      block *below = top->below;
      free(top);
      top = below;
   }
}

/* ---- SHA-256, FIPS 180-4 -------------------------------------------------------------------------------- */

static const uint32_t sha_round[64] = {
   0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
   0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
   0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
   0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
   0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
   0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
   0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
   0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, int by)
{
   return x >> by | x << (32 - by);
}

static void sha_block(uint32_t state[8], const uint8_t *bytes)
{
   uint32_t w[64], s[8];
   for (int i = 0; i < 16; i++)
      w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8
             | bytes[4 * i + 3];
   for (int i = 16; i < 64; i++)
      w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3)
             + (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
   memcpy(s, state, sizeof s);
   for (int i = 0; i < 64; i++) {
      uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
      uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
      uint32_t t = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + choice + sha_round[i] + w[i];
      uint32_t u = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + majority;
      memmove(s + 1, s, 7 * sizeof *s);
      s[4] += t;
      s[0] = t + u;
   }
   for (int i = 0; i < 8; i++) state[i] += s[i];
}

static void sha256_hex(const uint8_t *bytes, uint64_t size, char hex[65])
{
   uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
   uint8_t last[128] = { 0 };   /* the tail, a one bit, zeros, the length in bits */
   uint64_t whole = size / 64 * 64, tail = size - whole, end = tail < 56 ? 64 : 128;
   for (uint64_t at = 0; at < whole; at += 64) sha_block(state, bytes + at);
   for (uint64_t i = 0; i < tail; i++) last[i] = bytes[whole + i];
   last[tail] = 0x80;
   for (int i = 0; i < 8; i++) last[end - 1 - i] = (uint8_t)(size * 8 >> 8 * i);
   for (uint64_t at = 0; at < end; at += 64) sha_block(state, last + at);
   for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08" PRIx32, state[i]);
}

/* ---- JSON, RFC 8259 ------------------------------------------------------------------------------------- */

typedef enum json_kind { J_OTHER, J_FALSE, J_TRUE, J_INTEGER, J_TEXT, J_ARRAY, J_OBJECT } json_kind;
typedef struct json {
   json_kind kind;
   int64_t integer;            /* of a J_INTEGER: at most 18 digits */
   const char *key, *text;     /* its name in an object; the text of a J_TEXT */
   struct json *child, *next;  /* the first value inside; the one behind this */
} json;
typedef struct cursor {
   const char *at;     /* the text ends with a zero byte */
   int depth;
} cursor;

static bool take(cursor *c, char wanted)
{
   while (*c->at && strchr(" \t\r\n", *c->at)) c->at++;
   if (*c->at != wanted || !wanted) return false;
   c->at++;
   return true;
}

static unsigned take_hex4(cursor *c)
{
   unsigned value = 0;
   for (int i = 0; i < 4; i++, c->at++) {
      const char *digits = "0123456789abcdef0123456789ABCDEF";
      const char *digit = *c->at ? strchr(digits, *c->at) : NULL;
      if (!digit) die("bad \\u in the JSON text");
      value = value << 4 | (unsigned)(digit - digits) % 16;
   }
   return value;
}

static char *put_utf8(char *out, unsigned code)
{
   int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
   static const unsigned first[] = { 0, 0xc0, 0xe0, 0xf0 };
   *out++ = (char)(first[more] | code >> 6 * more);
   while (more--) *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
   return out;
}

static char *take_escape(cursor *c, char *out)
{
   static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
   char name = *c->at++;
   const char *known = name ? strchr(names, name) : NULL;
   if (known) return *out++ = values[known - names], out;
   if (name != 'u') die("bad escape in the JSON text");
   unsigned code = take_hex4(c);
   if (code >> 10 == 0xd800 >> 10 && c->at[0] == '\\' && c->at[1] == 'u') {
      c->at += 2;
      unsigned low = take_hex4(c);
      if (low >> 10 != 0xdc00 >> 10) die("half a surrogate pair in the JSON text");
      code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
   }
   if (code == 0 || code >> 11 == 0xd800 >> 11) die("a zero or half a surrogate pair in the JSON text");
   return put_utf8(out, code);
}

/* The text behind an opening quote. */
static const char *take_text(cursor *c)
{
   const char *end = c->at;
   while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
   char *text = grab((uint64_t)(end - c->at)), *out = text;   /* an escape is never shorter than what it says */
   while (*c->at != '"') {
      if ((unsigned char)*c->at < 32) die("a control character or the end inside a JSON string");
      if (*c->at != '\\') *out++ = *c->at++;
      else c->at++, out = take_escape(c, out);
   }
   c->at++;
   return text;
}

/* Numbers and words. The only numbers this reader needs are integers; any other is a J_OTHER. */
static void take_word(cursor *c, json *value)
{
   size_t length = strspn(c->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
   size_t digits = strspn(c->at + (*c->at == '-'), "0123456789");
   bool number = digits > 0;
   if (number && digits + (*c->at == '-') == length && digits <= 18) {
      value->kind = J_INTEGER;
      value->integer = strtoll(c->at, NULL, 10);
   } else if (length == 4 && !memcmp(c->at, "true", 4)) {
      value->kind = J_TRUE;
   } else if (length == 5 && !memcmp(c->at, "false", 5)) {
      value->kind = J_FALSE;
   } else if (!number && !(length == 4 && !memcmp(c->at, "null", 4))) {
      die("not JSON: '%.20s'", c->at);
   }
   c->at += length;
}

static json *take_value(cursor *c)
{
   json *value = grab(sizeof *value), **last = &value->child;
   if (++c->depth > 64) die("the JSON text is nested deeper than 64");
   bool object = take(c, '{'), array = !object && take(c, '[');
   value->kind = object ? J_OBJECT : array ? J_ARRAY : J_OTHER;
   char close = object ? '}' : ']';
   if ((object || array) && !take(c, close)) {
      do {
         if (object && !take(c, '"')) die("a member of a JSON object has no name");
         const char *key = object ? take_text(c) : NULL;
         if (object && !take(c, ':')) die("no ':' behind \"%s\" in the JSON text", key);
         *last = take_value(c);
         (*last)->key = key;
         last = &(*last)->next;
      } while (take(c, ','));
      if (!take(c, close)) die("no '%c' at the end of a JSON list or object", close);
   } else if (!object && !array && take(c, '"')) {
      value->kind = J_TEXT;
      value->text = take_text(c);
   } else if (!object && !array) {
      take_word(c, value);
   }
   c->depth--;
   return value;
}

/* The member of an object, which must be there and of that kind. */
static const json *member(const json *object, const char *key, json_kind kind)
{
   for (const json *m = object->child; m; m = m->next)
      if (!strcmp(m->key, key) && m->kind == kind) return m;
   die("the header or a section lacks \"%s\" of the right type", key);
}

/* ---- The file: head, foot, header, sections (sections 1 and 2 of ARTIFACT.md) --------------------------- */

typedef struct section {
   const char *name, *sha256;
   uint64_t offset, stored, size;
   bool deflated;
} section;
typedef struct artifact {
   FILE *file;
   uint64_t header_at;    /* where sections end */
   const char *graph;
   section *sections;     /* sorted by name */
   size_t count;
} artifact;

static const uint8_t *read_at(FILE *file, uint64_t offset, uint64_t size)
{
   uint8_t *bytes = grab(size);
   if (fseek(file, (long)offset, SEEK_SET) || fread(bytes, 1, size, file) != size)
      die("cannot read %" PRIu64 " bytes at %" PRIu64, size, offset);
   return bytes;
}

static const uint8_t *inflated(const uint8_t *stored, uint64_t stored_size, uint64_t size, const char *what)
{
   if (size / 1032 > stored_size) die("%s: %" PRIu64 " bytes cannot inflate to so many", what, stored_size);
   uint8_t *bytes = grab(size);
   uLongf got = size;
   uLong used = stored_size;
   if (uncompress2(bytes, &got, stored, &used) != Z_OK || got != size || used != stored_size)
      die("%s: not a zlib stream of %" PRIu64 " bytes", what, size);
   return bytes;
}

static uint64_t little_endian(const uint8_t *bytes, int count)
{
   uint64_t value = 0;
   while (count--) value = value << 8 | bytes[count];
   return value;
}

static int by_place(const void *a, const void *b)
{
   const section *x = a, *y = b;
   return x->offset != y->offset ? (x->offset > y->offset) - (x->offset < y->offset)
                                 : (x->stored > y->stored) - (x->stored < y->stored);
}

static int by_name(const void *a, const void *b)
{
   return strcmp(((const section *)a)->name, ((const section *)b)->name);
}

static section read_section(const artifact *a, const json *item)
{
   if (item->kind != J_OBJECT) die("a section of the header is not an object");
   const char *encoding = member(item, "encoding", J_TEXT)->text;
   int64_t offset = member(item, "offset", J_INTEGER)->integer;
   int64_t stored = member(item, "stored", J_INTEGER)->integer;
   int64_t size = member(item, "size", J_INTEGER)->integer;
   section s = { member(item, "name", J_TEXT)->text, member(item, "sha256", J_TEXT)->text, (uint64_t)offset,
                 (uint64_t)stored, (uint64_t)size, !strcmp(encoding, "deflate") };
   if (!s.deflated && strcmp(encoding, "raw")) die("%s: unknown encoding '%s'", s.name, encoding);
   if (offset < 64 || offset % 64 || s.offset > a->header_at || stored < 0 || s.stored > a->header_at - s.offset)
      die("%s: does not lie at a multiple of 64 between head and header", s.name);
   if (size < 0 || (!s.deflated && size != stored)) die("%s: sizes make no sense", s.name);
   return s;
}

static void read_sections(artifact *a, const json *list)
{
   for (const json *item = list->child; item; item = item->next) a->count++;
   section *s = a->sections = grab(a->count * sizeof *s);
   for (const json *item = list->child; item; item = item->next) *s++ = read_section(a, item);
   s = a->sections;
   qsort(s, a->count, sizeof *s, by_place);
   for (size_t i = 1; i < a->count; i++)
      if (s[i - 1].offset + s[i - 1].stored > s[i].offset) die("%s and %s overlap", s[i - 1].name, s[i].name);
   qsort(s, a->count, sizeof *s, by_name);
   for (size_t i = 1; i < a->count; i++)
      if (!by_name(&s[i - 1], &s[i])) die("two sections are named %s", s[i].name);
}

static artifact open_artifact(const char *path)
{
   artifact a = { fopen(path, "rb") };
   if (!a.file || fseek(a.file, 0, SEEK_END)) die("%s: cannot be opened", path);
   long end = ftell(a.file);
   if (end < 128) die("%s: too short for an artifact", path);
   uint64_t foot_at = (uint64_t)end - 64;
   const uint8_t *head = read_at(a.file, 0, 64), *foot = read_at(a.file, foot_at, 64);
   if (memcmp(head, "PARE\r\n\x1a\n", 8)) die("%s: not an artifact", path);
   if (little_endian(head + 8, 4) != 1) die("%s: version %" PRIu64 ", not 1", path, little_endian(head + 8, 4));
   if (memcmp(foot + 56, "pare end", 8)) die("%s: the end is missing", path);
   uint64_t stored = little_endian(foot + 8, 8), size = little_endian(foot + 16, 8);
   a.header_at = little_endian(foot, 8);
   if (a.header_at < 64 || a.header_at % 64 || a.header_at > foot_at || stored != foot_at - a.header_at)
      die("%s: the header is not where the foot says", path);
   const uint8_t *bytes = read_at(a.file, a.header_at, stored);
   char hex[65], wanted[65];
   sha256_hex(bytes, stored, hex);
   for (int i = 0; i < 32; i++) snprintf(wanted + 2 * i, 3, "%02x", foot[24 + i]);
   if (strcmp(hex, wanted)) die("%s: the header does not have its SHA-256", path);
   cursor c = { (const char *)inflated(bytes, stored, size, "header"), 0 };
   const char *header_end = c.at + size;
   const json *header = take_value(&c);
   take(&c, 0);
   if (header->kind != J_OBJECT || c.at != header_end) die("%s: the header is not one JSON object", path);
   if (strcmp(member(header, "schema", J_TEXT)->text, "pare.artifact/1")) die("%s: unknown schema", path);
   a.graph = member(header, "graph", J_TEXT)->text;
   read_sections(&a, member(header, "sections", J_ARRAY));
   return a;
}

/* ---- Weights (sections 3 and 4) ------------------------------------------------------------------------- */

typedef enum encoding { F32, F16, BF16, I8 } encoding;
static const char *const encoding_names[] = { "f32", "f16", "bf16", "i8" };
typedef struct weight {
   const char *name;
   int rank;
   int64_t n, k;      /* of rank 1: one row of k values */
   encoding encoding;
   bool transposed;
   int64_t rotation;  /* 0: none */
} weight;

/* Reads the properties of a weight; each may be missing. */
static void read_properties(weight *w, const json *properties)
{
   for (const json *p = properties->child; p; p = p->next) {
      if (!strcmp(p->key, "transposed") && (p->kind == J_TRUE || p->kind == J_FALSE)) w->transposed = p->kind == J_TRUE;
      else if (!strcmp(p->key, "rotation") && p->kind == J_INTEGER) w->rotation = p->integer;
      else die("%s: bad property \"%s\"", w->name, p->key);
   }
   bool known = w->rotation == 32 || w->rotation == 64 || w->rotation == 128;
   if (w->rotation && (w->encoding != I8 || !known || w->k % w->rotation)) die("%s: bad rotation", w->name);
   if (w->transposed && (w->encoding == I8 || w->rank != 2)) die("%s: cannot be transposed", w->name);
}

/* `"NAME" [N, K] ENCODING {PROPERTIES}`, up to the end of the line. */
static weight read_weight(const char *line)
{
   cursor c = { line, 0 };
   const json *name = take_value(&c), *shape = take_value(&c);
   const json *n = shape->child, *k = n ? n->next : NULL;
   if (name->kind != J_TEXT) die("a weight has no name");
   weight w = { .name = name->text, .rank = k ? 2 : 1 };
   bool integers = n && n->kind == J_INTEGER && (!k || (k->kind == J_INTEGER && !k->next));
   if (shape->kind != J_ARRAY || !integers) die("%s: bad shape", w.name);
   w.n = k ? n->integer : 1;
   w.k = k ? k->integer : n->integer;
   if (w.n < 1 || w.k < 1 || w.k > ((int64_t)1 << 40) / w.n) die("%s: no shape this reader can hold", w.name);
   size_t length = strspn(c.at += strspn(c.at, " "), "abcdefghijklmnopqrstuvwxyz0123456789"), e = 0;
   while (e < 4 && (strlen(encoding_names[e]) != length || memcmp(c.at, encoding_names[e], length))) e++;
   if (e == 4) die("%s: unknown encoding '%.*s'", w.name, (int)(length < 20 ? length : 20), c.at);
   w.encoding = (encoding)e;
   if (w.encoding == I8 && (w.rank != 2 || w.k > 65536)) die("%s: not a shape for i8", w.name);
   c.at += length;
   read_properties(&w, *(c.at += strspn(c.at, " ")) == '{' ? take_value(&c) : &(json){ 0 });
   take(&c, 0);
   if (*c.at) die("%s: what stands behind it is not understood", w.name);
   return w;
}

static uint64_t weight_bytes(const weight *w)
{
   uint64_t n = (uint64_t)w->n, k = (uint64_t)w->k;
   if (w->encoding == I8) return (n + 15) / 16 * ((k + 3) / 4 * 64 + 16 * sizeof(float));
   return n * k * (w->encoding == F32 ? 4 : 2);
}

static float float_bits(uint64_t bits)
{
   uint32_t word = (uint32_t)bits;
   float value;
   memcpy(&value, &word, sizeof value);
   return value;
}

static float half(uint64_t bits)
{
   uint64_t sign = (bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
   if (exponent == 31) return float_bits(sign | 0x7f800000 | fraction << 13);
   if (exponent > 0) return float_bits(sign | (exponent + 112) << 23 | fraction << 13);
   return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
}

static float decoded(const weight *w, const uint8_t *bytes, int64_t n, int64_t k)
{
   int64_t at = w->transposed ? k * w->n + n : n * w->k + k;
   if (w->encoding == F32) return float_bits(little_endian(bytes + 4 * at, 4));
   if (w->encoding == F16) return half(little_endian(bytes + 2 * at, 2));
   if (w->encoding == BF16) return float_bits(little_endian(bytes + 2 * at, 2) << 16);
   int64_t lines = (w->k + 3) / 4, blocks = (w->n + 15) / 16;
   int code = bytes[(n / 16 * lines + k / 4) * 64 + n % 16 * 4 + k % 4] - 128;
   return (float)code * float_bits(little_endian(bytes + blocks * lines * 64 + 4 * n, 4));
}

/* The Walsh-Hadamard transform of each block of `size` values. */
static void rotate(float *row, int64_t count, int64_t size)
{
   float factor = (float)(1 / sqrt((double)size));
   for (int64_t h = 1; h < size; h *= 2)
      for (int64_t i = 0; i < count; i++) {
         if (i & h) continue;
         float a = row[i], b = row[i + h];
         row[i] = a + b;
         row[i + h] = a - b;
      }
   for (int64_t i = 0; i < count; i++) row[i] *= factor;
}

/* Row n of the weight as f32. */
static void decode_row(const weight *w, const uint8_t *bytes, int64_t n, float *row)
{
   for (int64_t k = 0; k < w->k; k++) row[k] = decoded(w, bytes, n, k);
   if (w->rotation) rotate(row, w->k, w->rotation);
}

/* The bytes of a weight; *same says whether they have their SHA-256. */
static const uint8_t *read_content(const artifact *a, const weight *w, bool *same)
{
   char *name = grab(strlen(w->name) + 8), hex[65];
   sprintf(name, "weights/%s", w->name);
   const section *s = bsearch(&(section){ .name = name }, a->sections, a->count, sizeof *s, by_name);
   if (!s) die("%s: has no section", w->name);
   if (s->size != weight_bytes(w)) die("%s: %" PRIu64 " bytes for a weight of %" PRIu64, w->name, s->size, weight_bytes(w));
   const uint8_t *bytes = read_at(a->file, s->offset, s->stored);
   if (s->deflated) bytes = inflated(bytes, s->stored, s->size, s->name);
   sha256_hex(bytes, s->size, hex);
   *same = !strcmp(hex, s->sha256);
   return bytes;
}

/* ---- What the program prints ---------------------------------------------------------------------------- */

static bool print_weight(const artifact *a, const weight *w)
{
   bool same;
   const uint8_t *bytes = read_content(a, w, &same);
   float *row = grab((uint64_t)w->k * sizeof *row);
   double low = INFINITY, high = -INFINITY, squares = 0;
   for (int64_t n = 0; n < w->n; n++) {
      decode_row(w, bytes, n, row);
      for (int64_t k = 0; k < w->k; k++) {
         low = row[k] < low ? row[k] : low;
         high = row[k] > high ? row[k] : high;
         squares += (double)row[k] * row[k];
      }
   }
   char shape[48], *name = grab(strlen(w->name));
   snprintf(shape, sizeof shape, w->rank == 2 ? "[%" PRId64 ", %" PRId64 "]" : "[%2$" PRId64 "]", w->n, w->k);
   printf("%-44s %-16s %-4s %8" PRId64 " %-7s %12.5g %12.5g %12.5g\n", printable(strcpy(name, w->name)), shape,
          encoding_names[w->encoding], w->rotation, same ? "ok" : "BAD", low, high,
          sqrt(squares / ((double)w->n * (double)w->k)));
   return same;
}

static bool write_weight(const artifact *a, const weight *w)
{
   bool same;
   const uint8_t *bytes = read_content(a, w, &same);
   float *row = grab((uint64_t)w->k * sizeof *row);
   for (int64_t n = 0; n < w->n && same; n++) {
      decode_row(w, bytes, n, row);
      for (int64_t k = 0; k < w->k; k++) {
         uint32_t word;
         memcpy(&word, &row[k], sizeof word);
         for (int i = 0; i < 4; i++) putchar((int)(word >> 8 * i & 255));
      }
   }
   if (!same) fprintf(stderr, "read_artifact: the bytes of this weight do not have their SHA-256\n");
   return same;
}

int main(int argc, char **argv)
{
   if (argc < 2 || argc > 3) return fprintf(stderr, "usage: read_artifact FILE.pare [NAME]\n"), 2;
   artifact a = open_artifact(argv[1]);
   bool good = true, found = argc == 2;
   if (argc == 2) printf("%-44s %-16s %-4s %8s %-7s %12s %12s %12s\n", "name", "shape", "type", "rotation", "sha256",
                         "min", "max", "rms");
   for (const char *line = a.graph; *line; line += strcspn(line, "\n"), line += *line == '\n') {
      const char *word = line + strspn(line, " ");
      if (strncmp(word, "weight ", 7)) continue;
      block *mark = top;
      char *text = grab(strcspn(word, "\n"));
      memcpy(text, word + 7, strcspn(word, "\n") - 7);
      weight w = read_weight(text);
      if (argc == 2) good = print_weight(&a, &w) && good;
      else if (!strcmp(w.name, argv[2])) found = good = write_weight(&a, &w);
      release(mark);
   }
   if (good && !found) die("%s: no weight of that name", argv[2]);
   if (fflush(stdout)) die("cannot write the output");
   fclose(a.file);
   release(NULL);
   return good ? 0 : 1;
}
