/* uses: see uses.h. */
#include "ir/uses.h"

static void count(const pare_graph *graph, pare_uses *uses)
{
   for (const pare_node *node = graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_inputs; i++) uses->first[node->input[i]->index + 1]++;
   }
   for (size_t i = 0; i < graph->n_outputs; i++) uses->is_output[graph->outputs[i]->index] = true;
   for (size_t i = 0; i < graph->n_values; i++) uses->first[i + 1] += uses->first[i];
}

/* first[i] moves to the end of value i's users while they are filled in, which is where those of i + 1 begin. */
static void fill(pare_graph const *graph, pare_uses *uses)
{
   for (pare_node *node = graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_inputs; i++) uses->user[uses->first[node->input[i]->index]++] = node;
   }
   for (size_t i = graph->n_values; i > 0; i--) uses->first[i] = uses->first[i - 1];
   uses->first[0] = 0;
}

pare_status pare_uses_find(pare_ctx *ctx, const pare_graph *graph, pare_uses *out)
{
   *out = (pare_uses){ 0 };
   out->first = pare_alloc_array(ctx, graph->n_values + 2, sizeof *out->first);
   out->is_output = pare_alloc_array(ctx, graph->n_values + 1, sizeof *out->is_output);
   if (out->first && out->is_output) {
      count(graph, out);
      out->user = pare_alloc_array(ctx, out->first[graph->n_values] + 1, sizeof(pare_node *));
   }
   if (!out->user) {
      pare_uses_finish(ctx, out);
      return PARE_RESOURCE;
   }
   fill(graph, out);
   return PARE_OK;
}

void pare_uses_finish(pare_ctx *ctx, pare_uses *uses)
{
   pare_free(ctx, uses->first);
   pare_free(ctx, uses->user);
   pare_free(ctx, uses->is_output);
   *uses = (pare_uses){ 0 };
}
