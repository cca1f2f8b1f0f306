/* lookup: see lookup.h. Hash chains, as in LZ77: the last place of each hash of `gram` tokens, and for each
 * place the one before it of the same hash. A search walks a bounded number of them. */
#include "run/lookup.h"

#include <string.h>

enum { USUAL_GRAM = 2, MOST_LONGEST = 64, MOST_WALKED = 64, LEAST_BITS = 8, MOST_BITS = 18 };

/* A place is that of the last token of a gram, plus 1; 0 is none. */
struct pare_lookup {
   int64_t longest, gram, context;
   int64_t indexed; /* grams that end before this token are in the chains */
   int bits;
   int32_t *last;    /* [1 << bits] */
   int32_t *earlier; /* [context] */
};

pare_status pare_lookup_create(pare_ctx *ctx, int64_t longest, int64_t context, pare_lookup **out)
{
   if (longest < 1 || longest > MOST_LONGEST || context < 1 || context >= INT32_MAX)
      return pare_fail(ctx, PARE_USAGE, NULL, "look-up of %lld tokens in %lld, expected 1 to %d",
                       (long long)longest, (long long)context, MOST_LONGEST);
   pare_lookup *l = pare_alloc(ctx, sizeof *l);
   if (!l) return PARE_RESOURCE;
   l->longest = longest;
   l->gram = longest < USUAL_GRAM ? longest : USUAL_GRAM;
   l->context = context;
   l->bits = LEAST_BITS;
   while (l->bits < MOST_BITS && (int64_t)1 << l->bits < context) l->bits++;
   l->last = pare_alloc_array(ctx, (size_t)1 << l->bits, sizeof *l->last);
   l->earlier = pare_alloc_array(ctx, (size_t)context, sizeof *l->earlier);
   if (!l->last || !l->earlier) {
      pare_lookup_destroy(ctx, l);
      return PARE_RESOURCE;
   }
   pare_lookup_start(l);
   *out = l;
   return PARE_OK;
}

void pare_lookup_destroy(pare_ctx *ctx, pare_lookup *l)
{
   if (!l) return;
   pare_free(ctx, l->last);
   pare_free(ctx, l->earlier);
   pare_free(ctx, l);
}

void pare_lookup_start(pare_lookup *l)
{
   l->indexed = l->gram - 1;
   memset(l->last, 0, ((size_t)1 << l->bits) * sizeof *l->last);
}

int64_t pare_lookup_shortest(const pare_lookup *l)
{
   return l->gram;
}

/* The chain of the gram that ends with text[at]. */
static int32_t *chain_of(pare_lookup *l, const uint32_t *text, int64_t at)
{
   uint64_t hash = 0;
   for (int64_t i = 0; i < l->gram; i++) hash = (hash + text[at - i] + 1) * 0x9e3779b97f4a7c15u;
   return &l->last[hash >> (64 - l->bits)];
}

static void index_up_to(pare_lookup *l, const uint32_t *text, int64_t end)
{
   for (; l->indexed < end; l->indexed++) {
      int32_t *last = chain_of(l, text, l->indexed);
      l->earlier[l->indexed] = *last;
      *last = (int32_t)l->indexed + 1;
   }
}

/* How many tokens up to text[a] and text[b] are the same; a < b. */
static int64_t match_length(const pare_lookup *l, const uint32_t *text, int64_t a, int64_t b)
{
   int64_t most = a + 1 < l->longest ? a + 1 : l->longest, same = 0;
   while (same < most && text[a - same] == text[b - same]) same++;
   return same;
}

/* The place after the best match of the text's end, or -1. */
static int64_t find(pare_lookup *l, const uint32_t *text, int64_t n, int64_t least)
{
   int64_t best = -1, length = least - 1;
   int32_t place = *chain_of(l, text, n - 1);
   for (int walked = 0; place && walked < MOST_WALKED && length < l->longest; walked++) {
      int64_t same = match_length(l, text, place - 1, n - 1);
      if (same > length) {
         length = same;
         best = place;
      }
      place = l->earlier[place - 1];
   }
   return best;
}

/* A match near the end runs on into its own guesses: what repeats goes on repeating. */
int64_t pare_lookup_guess(pare_lookup *l, uint32_t *text, int64_t n, int64_t least, int64_t most)
{
   if (n < l->gram || n > l->context) return 0;
   index_up_to(l, text, n - 1);
   int64_t from = find(l, text, n, least < l->gram ? l->gram : least);
   if (from < 0) return 0;
   for (int64_t i = 0; i < most; i++) text[n + i] = text[from + i];
   return most;
}
