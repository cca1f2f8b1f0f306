/* parse: the text form of a graph; grammar in README.md. One pass over the lines, each read by the function
 * of its first word. All that is built goes through graph.h, so its checks are not repeated here; whatever
 * fails gets the number of its line in one place, relocate(). */
#include <stdio.h>
#include <string.h>

#include "ir/check.h"
#include "ir/scan.h"

typedef struct parser {
   pare_ctx *ctx;
   pare_attach attach;
   void *user;
   pare_graph *graph;
   pare_name_index values; /* "tokens", "12" -> value */
   bool closed;            /* the final brace was read */
} parser;

static pare_status define(parser *p, const pare_scan *s, const char *name, pare_value *value)
{
   if (pare_name_index_find(&p->values, name))
      return pare_fail(p->ctx, PARE_INPUT, s->where, "%%%s is defined twice", name);
   const char *kept = value->name;
   if (!kept) kept = pare_arena_strdup(p->ctx, p->graph->arena, name);
   return kept ? pare_name_index_add(p->ctx, &p->values, kept, value) : PARE_RESOURCE;
}

static pare_status read_value(parser *p, pare_scan *s, pare_value **out)
{
   pare_scan_name name;
   PARE_TRY(pare_scan_value(s, name));
   *out = pare_name_index_find(&p->values, name);
   return *out ? PARE_OK : pare_fail(p->ctx, PARE_INPUT, s->where, "%%%s is used before it is defined", name);
}

static pare_status parse_named(parser *p, pare_scan *s, pare_value_kind kind)
{
   pare_scan_name name;
   pare_type type;
   pare_value *value;
   PARE_TRY(pare_scan_value(s, name));
   PARE_TRY(pare_scan_expect(s, ':'));
   PARE_TRY(pare_scan_type(s, &type));
   if (kind == PARE_VALUE_STATE) PARE_TRY(pare_graph_add_state(p->ctx, p->graph, name, type, &value));
   else PARE_TRY(pare_graph_add_input(p->ctx, p->graph, name, type, &value));
   return define(p, s, name, value);
}

static pare_status read_encoding(parser *p, pare_scan *s, pare_encoding *out)
{
   pare_scan_name word;
   pare_encoding_options options = { 0 };
   pare_scan mark = *s;
   *out = (pare_encoding){ 0 };
   PARE_TRY(pare_scan_word(s, "an encoding", word));
   if (!pare_encoding_parse(word, &out->kind)) {
      *s = mark;
      return pare_scan_misfit(s, "an encoding (f32, f16, bf16, i8, i4, i3 or i2)");
   }
   PARE_TRY(pare_scan_fields(s, pare_encoding_fields, p->graph->arena, &options));
   out->transposed = options.transposed;
   out->rotation = (int)options.rotation;
   out->group = (int)options.group;
   return PARE_OK;
}

static pare_status parse_weight(parser *p, pare_scan *s)
{
   pare_scan_name name;
   int rank;
   int64_t dim[2] = { 0 };
   pare_encoding encoding;
   PARE_TRY(pare_scan_quoted(s, name));
   PARE_TRY(pare_scan_dims(s, false, 2, &rank, dim));
   PARE_TRY(read_encoding(p, s, &encoding));
   if (!pare_encoding_fits(&encoding, rank, dim))
      return pare_fail(p->ctx, PARE_INPUT, name, "the encoding cannot hold this shape");
   pare_buffer *data = NULL;
   pare_weight *weight;
   PARE_TRY(p->attach(p->ctx, p->user, name, rank, dim, encoding, &data));
   pare_status status = pare_graph_add_weight(p->ctx, p->graph, name, rank, dim, encoding, data, &weight);
   pare_buffer_unref(p->ctx, data);
   return status;
}

static pare_status read_op(parser *p, pare_scan *s, pare_node_spec *spec, const pare_op_info **info)
{
   pare_scan_name word;
   PARE_TRY(pare_scan_word(s, "an operation", word));
   *info = pare_op_find(word, &spec->op);
   return *info ? PARE_OK : pare_fail(p->ctx, PARE_INPUT, s->where, "there is no operation \"%.64s\"", word);
}

static pare_status read_inputs(parser *p, pare_scan *s, pare_node_spec *spec)
{
   PARE_TRY(pare_scan_expect(s, '('));
   if (pare_scan_accept(s, ')')) return PARE_OK;
   do {
      if (spec->n_inputs == PARE_MAX_INPUTS) return pare_scan_misfit(s, "fewer inputs");
      PARE_TRY(read_value(p, s, &spec->input[spec->n_inputs++]));
   } while (pare_scan_accept(s, ','));
   return pare_scan_expect(s, ')');
}

static pare_status read_weights(parser *p, pare_scan *s, pare_node_spec *spec)
{
   pare_scan_name name;
   if (!pare_scan_accept(s, '[')) return PARE_OK;
   do {
      if (spec->n_weights == PARE_MAX_WEIGHTS) return pare_scan_misfit(s, "fewer weights");
      PARE_TRY(pare_scan_quoted(s, name));
      pare_weight *weight = pare_graph_find_weight(p->graph, name);
      if (!weight) return pare_fail(p->ctx, PARE_INPUT, name, "there is no weight of this name above");
      spec->weight[spec->n_weights++] = weight;
   } while (pare_scan_accept(s, ','));
   return pare_scan_expect(s, ']');
}

static pare_status read_attrs(parser *p, pare_scan *s, const pare_op_info *info, pare_node_spec *spec)
{
   void *attrs = pare_arena_alloc(p->ctx, p->graph->arena, info->attrs_size);
   if (!attrs) return PARE_RESOURCE;
   PARE_TRY(pare_fields_init(p->ctx, info->fields, p->graph->arena, attrs));
   spec->attrs = attrs;
   return pare_scan_fields(s, info->fields, p->graph->arena, attrs);
}

static pare_status check_type(parser *p, pare_scan *s, const char *node, const pare_type *found)
{
   pare_type type;
   PARE_TRY(pare_scan_type(s, &type));
   if (pare_type_equal(&type, found)) return PARE_OK;
   pare_str text = { 0 };
   pare_status status = pare_type_print(p->ctx, found, &text);
   if (status == PARE_OK)
      status = pare_fail(p->ctx, PARE_INPUT, node, "the result is %s, the text says otherwise", text.data);
   pare_str_finish(p->ctx, &text);
   return status;
}

/* The numbers on the left: %3, %4 = ... */
static pare_status read_results(parser *p, pare_scan *s, pare_scan_name *numbers, size_t *count)
{
   *count = 0;
   do {
      if (*count == PARE_MAX_OUTPUTS) return pare_scan_misfit(s, "fewer results");
      char *number = numbers[(*count)++];
      PARE_TRY(pare_scan_value(s, number));
      if (number[strspn(number, "0123456789")])
         return pare_fail(p->ctx, PARE_INPUT, s->where, "%%%s: the result of a node has a number", number);
   } while (pare_scan_accept(s, ','));
   return pare_scan_expect(s, '=');
}

/* %3 = linear "name" (%2) ["weight"] {"act":"i8"} : f32[tokens, 128] */
static pare_status parse_node(parser *p, pare_scan *s)
{
   pare_scan_name numbers[PARE_MAX_OUTPUTS], name;
   pare_node_spec spec = { .name = name };
   const pare_op_info *info;
   pare_value *values[PARE_MAX_OUTPUTS];
   size_t count;
   PARE_TRY(read_results(p, s, numbers, &count));
   PARE_TRY(read_op(p, s, &spec, &info));
   PARE_TRY(pare_scan_quoted(s, name));
   PARE_TRY(read_inputs(p, s, &spec));
   PARE_TRY(read_weights(p, s, &spec));
   PARE_TRY(read_attrs(p, s, info, &spec));
   PARE_TRY(pare_graph_add_node(p->ctx, p->graph, &spec, NULL, values));
   const pare_node *node = values[0]->producer;
   if (node->n_outputs != count)
      return pare_fail(p->ctx, PARE_INPUT, name, "%s has %zu results, found %zu", info->name, node->n_outputs,
                       count);
   PARE_TRY(pare_scan_expect(s, ':'));
   for (size_t i = 0; i < count; i++) {
      if (i) PARE_TRY(pare_scan_expect(s, ','));
      PARE_TRY(check_type(p, s, name, &values[i]->type));
      PARE_TRY(define(p, s, numbers[i], values[i]));
   }
   return PARE_OK;
}

static pare_status parse_output(parser *p, pare_scan *s)
{
   pare_value *value;
   PARE_TRY(read_value(p, s, &value));
   return pare_graph_add_output(p->ctx, p->graph, value);
}

static pare_status parse_item(parser *p, pare_scan *s)
{
   pare_scan_name word;
   if (*s->at == '%') return parse_node(p, s);
   if (pare_scan_accept(s, '}')) {
      p->closed = true;
      return PARE_OK;
   }
   pare_scan mark = *s;
   PARE_TRY(pare_scan_word(s, "input, state, weight, output, a node or '}'", word));
   if (strcmp(word, "input") == 0) return parse_named(p, s, PARE_VALUE_INPUT);
   if (strcmp(word, "state") == 0) return parse_named(p, s, PARE_VALUE_STATE);
   if (strcmp(word, "weight") == 0) return parse_weight(p, s);
   if (strcmp(word, "output") == 0) return parse_output(p, s);
   *s = mark;
   return pare_scan_misfit(s, "input, state, weight, output, a node or '}'");
}

static pare_status parse_head(parser *p, pare_scan *s)
{
   pare_scan_name word, name;
   pare_scan mark = *s;
   PARE_TRY(pare_scan_word(s, "graph", word));
   if (strcmp(word, "graph") != 0) {
      *s = mark;
      return pare_scan_misfit(s, "graph");
   }
   PARE_TRY(pare_scan_quoted(s, name));
   PARE_TRY(pare_scan_expect(s, '{'));
   return pare_graph_create(p->ctx, name, &p->graph);
}

static pare_status parse_line(parser *p, pare_scan *s)
{
   if (pare_scan_done(s) || *s->at == '#') return PARE_OK;
   if (p->closed) return pare_scan_misfit(s, "nothing after the graph");
   PARE_TRY(p->graph ? parse_item(p, s) : parse_head(p, s));
   return pare_scan_done(s) ? PARE_OK : pare_scan_misfit(s, "the end of the line");
}

/* Puts "line N: " before the message of a failure; a `where` that is not the source goes into the message. */
static void relocate(pare_ctx *ctx, const char *where, size_t line)
{
   pare_error old = ctx->error;
   bool named = old.where[0] && strcmp(old.where, where) != 0;
   pare_fail_again(ctx, old.status, where, "line %zu: %s%s%s", line, named ? old.where : "",
                   named ? ": " : "", old.message);
}

static pare_status parse_lines(parser *p, const char *text, size_t size, const char *where)
{
   size_t line = 0;
   for (const char *at = text, *end = text + size; at < end; line++) {
      const char *newline = memchr(at, '\n', (size_t)(end - at));
      const char *stop = newline ? newline : end;
      pare_scan s = { .ctx = p->ctx, .where = where, .start = at, .at = at, .end = stop };
      pare_status status = parse_line(p, &s);
      if (status == PARE_INPUT || status == PARE_UNSUPPORTED) relocate(p->ctx, where, line + 1);
      PARE_TRY(status);
      at = newline ? newline + 1 : end;
   }
   if (p->closed) return PARE_OK;
   return pare_fail(p->ctx, PARE_INPUT, where, "line %zu: the text ends before the graph does", line);
}

pare_status pare_graph_parse(pare_ctx *ctx, const char *text, size_t size, const char *where,
                             pare_attach attach, void *user, pare_graph **out)
{
   parser p = { .ctx = ctx, .attach = attach, .user = user };
   pare_status status = parse_lines(&p, text ? text : "", size, where ? where : "graph");
   if (status == PARE_OK) status = pare_graph_validate(ctx, p.graph, PARE_INPUT);
   pare_name_index_finish(ctx, &p.values);
   if (status != PARE_OK) {
      pare_graph_destroy(ctx, p.graph);
      return status;
   }
   *out = p.graph;
   return PARE_OK;
}
