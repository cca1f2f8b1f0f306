/* passes: the table of all passes. */
#include "passes/passes.h"

#include <string.h>

static const pare_pass *const table[] = {
#define PASS(name) &pare_pass_##name,
#include "passes/passes.def"
#undef PASS
   NULL
};

const pare_pass *const *pare_passes(void)
{
   return table;
}

const pare_pass *pare_pass_find(const char *name)
{
   for (size_t i = 0; table[i]; i++)
      if (strcmp(table[i]->name, name) == 0) return table[i];
   return NULL;
}
