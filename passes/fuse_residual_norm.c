/* fuse_residual_norm: a sum and the norm of it become one operation, a row at a time.
 *
 * Before:  any graph.     After: an add whose result an rms_norm or layer_norm reads is a residual_norm with both
 *                         results. Gains and biases stay what they are.
 * Leaves:  norms of what is no sum, norms of runs within rows, a second norm of the same sum.
 * Lossless: both results have the bits they had. */
#include "ops/ops.h"
#include "passes/passes.h"

static const char pattern[] = "sum and norm";

static bool is_norm(const pare_node *node)
{
   return node->op == PARE_OP_rms_norm || node->op == PARE_OP_layer_norm;
}

/* NULL when the norm and what it reads become one, else why not. */
static const char *refusal(const pare_node *norm)
{
   const pare_value *sum = norm->input[0];
   if (sum->producer && sum->producer->op == PARE_OP_residual_norm) return "the sum has another norm already";
   if (!sum->producer || sum->producer->op != PARE_OP_add) return "its input is no sum";
   const pare_node *add = sum->producer;
   if (!pare_type_equal(&add->input[0]->type, &add->input[1]->type)) return "the sum is of different shapes";
   return norm->weight[0]->dim[0] == sum->type.dim[sum->type.rank - 1] ? NULL : "it normalizes runs within rows";
}

static bool describe(const pare_node *add, const pare_node *norm, pare_residual_norm_attrs *attrs,
                     pare_node_spec *spec, char name[PARE_MAX_NAME + 1])
{
   const char *names[] = { add->name, norm->name };
   *attrs = (pare_residual_norm_attrs){ .norm = *(const pare_norm_attrs *)norm->attrs,
                                        .kind = norm->op == PARE_OP_rms_norm ? PARE_NORM_RMS : PARE_NORM_LAYER };
   *spec = (pare_node_spec){ .op = PARE_OP_residual_norm, .name = name, .n_inputs = 2, .attrs = attrs };
   spec->input[0] = add->input[0];
   spec->input[1] = add->input[1];
   for (size_t i = 0; i < norm->n_weights; i++) spec->weight[spec->n_weights++] = norm->weight[i];
   return pare_name_join(names, 2, name);
}

/* The new node stands where the sum did: others may read it before the norm does. */
static pare_status fuse(pare_ctx *ctx, pare_pass_run *run, pare_node *norm)
{
   pare_graph *graph = run->model->graph;
   pare_node *add = norm->input[0]->producer;
   char name[PARE_MAX_NAME + 1];
   pare_residual_norm_attrs attrs;
   pare_node_spec spec;
   pare_value *results[PARE_MAX_OUTPUTS];
   if (!describe(add, norm, &attrs, &spec, name))
      return pare_pass_declined(ctx, run, pattern, norm->name, "the names are too long to be joined");
   PARE_TRY(pare_graph_add_node(ctx, graph, &spec, add, results));
   pare_graph_take_over(norm->output[0], results[1]);
   pare_graph_remove_node(graph, norm);
   pare_graph_take_over(add->output[0], results[0]);
   pare_graph_remove_node(graph, add);
   return pare_pass_applied(ctx, run, pattern, name);
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   for (pare_node *node = run->model->graph->first, *next; node; node = next) {
      next = node->next;
      if (!is_norm(node)) continue;
      PARE_TRY(pare_check_stop(ctx));
      const char *why = refusal(node);
      PARE_TRY(why ? pare_pass_declined(ctx, run, pattern, node->name, "%s", why) : fuse(ctx, run, node));
   }
   return PARE_OK;
}

const pare_pass pare_pass_fuse_residual_norm = {
   .name = "fuse_residual_norm", .help = "a sum and the norm of it become one operation",
   .fields = pare_no_fields, .run = run_pass
};
