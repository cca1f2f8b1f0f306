/* walk: finding things in a graph, and matching names against the globs of passes. */
#include <fnmatch.h>
#include <string.h>

#include "ir/graph.h"

pare_weight *pare_graph_find_weight(const pare_graph *graph, const char *name)
{
   return pare_name_index_find(&graph->weight_names, name);
}

pare_node *pare_graph_find_node(const pare_graph *graph, const char *name)
{
   return pare_name_index_find(&graph->node_names, name);
}

pare_value *pare_graph_find_value(const pare_graph *graph, const char *name)
{
   return pare_name_index_find(&graph->value_names, name);
}

pare_node *pare_weight_next_user(const pare_graph *graph, const pare_weight *weight, const pare_node *node)
{
   for (pare_node *user = node ? node->next : graph->first; user; user = user->next) {
      for (size_t i = 0; i < user->n_weights; i++) {
         if (user->weight[i] == weight) return user;
      }
   }
   return NULL;
}

static const char *without_prefix(const char *name)
{
   static const char *const prefixes[] = { "model.", "transformer." };
   for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
      size_t size = strlen(prefixes[i]);
      if (strncmp(name, prefixes[i], size) == 0) return name + size;
   }
   return name;
}

bool pare_name_matches(const char *name, const char *const *patterns, size_t count)
{
   for (size_t i = 0; i < count; i++) {
      if (fnmatch(patterns[i], name, 0) == 0) return true;
      if (fnmatch(patterns[i], without_prefix(name), 0) == 0) return true;
      if (fnmatch(without_prefix(patterns[i]), name, 0) == 0) return true;
   }
   return false;
}

/* Bytes that all names begin with, up to and with a '.'. */
static size_t common_prefix(const char *const *names, size_t n)
{
   size_t prefix = 0;
   for (size_t at = 0; names[0][at]; at++) {
      for (size_t i = 1; i < n; i++)
         if (names[i][at] != names[0][at]) return prefix;
      if (names[0][at] == '.') prefix = at + 1;
   }
   return prefix;
}

bool pare_name_join(const char *const *names, size_t n, char out[PARE_MAX_NAME + 1])
{
   size_t prefix = common_prefix(names, n), at = 0;
   for (size_t i = 0; i < n; i++) {
      const char *rest = i ? names[i] + prefix : names[i];
      size_t size = strlen(rest);
      if (at + (i > 0) + size > PARE_MAX_NAME) return false;
      if (i) out[at++] = '+';
      memcpy(out + at, rest, size);
      at += size;
   }
   out[at] = 0;
   return true;
}
