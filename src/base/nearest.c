/* nearest: what the user may have meant. Edit distance with transpositions (optimal string alignment), at
 * most a third of the name and never more than 2; else a name that begins the other one. */
#include <string.h>

#include "base/fields.h"

enum { LONGEST = 64, TOO_FAR = 3 };

static int least(int a, int b)
{
   return a < b ? a : b;
}

/* Edits from a to b; TOO_FAR when either is too long to be a key. */
static int distance(const char *a, const char *b)
{
   int size_a = (int)strnlen(a, LONGEST + 1), size_b = (int)strnlen(b, LONGEST + 1);
   int rows[3][LONGEST + 1];
   if (size_a > LONGEST || size_b > LONGEST) return TOO_FAR;
   for (int j = 0; j <= size_b; j++) rows[0][j] = j;
   for (int i = 1; i <= size_a; i++) {
      int *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
      row[0] = i;
      for (int j = 1; j <= size_b; j++) {
         row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
         bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
         if (swapped) row[j] = least(row[j], before[j - 2] + 1);
      }
   }
   return rows[size_a % 3][size_b];
}

static bool begins(const char *name, const char *other)
{
   size_t size = strlen(name);
   return size >= 2 && strncmp(name, other, size) == 0;
}

const char *pare_nearest(const char *name, const char *const *candidates)
{
   int size = (int)strnlen(name, LONGEST + 1), best = least(2, (size + 2) / 3) + 1;
   const char *near = NULL;
   for (const char *const *c = candidates; *c; c++) {
      int edits = distance(name, *c);
      if (edits >= best) continue;
      best = edits;
      near = *c;
   }
   for (const char *const *c = candidates; *c && !near; c++)
      if (begins(name, *c) || begins(*c, name)) near = *c;
   return near;
}
