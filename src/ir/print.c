/* print: the text form of a graph; grammar in README.md. Temporaries are numbered in schedule order, so two
 * graphs that are the same print the same, whatever was done to them before. */
#include "ir/check.h"

typedef struct printer {
   pare_ctx *ctx;
   pare_str *out;
   size_t *number; /* [n_values] of temporaries */
} printer;

static pare_status put_quoted(printer *p, const char *text)
{
   pare_json_writer writer;
   pare_json_begin(&writer, p->ctx, p->out, false);
   pare_json_put_string(&writer, NULL, text);
   return writer.status;
}

/* A space and the object; nothing at all when every field has its default. */
static pare_status put_fields(printer *p, const pare_field *fields, const void *options)
{
   pare_json_writer writer;
   size_t before = p->out->size;
   PARE_TRY(pare_str_puts(p->ctx, p->out, " "));
   pare_json_begin(&writer, p->ctx, p->out, false);
   pare_json_open_object(&writer, NULL);
   PARE_TRY(pare_fields_to_json(p->ctx, fields, options, true, &writer));
   bool empty = !writer.has_items[1];
   pare_json_close_object(&writer);
   if (writer.status == PARE_OK && empty) {
      p->out->size = before;
      p->out->data[before] = 0;
   }
   return writer.status;
}

static pare_status put_value(printer *p, const pare_value *value)
{
   if (value->name) return pare_str_printf(p->ctx, p->out, "%%%s", value->name);
   return pare_str_printf(p->ctx, p->out, "%%%zu", p->number[value->index]);
}

static pare_status put_type(printer *p, const pare_type *type)
{
   PARE_TRY(pare_str_puts(p->ctx, p->out, " : "));
   PARE_TRY(pare_type_print(p->ctx, type, p->out));
   return pare_str_puts(p->ctx, p->out, "\n");
}

static pare_status put_named_values(printer *p, const pare_graph *graph)
{
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_value *value = graph->values[i];
      if (value->kind == PARE_VALUE_TEMP) continue;
      PARE_TRY(pare_str_puts(p->ctx, p->out, value->kind == PARE_VALUE_INPUT ? "  input " : "  state "));
      PARE_TRY(put_value(p, value));
      PARE_TRY(put_type(p, &value->type));
   }
   return PARE_OK;
}

static pare_status put_weight(printer *p, const pare_weight *weight)
{
   pare_encoding_options options = { weight->encoding.transposed, weight->encoding.rotation,
                                     weight->encoding.group };
   PARE_TRY(pare_str_puts(p->ctx, p->out, "  weight "));
   PARE_TRY(put_quoted(p, weight->name));
   PARE_TRY(pare_str_printf(p->ctx, p->out, " [%lld", (long long)weight->dim[0]));
   if (weight->rank == 2) PARE_TRY(pare_str_printf(p->ctx, p->out, ", %lld", (long long)weight->dim[1]));
   PARE_TRY(pare_str_printf(p->ctx, p->out, "] %s", pare_encoding_name(weight->encoding.kind)));
   PARE_TRY(put_fields(p, pare_encoding_fields, &options));
   return pare_str_puts(p->ctx, p->out, "\n");
}

static pare_status put_operands(printer *p, const pare_node *node)
{
   PARE_TRY(pare_str_puts(p->ctx, p->out, " ("));
   for (size_t i = 0; i < node->n_inputs; i++) {
      if (i) PARE_TRY(pare_str_puts(p->ctx, p->out, ", "));
      PARE_TRY(put_value(p, node->input[i]));
   }
   PARE_TRY(pare_str_puts(p->ctx, p->out, node->n_weights ? ") [" : ")"));
   for (size_t i = 0; i < node->n_weights; i++) {
      if (i) PARE_TRY(pare_str_puts(p->ctx, p->out, ", "));
      PARE_TRY(put_quoted(p, node->weight[i]->name));
   }
   return node->n_weights ? pare_str_puts(p->ctx, p->out, "]") : PARE_OK;
}

static pare_status put_node(printer *p, const pare_node *node)
{
   const pare_op_info *info = pare_ops[node->op];
   PARE_TRY(pare_str_puts(p->ctx, p->out, "  "));
   for (size_t i = 0; i < node->n_outputs; i++) {
      if (i) PARE_TRY(pare_str_puts(p->ctx, p->out, ", "));
      PARE_TRY(put_value(p, node->output[i]));
   }
   PARE_TRY(pare_str_printf(p->ctx, p->out, " = %s ", info->name));
   PARE_TRY(put_quoted(p, node->name));
   PARE_TRY(put_operands(p, node));
   PARE_TRY(put_fields(p, info->fields, node->attrs));
   for (size_t i = 0; i < node->n_outputs; i++) {
      PARE_TRY(pare_str_puts(p->ctx, p->out, i ? ", " : " : "));
      PARE_TRY(pare_type_print(p->ctx, &node->output[i]->type, p->out));
   }
   return pare_str_puts(p->ctx, p->out, "\n");
}

static pare_status put_graph(printer *p, const pare_graph *graph)
{
   PARE_TRY(pare_str_puts(p->ctx, p->out, "graph "));
   PARE_TRY(put_quoted(p, graph->name));
   PARE_TRY(pare_str_puts(p->ctx, p->out, " {\n"));
   PARE_TRY(put_named_values(p, graph));
   for (size_t i = 0; i < graph->n_weights; i++) PARE_TRY(put_weight(p, graph->weights[i]));
   for (const pare_node *node = graph->first; node; node = node->next) PARE_TRY(put_node(p, node));
   for (size_t i = 0; i < graph->n_outputs; i++) {
      PARE_TRY(pare_str_puts(p->ctx, p->out, "  output "));
      PARE_TRY(put_value(p, graph->outputs[i]));
      PARE_TRY(pare_str_puts(p->ctx, p->out, "\n"));
   }
   return pare_str_puts(p->ctx, p->out, "}\n");
}

pare_status pare_graph_print(pare_ctx *ctx, const pare_graph *graph, pare_str *out)
{
   printer p = { .ctx = ctx, .out = out };
   p.number = pare_alloc_array(ctx, graph->n_values + 1, sizeof *p.number);
   if (!p.number) return PARE_RESOURCE;
   size_t count = 0;
   for (const pare_node *node = graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_outputs; i++) p.number[node->output[i]->index] = count++;
   }
   pare_status status = put_graph(&p, graph);
   pare_free(ctx, p.number);
   return status;
}
