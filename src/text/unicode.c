/* unicode: categories and mappings from utf8proc; canonical ordering is our own, because utf8proc sorts
 * marks by exchanging neighbours, which takes quadratic time on a long run of them. */
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "text/utf8.h"

enum { LONGEST_EXPANSION = 32, SHORT_RUN = 16 };

static unsigned category_bit(uint32_t c)
{
   return 1u << (unsigned)utf8proc_category((utf8proc_int32_t)c);
}

enum {
   LETTERS = 1 << UTF8PROC_CATEGORY_LU | 1 << UTF8PROC_CATEGORY_LL | 1 << UTF8PROC_CATEGORY_LT |
             1 << UTF8PROC_CATEGORY_LM | 1 << UTF8PROC_CATEGORY_LO,
   MARKS = 1 << UTF8PROC_CATEGORY_MN | 1 << UTF8PROC_CATEGORY_MC | 1 << UTF8PROC_CATEGORY_ME,
   NUMBERS = 1 << UTF8PROC_CATEGORY_ND | 1 << UTF8PROC_CATEGORY_NL | 1 << UTF8PROC_CATEGORY_NO,
   PUNCTUATION = 1 << UTF8PROC_CATEGORY_PC | 1 << UTF8PROC_CATEGORY_PD | 1 << UTF8PROC_CATEGORY_PS |
                 1 << UTF8PROC_CATEGORY_PE | 1 << UTF8PROC_CATEGORY_PI | 1 << UTF8PROC_CATEGORY_PF |
                 1 << UTF8PROC_CATEGORY_PO,
   CONTROLS = 1 << UTF8PROC_CATEGORY_CC | 1 << UTF8PROC_CATEGORY_CF | 1 << UTF8PROC_CATEGORY_CO,
   WORDS = LETTERS | MARKS | 1 << UTF8PROC_CATEGORY_NL | 1 << UTF8PROC_CATEGORY_ND | 1 << UTF8PROC_CATEGORY_PC
};

/* Code points whose being a mark changed after Unicode 9, which is what the package's normalization knows:
 * nearly all were unassigned then. */
static const uint32_t changed_marks[][2] = {
   { 0x7fd, 0x7fd }, { 0x898, 0x89f }, { 0x8ca, 0x8d3 }, { 0x9fe, 0x9fe }, { 0xafa, 0xaff },
   { 0xb55, 0xb55 }, { 0xc04, 0xc04 }, { 0xc3c, 0xc3c }, { 0xcf3, 0xcf3 }, { 0xd00, 0xd00 },
   { 0xd3b, 0xd3c }, { 0xd81, 0xd81 }, { 0xeba, 0xeba }, { 0xece, 0xece }, { 0x1715, 0x1715 },
   { 0x180f, 0x180f }, { 0x1abf, 0x1ace }, { 0x1cf2, 0x1cf3 }, { 0x1cf7, 0x1cf7 }, { 0x1df6, 0x1dfa },
   { 0xa82c, 0xa82c }, { 0xa8ff, 0xa8ff }, { 0x10d24, 0x10d27 }, { 0x10eab, 0x10eac },
   { 0x10efd, 0x10eff }, { 0x10f46, 0x10f50 }, { 0x10f82, 0x10f85 }, { 0x11070, 0x11070 },
   { 0x11073, 0x11074 }, { 0x110c2, 0x110c2 }, { 0x11145, 0x11146 }, { 0x111c9, 0x111c9 },
   { 0x111ce, 0x111cf }, { 0x11241, 0x11241 }, { 0x1133b, 0x1133b }, { 0x1145e, 0x1145e },
   { 0x1182c, 0x1183a }, { 0x11930, 0x11935 }, { 0x11937, 0x11938 }, { 0x1193b, 0x1193e },
   { 0x11940, 0x11940 }, { 0x11942, 0x11943 }, { 0x119d1, 0x119d7 }, { 0x119da, 0x119e0 },
   { 0x119e4, 0x119e4 }, { 0x11a01, 0x11a0a }, { 0x11a33, 0x11a39 }, { 0x11a3b, 0x11a3e },
   { 0x11a47, 0x11a47 }, { 0x11a51, 0x11a5b }, { 0x11a8a, 0x11a99 }, { 0x11d31, 0x11d36 },
   { 0x11d3a, 0x11d3a }, { 0x11d3c, 0x11d3d }, { 0x11d3f, 0x11d45 }, { 0x11d47, 0x11d47 },
   { 0x11d8a, 0x11d8e }, { 0x11d90, 0x11d91 }, { 0x11d93, 0x11d97 }, { 0x11ef3, 0x11ef6 },
   { 0x11f00, 0x11f01 }, { 0x11f03, 0x11f03 }, { 0x11f34, 0x11f3a }, { 0x11f3e, 0x11f42 },
   { 0x13440, 0x13440 }, { 0x13447, 0x13455 }, { 0x16f4f, 0x16f4f }, { 0x16f7f, 0x16f87 },
   { 0x16fe4, 0x16fe4 }, { 0x16ff0, 0x16ff1 }, { 0x1cf00, 0x1cf2d }, { 0x1cf30, 0x1cf46 },
   { 0x1e08f, 0x1e08f }, { 0x1e130, 0x1e136 }, { 0x1e2ae, 0x1e2ae }, { 0x1e2ec, 0x1e2ef },
   { 0x1e4ec, 0x1e4ef },
};

static bool is_changed_mark(uint32_t c)
{
   size_t low = 0, high = sizeof changed_marks / sizeof *changed_marks;
   while (low < high) {
      size_t middle = (low + high) / 2;
      if (c > changed_marks[middle][1]) low = middle + 1;
      else high = middle;
   }
   return low < sizeof changed_marks / sizeof *changed_marks && c >= changed_marks[low][0];
}

bool pare_is_space(uint32_t c)
{
   if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
   return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
          c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Other_Alphabetic symbols: circled and squared letters. */
static bool is_letter_symbol(uint32_t c)
{
   return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
          (c >= 0x1f170 && c <= 0x1f189);
}

bool pare_is_word(uint32_t c)
{
   if (c < 0x80) return (c >= '0' && c <= '9') || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z');
   return (category_bit(c) & WORDS) || c == 0x200c || c == 0x200d || is_letter_symbol(c);
}

bool pare_is_numeric(uint32_t c)
{
   return category_bit(c) & NUMBERS;
}

bool pare_is_punctuation(uint32_t c)
{
   if (c < 0x80) return c > ' ' && c < 0x7f && !(pare_is_word(c) && c != '_');
   return category_bit(c) & PUNCTUATION;
}

bool pare_is_mark(uint32_t c)
{
   bool mark = category_bit(c) & MARKS;
   return mark != (c >= 0x80 && is_changed_mark(c));
}

bool pare_is_nonspacing_mark(uint32_t c)
{
   return category_bit(c) & (1 << UTF8PROC_CATEGORY_MN);
}

bool pare_is_control(uint32_t c)
{
   return category_bit(c) & CONTROLS;
}

size_t pare_lowercase(uint32_t c, uint32_t out[2])
{
   if (c == 0x130) { /* the only code point whose full lower case has two */
      out[0] = 'i';
      out[1] = 0x307;
      return 2;
   }
   out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
   return 1;
}

/* ---- normalization ---- */

typedef struct points {
   int32_t *data;
   size_t size, capacity;
   int32_t *sorted; /* scratch for one run of marks */
   size_t sorted_capacity;
} points;

static unsigned combining_class(int32_t c)
{
   unsigned class = (unsigned)utf8proc_get_property(c)->combining_class;
   return class && is_changed_mark((uint32_t)c) ? 0 : class;
}

static pare_status decompose(pare_ctx *ctx, const char *text, size_t size, unsigned options, points *out)
{
   int boundary = 0;
   out->size = 0;
   for (size_t at = 0; at < size; at += pare_utf8_size(text[at])) {
      PARE_TRY(pare_grow(ctx, (void **)&out->data, &out->capacity, out->size + LONGEST_EXPANSION,
                         sizeof *out->data));
      utf8proc_ssize_t got =
         utf8proc_decompose_char((utf8proc_int32_t)pare_utf8_get(text + at), out->data + out->size,
                                 LONGEST_EXPANSION, (utf8proc_option_t)options, &boundary);
      if (got < 0 || got > LONGEST_EXPANSION)
         return pare_fail(ctx, PARE_INTERNAL, NULL, "cannot decompose a character");
      out->size += (size_t)got;
   }
   return PARE_OK;
}

/* Sorts [first, last) by combining class, keeping the order of equals. */
static pare_status sort_run(pare_ctx *ctx, points *p, size_t first, size_t last)
{
   int32_t *run = p->data + first;
   size_t count = last - first, begin[257] = { 0 };
   if (count <= SHORT_RUN) {
      for (size_t i = 1; i < count; i++) {
         int32_t c = run[i];
         size_t j = i;
         for (; j > 0 && combining_class(run[j - 1]) > combining_class(c); j--) run[j] = run[j - 1];
         run[j] = c;
      }
      return PARE_OK;
   }
   PARE_TRY(pare_grow(ctx, (void **)&p->sorted, &p->sorted_capacity, count, sizeof *p->sorted));
   for (size_t i = 0; i < count; i++) begin[combining_class(run[i]) + 1]++;
   for (int k = 0; k < 256; k++) begin[k + 1] += begin[k];
   for (size_t i = 0; i < count; i++) p->sorted[begin[combining_class(run[i])]++] = run[i];
   memcpy(run, p->sorted, count * sizeof *run);
   return PARE_OK;
}

static pare_status order_marks(pare_ctx *ctx, points *p)
{
   for (size_t i = 0; i < p->size;) {
      size_t last = i;
      while (last < p->size && combining_class(p->data[last])) last++;
      if (last - i > 1) PARE_TRY(sort_run(ctx, p, i, last));
      i = last + (last == i);
   }
   return PARE_OK;
}

/* U+11A7 composes with nothing, but utf8proc drops it behind a Hangul syllable, so it always begins a new
 * stretch. */
static pare_status compose_all(pare_ctx *ctx, unsigned options, points *p)
{
   size_t kept = 0;
   for (size_t start = 0, end; start < p->size; start = end) {
      for (end = start + 1; end < p->size && p->data[end] != 0x11a7;) end++;
      utf8proc_ssize_t got = utf8proc_normalize_utf32(p->data + start, (utf8proc_ssize_t)(end - start),
                                                      (utf8proc_option_t)options);
      if (got < 0) return pare_fail(ctx, PARE_INTERNAL, NULL, "cannot compose characters");
      memmove(p->data + kept, p->data + start, (size_t)got * sizeof *p->data);
      kept += (size_t)got;
   }
   p->size = kept;
   return PARE_OK;
}

static pare_status normalize_part(pare_ctx *ctx, pare_normal_form form, const char *text, size_t size,
                                  points *p, pare_str *out)
{
   unsigned options = UTF8PROC_STABLE;
   bool compose = form == PARE_NFC || form == PARE_NFKC;
   options |= compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
   if (form == PARE_NFKC || form == PARE_NFKD) options |= UTF8PROC_COMPAT;
   PARE_TRY(decompose(ctx, text, size, options, p));
   PARE_TRY(order_marks(ctx, p));
   if (compose) PARE_TRY(compose_all(ctx, options, p));
   for (size_t i = 0; i < p->size; i++) PARE_TRY(pare_utf8_append(ctx, out, (uint32_t)p->data[i]));
   return PARE_OK;
}

static size_t ascii_run(const char *text, size_t size)
{
   size_t at = 0;
   while (at < size && (uint8_t)text[at] < 0x80) at++;
   return at;
}

/* ASCII is its own normal form and never joins what stands before it, so only each stretch of other
 * characters, with the one ASCII character that marks may follow, is worked on. */
pare_status pare_normalize(pare_ctx *ctx, pare_normal_form form, const char *text, size_t size, pare_str *out)
{
   points p = { 0 };
   pare_status status = PARE_OK;
   for (size_t at = 0; at < size && status == PARE_OK;) {
      size_t plain = ascii_run(text + at, size - at);
      bool ends = at + plain == size;
      if (plain && !ends) plain--;
      status = pare_str_append(ctx, out, text + at, plain);
      if (ends || status != PARE_OK) break;
      at += plain;
      size_t stretch = (uint8_t)text[at] < 0x80;
      while (at + stretch < size && (uint8_t)text[at + stretch] >= 0x80) stretch++;
      status = normalize_part(ctx, form, text + at, stretch, &p, out);
      at += stretch;
   }
   pare_free(ctx, p.data);
   pare_free(ctx, p.sorted);
   return status;
}
