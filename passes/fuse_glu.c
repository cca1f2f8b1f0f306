/* fuse_glu: what is applied to a product's result becomes part of the product.
 *
 * Before:  any graph.     After: "gate and up", a mul of an activated product and a product of the same input, is
 *                         one linear node of both matrices with one result (SwiGLU, Shazeer 2020), so that neither
 *                         of its factors is ever stored; "activation", a function of a product's result, is said
 *                         by the linear node itself. Matrices and biases stay what they are.
 * Leaves:  products whose results are used elsewhere too, products of several matrices.
 * Lossless: the result has the bits it had. */
#include "ir/uses.h"
#include "ops/ops.h"
#include "passes/passes.h"

static const char gated[] = "gate and up", activated[] = "activation";

/* What becomes one node. */
typedef struct match {
   pare_node *mul, *activation; /* mul: NULL for a function alone */
   pare_node *gate, *up;        /* up: NULL for a function alone */
} match;

static bool made_by(const pare_value *value, pare_op op)
{
   return value->producer && value->producer->op == op;
}

/* The value has one user, and is one of one matrix that nothing is applied to. NULL when it is, else why not. */
static const char *check_product(const pare_uses *uses, const pare_value *value)
{
   const pare_linear_attrs *attrs = value->producer->attrs;
   if (!pare_uses_only(uses, value)) return "a product has other uses";
   if (attrs->activation || attrs->gated) return "a product is activated already";
   return value->producer->n_outputs > 1 ? "a product shares its node with others" : NULL;
}

static const char *check_pair(const pare_node *gate, const pare_node *up)
{
   const pare_linear_attrs *a = gate->attrs, *b = up->attrs;
   const pare_weight *x = gate->weight[0], *y = up->weight[0];
   if (gate->input[0] != up->input[0]) return "gate and up have different inputs";
   if (a->act != b->act) return "gate and up have different activations";
   if (x->encoding.rotation != y->encoding.rotation) return "gate and up are rotated differently";
   return NULL;
}

/* The mul's operand that is a function of a product, or -1. */
static int find_gate(const pare_node *mul)
{
   for (int i = 0; i < 2; i++) {
      const pare_value *value = mul->input[i];
      if (made_by(value, PARE_OP_activation) && made_by(value->producer->input[0], PARE_OP_linear)) return i;
   }
   return -1;
}

/* NULL and the match, or why there is none; "" when it does not even begin. */
static const char *match_gated(const pare_uses *uses, pare_node *mul, match *m)
{
   int at = find_gate(mul);
   if (at < 0) return "";
   const pare_value *gate = mul->input[at], *up = mul->input[1 - at];
   *m = (match){ .mul = mul, .activation = gate->producer, .gate = gate->producer->input[0]->producer };
   if (!pare_uses_only(uses, gate)) return "the activated product has other uses";
   if (!made_by(up, PARE_OP_linear)) return "what the activated product is multiplied with is not a product";
   m->up = up->producer;
   if (!pare_type_equal(&gate->type, &up->type)) return "gate and up have different shapes";
   const char *why = check_product(uses, m->activation->input[0]);
   if (!why) why = check_product(uses, up);
   return why ? why : check_pair(m->gate, m->up);
}

static const char *match_activated(const pare_uses *uses, pare_node *activation, match *m)
{
   if (!made_by(activation->input[0], PARE_OP_linear)) return "";
   *m = (match){ .activation = activation, .gate = activation->input[0]->producer };
   return check_product(uses, activation->input[0]);
}

static bool describe(const match *m, pare_linear_attrs *attrs, pare_node_spec *spec, char name[PARE_MAX_NAME + 1])
{
   const pare_activation_attrs *activation = m->activation->attrs;
   const char *names[] = { m->gate->name, m->up ? m->up->name : m->activation->name };
   *attrs = *(const pare_linear_attrs *)m->gate->attrs;
   attrs->activation = 1 + activation->kind;
   attrs->gated = m->up != NULL;
   *spec = (pare_node_spec){ .op = PARE_OP_linear, .name = name, .n_inputs = 1, .attrs = attrs };
   spec->input[0] = m->gate->input[0];
   for (size_t i = 0; i < m->gate->n_weights; i++) spec->weight[spec->n_weights++] = m->gate->weight[i];
   for (size_t i = 0; m->up && i < m->up->n_weights; i++) spec->weight[spec->n_weights++] = m->up->weight[i];
   return pare_name_join(names, 2, name);
}

/* The new node stands where the last of the old ones did. */
static pare_status fuse(pare_ctx *ctx, pare_pass_run *run, const match *m)
{
   pare_graph *graph = run->model->graph;
   const char *pattern = m->up ? gated : activated;
   char name[PARE_MAX_NAME + 1];
   pare_linear_attrs attrs;
   pare_node_spec spec;
   pare_value *result;
   pare_node *last = m->mul ? m->mul : m->activation;
   if (!describe(m, &attrs, &spec, name))
      return pare_pass_declined(ctx, run, pattern, last->name, "the names are too long to be joined");
   PARE_TRY(pare_graph_add_node(ctx, graph, &spec, last, &result));
   pare_graph_take_over(last->output[0], result);
   if (m->mul) pare_graph_remove_node(graph, m->mul);
   pare_graph_remove_node(graph, m->activation);
   pare_graph_remove_node(graph, m->gate);
   if (m->up) pare_graph_remove_node(graph, m->up);
   return pare_pass_applied(ctx, run, pattern, name);
}

/* All matches that end in an `op`, into `out` ([nodes]); says of what only begins why it is none. */
static pare_status find(pare_ctx *ctx, pare_pass_run *run, pare_op op, match *out, size_t *count)
{
   pare_uses uses;
   pare_status status = pare_uses_find(ctx, run->model->graph, &uses);
   *count = 0;
   if (status != PARE_OK) return status;
   for (pare_node *node = run->model->graph->first; node && status == PARE_OK; node = node->next) {
      if (node->op != op) continue;
      match *m = &out[*count];
      const char *why = op == PARE_OP_mul ? match_gated(&uses, node, m) : match_activated(&uses, node, m);
      if (!why) ++*count;
      else if (*why)
         status = pare_pass_declined(ctx, run, op == PARE_OP_mul ? gated : activated, node->name, "%s", why);
   }
   pare_uses_finish(ctx, &uses);
   return status;
}

/* Matches have no node in common: their values have one user. */
static pare_status fuse_all(pare_ctx *ctx, pare_pass_run *run, pare_op op, match *room)
{
   size_t count;
   PARE_TRY(find(ctx, run, op, room, &count));
   for (size_t i = 0; i < count; i++) {
      PARE_TRY(pare_check_stop(ctx));
      PARE_TRY(fuse(ctx, run, &room[i]));
   }
   return PARE_OK;
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   match *room = pare_alloc_array(ctx, run->model->graph->n_nodes + 1, sizeof *room);
   if (!room) return PARE_RESOURCE;
   pare_status status = fuse_all(ctx, run, PARE_OP_mul, room);
   if (status == PARE_OK) status = fuse_all(ctx, run, PARE_OP_activation, room);
   pare_free(ctx, room);
   return status;
}

const pare_pass pare_pass_fuse_glu = {
   .name = "fuse_glu", .help = "activations and gates become part of the products that they are applied to",
   .fields = pare_no_fields, .run = run_pass
};
