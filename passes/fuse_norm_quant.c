/* fuse_norm_quant: the activations of products of integers are made once, by what computes them.
 *
 * Before:  products of integers quantize their f32 input by themselves.
 * After:   "norm and activations", a norm that only such products read delivers int8 activations, so that norm,
 *          gain, rotation and rounding are one pass over a row; "activations", any other value that such products
 *          read, is quantized by one node for all of them.
 * Leaves:  values whose products are rotated differently; products of floats, and those of integers whose activations
 *          are i16 or f32.
 * Lossless: the products get the activations they had. */
#include <stdio.h>

#include "ir/uses.h"
#include "ops/ops.h"
#include "passes/passes.h"

static const char by_norm[] = "norm and activations", by_itself[] = "activations";

static bool quantizes(const pare_node *node)
{
   return node->op == PARE_OP_linear && ((const pare_linear_attrs *)node->attrs)->act == PARE_ACT_I8 &&
          node->input[0]->type.dtype == PARE_F32;
}

/* Products of integers whose activations are not i8. */
static const char *why_not(const pare_node *node)
{
   if (node->op != PARE_OP_linear || pare_encoding_is_float(node->weight[0]->encoding.kind)) return NULL;
   switch (((const pare_linear_attrs *)node->attrs)->act) {
   case PARE_ACT_I16: return "its activations are i16, only i8 can be delivered";
   case PARE_ACT_F32: return "its activations are f32, only i8 can be delivered";
   default: return NULL;
   }
}

/* What the users of a value are. */
typedef struct readers {
   bool only_products; /* nothing but products of integers reads it */
   bool alike;         /* those are rotated in one way */
} readers;

static readers look_at(const pare_uses *uses, const pare_value *value, int64_t rotation)
{
   readers found = { !uses->is_output[value->index], true };
   for (size_t i = uses->first[value->index]; i < uses->first[value->index + 1]; i++) {
      const pare_node *user = uses->user[i];
      if (!quantizes(user)) found.only_products = false;
      else if (user->weight[0]->encoding.rotation != rotation) found.alike = false;
   }
   return found;
}

/* The attributes that say what a norm delivers; NULL when the value is no norm's result. */
static pare_norm_attrs *norm_of(const pare_value *value)
{
   pare_node *node = value->producer;
   if (!node) return NULL;
   if (node->op == PARE_OP_rms_norm || node->op == PARE_OP_layer_norm) return node->attrs;
   if (node->op != PARE_OP_residual_norm || value != node->output[1]) return NULL;
   return &((pare_residual_norm_attrs *)node->attrs)->norm;
}

static pare_status by_the_norm(pare_ctx *ctx, pare_pass_run *run, pare_value *value, int64_t rotation)
{
   pare_norm_attrs *attrs = norm_of(value);
   attrs->result = PARE_ACT_I8;
   attrs->rotation = rotation;
   value->type.dtype = PARE_I8;
   return pare_pass_applied(ctx, run, by_norm, value->producer->name);
}

/* One node before the first of the products, for all of them. */
static pare_status by_a_node(pare_ctx *ctx, pare_pass_run *run, const pare_uses *uses, pare_node *first,
                             int64_t rotation)
{
   pare_graph *graph = run->model->graph;
   pare_value *value = first->input[0], *result;
   char name[PARE_MAX_NAME + 1];
   int size = snprintf(name, sizeof name, "%s.quantize", first->name);
   if (size >= (int)sizeof name || pare_graph_find_node(graph, name))
      return pare_pass_declined(ctx, run, by_itself, first->name, "there is no name for the new node");
   const pare_quantize_attrs attrs = { .rotation = rotation };
   const pare_node_spec spec = { .op = PARE_OP_quantize, .name = name, .n_inputs = 1, .input = { value },
                                 .attrs = &attrs };
   PARE_TRY(pare_graph_add_node(ctx, graph, &spec, first, &result));
   for (size_t i = uses->first[value->index]; i < uses->first[value->index + 1]; i++)
      if (quantizes(uses->user[i])) uses->user[i]->input[0] = result;
   return pare_pass_applied(ctx, run, by_itself, name);
}

/* A value is looked at once, with the first product that reads it: `mixed` ([values]) remembers what then was
 * declined. */
static pare_status visit(pare_ctx *ctx, pare_pass_run *run, const pare_uses *uses, bool *mixed, pare_node *node)
{
   pare_value *value = node->input[0];
   int64_t rotation = node->weight[0]->encoding.rotation;
   bool norm = norm_of(value) != NULL;
   readers found = { .alike = false };
   PARE_TRY(pare_check_stop(ctx));
   if (!mixed[value->index]) found = look_at(uses, value, rotation);
   mixed[value->index] = !found.alike;
   if (!found.alike)
      return pare_pass_declined(ctx, run, norm ? by_norm : by_itself, node->name,
                                "products of one value are rotated differently");
   if (norm && found.only_products) return by_the_norm(ctx, run, value, rotation);
   if (norm)
      PARE_TRY(pare_pass_declined(ctx, run, by_norm, value->producer->name, "its result has other uses"));
   return by_a_node(ctx, run, uses, node, rotation);
}

static pare_status look(pare_ctx *ctx, pare_pass_run *run, const pare_uses *uses, bool *mixed, pare_node *node)
{
   const char *why = why_not(node);
   if (quantizes(node)) return visit(ctx, run, uses, mixed, node);
   if (!why) return PARE_OK;
   return pare_pass_declined(ctx, run, norm_of(node->input[0]) ? by_norm : by_itself, node->name, "%s", why);
}

/* What is found of the uses at first stays true of values not visited: none leaves, new ones come behind, and a
 * product that was given another input reads no f32 any more. */
static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   pare_uses uses;
   bool *mixed = pare_alloc_array(ctx, graph->n_values + 1, sizeof *mixed);
   if (!mixed) return PARE_RESOURCE;
   pare_status status = pare_uses_find(ctx, graph, &uses);
   if (status == PARE_OK) {
      for (pare_node *node = graph->first; node && status == PARE_OK; node = node->next)
         status = look(ctx, run, &uses, mixed, node);
      pare_uses_finish(ctx, &uses);
   }
   pare_free(ctx, mixed);
   return status;
}

const pare_pass pare_pass_fuse_norm_quant = {
   .name = "fuse_norm_quant", .help = "norms deliver the int8 activations of the products that follow",
   .fields = pare_no_fields, .run = run_pass
};
