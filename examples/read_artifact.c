/* read_artifact: a reader of .pare files that shares no code with pare. It was written from
 * formats/ARTIFACT.md alone and needs libc, zlib and read_json.h:
 *    cc -O2 read_artifact.c -o read_artifact -lz -lm
 *
 *    read_artifact FILE.pare                    a table of the weights, each checked against its SHA-256
 *    read_artifact FILE.pare NAME > values.f32  one weight as f32 values, little endian, row by row
 *
 * Exit codes: 0 ok; 1 the table has a weight whose bytes do not have their SHA-256; 2 usage; 3 not a file
 * that can be read. Start at the end: main, how a weight is shown, decoded and found, how the file is
 * opened. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "read_json.h"

/* ---- SHA-256, FIPS 180-4 */

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

/* ---- The file: head, foot, header (section 1 of ARTIFACT.md) */

typedef struct artifact {
   FILE *file;
   uint64_t header_at;   /* where sections end */
   const json *header;
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

/* The bytes of the header, once head and foot are as they should be. */
static const uint8_t *find_header(artifact *a, const uint8_t **foot)
{
   long end = fseek(a->file, 0, SEEK_END) ? -1 : ftell(a->file);
   if (end < 128) die("too short for an artifact");
   uint64_t foot_at = (uint64_t)end - 64;
   const uint8_t *head = read_at(a->file, 0, 64);
   *foot = read_at(a->file, foot_at, 64);
   if (memcmp(head, "PARE\r\n\x1a\n", 8)) die("not an artifact");
   if (little_endian(head + 8, 4) != 1) die("version %" PRIu64 ", not 1", little_endian(head + 8, 4));
   for (int i = 12; i < 64; i++)
      if (head[i]) die("bytes 12 to 63 are not zeros");
   if (memcmp(*foot + 56, "pare end", 8)) die("the end of the artifact is missing");
   a->header_at = little_endian(*foot, 8);
   if (a->header_at < 64 || a->header_at % 64 || a->header_at > foot_at
       || little_endian(*foot + 8, 8) != foot_at - a->header_at)
      die("the header is not where the foot says");
   return read_at(a->file, a->header_at, foot_at - a->header_at);
}

static artifact open_artifact(const char *path)
{
   artifact a = { fopen(path, "rb"), 0, NULL };
   if (!a.file) die("%s: cannot be opened", path);
   const uint8_t *foot, *stored = find_header(&a, &foot);
   uint64_t stored_size = little_endian(foot + 8, 8), size = little_endian(foot + 16, 8);
   char hex[65], wanted[65];
   sha256_hex(stored, stored_size, hex);
   for (int i = 0; i < 32; i++) snprintf(wanted + 2 * i, 3, "%02x", foot[24 + i]);
   if (strcmp(hex, wanted)) die("the header does not have its SHA-256");
   cursor c = { (const char *)inflated(stored, stored_size, size, "the header"), 0 };
   const char *end = c.at + size;
   a.header = take_value(&c);
   skip_spaces(&c);
   if (a.header->kind != J_OBJECT || c.at != end) die("the header is not one JSON object");
   if (strcmp(member(a.header, "schema", J_TEXT)->text, "pare.artifact/1")) die("unknown schema");
   return a;
}

/* ---- Weights (sections 2, 3 and 4) */

typedef enum encoding { F32, F16, BF16, I8, I4, I3, I2 } encoding;
static const char *const encoding_names[] = { "f32", "f16", "bf16", "i8", "i4", "i3", "i2" };
typedef struct weight {
   const char *name;
   int rank;
   int64_t n, k;      /* of rank 1: one row of k values */
   encoding encoding;
   bool transposed;
   int64_t rotation;  /* 0: none */
   int64_t group;     /* i4, i3, i2: inputs of a multiplier */
} weight;

static bool is_block_size(int64_t size)
{
   return size == 32 || size == 64 || size == 128;
}

static void read_properties(weight *w, const json *properties)
{
   if (properties->kind != J_OBJECT) die("%s: bad properties", w->name);
   for (const json *p = properties->child; p; p = p->next) {
      bool flag = p->kind == J_TRUE || p->kind == J_FALSE;
      if (!strcmp(p->key, "transposed") && flag) w->transposed = p->kind == J_TRUE;
      else if (!strcmp(p->key, "rotation") && p->kind == J_INTEGER) w->rotation = p->integer;
      else if (!strcmp(p->key, "group") && p->kind == J_INTEGER) w->group = p->integer;
      else die("%s: bad property \"%s\"", w->name, p->key);
   }
   bool integers = w->encoding >= I8;
   if (w->rotation && (!integers || !is_block_size(w->rotation) || w->k % w->rotation))
      die("%s: bad rotation", w->name);
   if (w->transposed && (integers || w->rank != 2)) die("%s: cannot be transposed", w->name);
}

static void check_shape(const weight *w)
{
   if (w->encoding >= I8 && (w->rank != 2 || w->k > 65536))
      die("%s: not a shape for %s", w->name, encoding_names[w->encoding]);
   if (w->encoding > I8 ? !is_block_size(w->group) : w->group != 0) die("%s: bad group", w->name);
}

static encoding find_encoding(const char *name, cursor *c)
{
   skip_spaces(c);
   size_t length = strcspn(c->at, " {");
   for (int e = F32; e <= I2; e++)
      if (strlen(encoding_names[e]) == length && !memcmp(c->at, encoding_names[e], length))
         return c->at += length, (encoding)e;
   die("%s: unknown encoding '%.20s'", name, c->at);
}

/* `"NAME" [N, K] ENCODING {PROPERTIES}`, up to the end of the text. */
static weight read_weight(const char *text)
{
   cursor c = { text, 0 };
   const json *name = take_value(&c), *shape = take_value(&c);
   const json *first = shape->child, *second = first ? first->next : NULL;
   if (name->kind != J_TEXT) die("a weight has no name");
   weight w = { .name = name->text, .rank = second ? 2 : 1, .n = 1 };
   if (shape->kind != J_ARRAY || !first || first->kind != J_INTEGER
       || (second && (second->kind != J_INTEGER || second->next)))
      die("%s: bad shape", w.name);
   if (second) w.n = first->integer;
   w.k = (second ? second : first)->integer;
   if (w.n < 1 || w.k < 1 || w.k > ((int64_t)1 << 40) / w.n) die("%s: no shape this reader can hold", w.name);
   w.encoding = find_encoding(w.name, &c);
   skip_spaces(&c);
   if (*c.at) read_properties(&w, take_value(&c));
   check_shape(&w);
   skip_spaces(&c);
   if (*c.at) die("%s: more than a weight on its line", w.name);
   return w;
}

/* Bits of a level; i4, i3, i2. */
static int64_t bits_of(const weight *w)
{
   return w->encoding == I4 ? 4 : w->encoding == I3 ? 3 : 2;
}

/* Of 16 output channels. */
static int64_t block_bytes(const weight *w)
{
   if (w->encoding == I8) return (w->k + 3) / 4 * 64;
   int64_t groups = (w->k + w->group - 1) / w->group;
   return ((groups + 3) / 4 + groups * w->group / 32 * bits_of(w)) * 64;
}

static uint64_t weight_bytes(const weight *w)
{
   uint64_t n = (uint64_t)w->n, k = (uint64_t)w->k;
   if (w->encoding >= I8) return (n + 15) / 16 * ((uint64_t)block_bytes(w) + 16 * sizeof(float));
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

/* The level at byte b of line j of an eight. */
static int level(const weight *w, const uint8_t *eight, int64_t j, int64_t b)
{
   if (w->encoding == I4) return eight[j / 2 * 64 + b] >> j % 2 * 4 & 15;
   int low = eight[j / 4 * 64 + b] >> j % 4 * 2 & 3;
   return w->encoding == I2 ? low : low | (eight[128 + b] >> j & 1) << 2;
}

/* What i8 has as its code. */
static int grouped_code(const weight *w, const uint8_t *bytes, int64_t channel, int64_t k)
{
   int64_t group = k / w->group, bits = bits_of(w), eights = w->group / 32, eight = k / 32;
   int64_t four_bytes = (1 + 4 * eights * bits) * 64;
   int multiplier = bytes[group / 4 * four_bytes + channel * 4 + group % 4];
   int magnitude = multiplier & 15, up = multiplier >> 4 & 1;
   const uint8_t *planes = bytes + (eight / eights / 4 + 1 + eight * bits) * 64;
   int u = level(w, planes, k % 32 / 4, channel * 4 + k % 4);
   if (w->encoding == I2) return magnitude * (2 * u - 3);
   return magnitude * (u - (w->encoding == I4 ? 8 : 4) + up);
}

static float decoded(const weight *w, const uint8_t *bytes, int64_t n, int64_t k)
{
   int64_t at = w->transposed ? k * w->n + n : n * w->k + k;
   if (w->encoding == F32) return float_bits(little_endian(bytes + 4 * at, 4));
   if (w->encoding == F16) return half(little_endian(bytes + 2 * at, 2));
   if (w->encoding == BF16) return float_bits(little_endian(bytes + 2 * at, 2) << 16);
   const uint8_t *part = bytes + n / 16 * block_bytes(w), *scales = bytes + (w->n + 15) / 16 * block_bytes(w);
   int code = w->encoding == I8 ? part[k / 4 * 64 + n % 16 * 4 + k % 4] - 128
                                : grouped_code(w, part, n % 16, k);
   return (float)code * float_bits(little_endian(scales + 4 * n, 4));
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

/* The object in the list "sections" that is named after a weight. */
static const json *find_section(const json *sections, const char *weight_name)
{
   for (const json *s = sections->child; s; s = s->next) {
      if (s->kind != J_OBJECT) die("a section is not an object");
      const char *name = member(s, "name", J_TEXT)->text;
      if (!strncmp(name, "weights/", 8) && !strcmp(name + 8, weight_name)) return s;
   }
   die("%s: has no section", weight_name);
}

/* The bytes of a weight; *same says whether they have their SHA-256. */
static const uint8_t *read_content(const artifact *a, const weight *w, bool *same)
{
   const json *s = find_section(member(a->header, "sections", J_ARRAY), w->name);
   int64_t offset = member(s, "offset", J_INTEGER)->integer, stored = member(s, "stored", J_INTEGER)->integer;
   const char *stored_as = member(s, "encoding", J_TEXT)->text;
   bool raw = !strcmp(stored_as, "raw");
   uint64_t size = weight_bytes(w), end = a->header_at;
   if (offset < 64 || offset % 64 || (uint64_t)offset > end || stored < 0
       || (uint64_t)stored > end - (uint64_t)offset)
      die("%s: does not lie at a multiple of 64 between head and header", w->name);
   if (member(s, "size", J_INTEGER)->integer != (int64_t)size || (raw && (uint64_t)stored != size))
      die("%s: its section does not hold the %" PRIu64 " bytes of its shape", w->name, size);
   if (!raw && strcmp(stored_as, "deflate")) die("%s: is stored in an unknown way", w->name);
   const uint8_t *bytes = read_at(a->file, (uint64_t)offset, (uint64_t)stored);
   if (!raw) bytes = inflated(bytes, (uint64_t)stored, size, w->name);
   char hex[65];
   sha256_hex(bytes, size, hex);
   *same = !strcmp(hex, member(s, "sha256", J_TEXT)->text);
   return bytes;
}

/* ---- What the program prints */

static void put_float(float value)
{
   uint32_t word;
   memcpy(&word, &value, sizeof word);
   for (int i = 0; i < 4; i++) putchar((int)(word >> 8 * i & 255));
}

/* Its line of the table or, if dump, its values. False if the bytes do not have their SHA-256. */
static bool show_weight(const artifact *a, const weight *w, bool dump)
{
   bool same;
   const uint8_t *bytes = read_content(a, w, &same);
   float *row = grab((uint64_t)w->k * sizeof *row);
   double low = INFINITY, high = -INFINITY, squares = 0;
   if (dump && !same) die("%s: its bytes do not have their SHA-256", w->name);
   for (int64_t n = 0; n < w->n; n++) {
      decode_row(w, bytes, n, row);
      for (int64_t k = 0; k < w->k; k++) {
         if (dump) put_float(row[k]);
         low = row[k] < low ? row[k] : low;
         high = row[k] > high ? row[k] : high;
         squares += (double)row[k] * row[k];
      }
   }
   if (dump) return true;
   char shape[48], *name = grab(strlen(w->name));
   snprintf(shape, sizeof shape, w->rank == 1 ? "[%" PRId64 "]" : "[%" PRId64 ", %" PRId64 "]",
            w->rank == 1 ? w->k : w->n, w->k);
   printf("%-44s %-16s %-4s %8" PRId64 " %-6s %12.5g %12.5g %12.5g\n", printable(strcpy(name, w->name)),
          shape, encoding_names[w->encoding], w->rotation, same ? "ok" : "BAD", low, high,
          sqrt(squares / ((double)w->n * (double)w->k)));
   return same;
}

int main(int argc, char **argv)
{
   if (argc < 2 || argc > 3) return fprintf(stderr, "usage: read_artifact FILE.pare [NAME]\n"), 2;
   artifact a = open_artifact(argv[1]);
   bool table = argc == 2, good = true, found = table;
   if (table)
      printf("%-44s %-16s %-4s %8s %-6s %12s %12s %12s\n", "name", "shape", "type", "rotation", "sha256",
             "min", "max", "rms");
   const char *line = member(a.header, "graph", J_TEXT)->text;
   for (const char *end; *line; line = end + (*end == '\n')) {
      end = line + strcspn(line, "\n");
      line += strspn(line, " ");
      if (strncmp(line, "weight ", 7)) continue;
      block *mark = top;
      weight w = read_weight(memcpy(grab((uint64_t)(end - line)), line + 7, (size_t)(end - line) - 7));
      bool wanted = table || !strcmp(w.name, argv[2]);
      good = (!wanted || show_weight(&a, &w, !table)) && good;
      found = found || wanted;
      release(mark);
   }
   if (!found) die("%s: no weight of that name", argv[2]);
   if (fflush(stdout) || ferror(stdout)) die("cannot write the output");
   fclose(a.file);
   release(NULL);
   return good ? 0 : 1;
}
