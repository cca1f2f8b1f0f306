/* graph: the one representation everything works on: importers build it, passes change it, the plan runs it,
 * the artifact stores it.
 *
 * A graph owns one arena with every node, value, weight, name and attribute, and one reference on each
 * weight's buffer. Nodes stand in a list whose order is a valid schedule. A value has one producer (a node,
 * or none for inputs and states); a weight may have many users, a state only one. */
#ifndef PARE_IR_GRAPH_H
#define PARE_IR_GRAPH_H

#include "base/arena.h"
#include "base/name_index.h"
#include "ir/weight.h"

typedef enum pare_op {
#define OP(name) PARE_OP_##name,
#include "ir/ops.def"
#undef OP
   PARE_OP_COUNT
} pare_op;

enum { PARE_MAX_INPUTS = 8, PARE_MAX_WEIGHTS = 8, PARE_MAX_OUTPUTS = 4 };

/* What a graph may hold, checked wherever something is added. */
enum {
   PARE_MAX_NAME = 512 /* bytes */,
   PARE_MAX_ITEMS = 1000000 /* nodes, weights, inputs with states, outputs: each */
};

typedef struct pare_node pare_node;

typedef enum pare_value_kind { PARE_VALUE_TEMP, PARE_VALUE_INPUT, PARE_VALUE_STATE } pare_value_kind;

typedef struct pare_value {
   const char *name; /* of inputs and states, [A-Za-z_][A-Za-z0-9_.]*; NULL for temporaries, which print as
                        a number */
   pare_value_kind kind;
   pare_type type;
   pare_node *producer; /* NULL for inputs and states */
   pare_node *user;     /* of a state: the one node that reads and writes it, NULL when there is none yet */
   size_t index;        /* in graph->values */
} pare_value;

struct pare_node {
   pare_op op;
   const char *name; /* stable and unique, e.g. "layers.3.mlp.down_proj" */
   size_t n_inputs, n_weights, n_outputs;
   pare_value *input[PARE_MAX_INPUTS];
   pare_weight *weight[PARE_MAX_WEIGHTS];
   pare_value *output[PARE_MAX_OUTPUTS]; /* as many as the op says, at least one */
   void *attrs; /* the op's struct, described by its field table (op.h) */
   pare_node *prev, *next;
};

typedef struct pare_graph {
   pare_arena *arena;
   const char *name;
   pare_node *first, *last;
   size_t n_nodes;
   pare_value **values; /* inputs, states and the outputs of nodes, in the order they were added */
   size_t n_values, values_capacity;
   pare_weight **weights; /* in the order they were added */
   size_t n_weights, weights_capacity;
   pare_value **outputs;
   size_t n_outputs, outputs_capacity;
   pare_name_index node_names, weight_names, value_names; /* kept in step by the functions below, so names
                                                             must not be changed */
} pare_graph;

/* Names of graphs, nodes and weights are 1 to PARE_MAX_NAME bytes of UTF-8 without control characters, unique
 * among their kind; anything else is PARE_INPUT. */

pare_status pare_graph_create(pare_ctx *ctx, const char *name, pare_graph **out);
void pare_graph_destroy(pare_ctx *ctx, pare_graph *graph); /* NULL is fine */

pare_status pare_graph_add_input(pare_ctx *ctx, pare_graph *graph, const char *name, pare_type type,
                                 pare_value **out);
pare_status pare_graph_add_state(pare_ctx *ctx, pare_graph *graph, const char *name, pare_type type,
                                 pare_value **out);
/* Takes its own reference on data. PARE_INPUT when the name is taken, the encoding does not fit the shape, or
 * the buffer has another size than the encoding says. */
pare_status pare_graph_add_weight(pare_ctx *ctx, pare_graph *graph, const char *name, int rank,
                                  const int64_t *dim, pare_encoding encoding, pare_buffer *data,
                                  pare_weight **out);
/* Replaces encoding and bytes of a weight; same checks, same reference rule. */
pare_status pare_weight_replace(pare_ctx *ctx, pare_weight *weight, pare_encoding encoding,
                                pare_buffer *data);

/* What a new node is made of. attrs is copied; NULL takes the defaults of the op's table. */
typedef struct pare_node_spec {
   pare_op op;
   const char *name;
   size_t n_inputs, n_weights;
   pare_value *input[PARE_MAX_INPUTS];
   pare_weight *weight[PARE_MAX_WEIGHTS];
   const void *attrs;
} pare_node_spec;

/* Appends the node (before `before` when not NULL), infers its output types with the op's rule and gives the
 * output values (out: room for as many as the node has). PARE_INPUT with the node's name when the op refuses
 * its inputs, weights or attributes, or a state has a user already. */
pare_status pare_graph_add_node(pare_ctx *ctx, pare_graph *graph, const pare_node_spec *spec,
                                pare_node *before, pare_value **out);
pare_status pare_graph_add_output(pare_ctx *ctx, pare_graph *graph, pare_value *value);
/* Unlinks a node whose outputs have no user. Its values leave graph->values; values and attributes stay in the
 * arena until the graph ends. */
void pare_graph_remove_node(pare_graph *graph, pare_node *node);
/* Drops a weight that no node uses (and its buffer reference). */
void pare_graph_remove_weight(pare_ctx *ctx, pare_graph *graph, pare_weight *weight);
/* Every use of `from` becomes a use of `to`, outputs included. A state may replace only a state, and only
 * while it has no user itself. */
void pare_graph_replace_value(pare_graph *graph, pare_value *from, pare_value *to);
/* The same for many values, none of them a state, in one walk: every use of a value becomes a use of instead[its
 * index] ([n_values], the value itself where nothing changes). */
void pare_graph_replace_values(pare_graph *graph, pare_value *const *instead);
/* The same for a new result `to` of the same type that nobody uses yet, without a walk over the nodes: the two
 * values trade producers, so that `from` is the new node's result and goes on living with all its uses, and `to`
 * goes with the old node. */
void pare_graph_take_over(pare_value *from, pare_value *to);

/* Looking around (walk.c). Finding takes constant time, looking for users one pass over the nodes. */
pare_weight *pare_graph_find_weight(const pare_graph *graph, const char *name);
pare_node *pare_graph_find_node(const pare_graph *graph, const char *name);
pare_value *pare_graph_find_value(const pare_graph *graph, const char *name); /* inputs and states */
/* Next node after `node` (NULL: from the start) that uses the weight, or NULL. */
pare_node *pare_weight_next_user(const pare_graph *graph, const pare_weight *weight, const pare_node *node);
/* True when any pattern (glob, fnmatch) matches the name or one of the two is matched after its first
 * "model." or "transformer." prefix is left out. */
bool pare_name_matches(const char *name, const char *const *patterns, size_t count);

/* The name of what n nodes become together: what their names begin with, up to a '.', and the rests with '+' in
 * between ("layers.0.mlp.gate_proj+up_proj"). False when it is longer than PARE_MAX_NAME. */
bool pare_name_join(const char *const *names, size_t n, char out[PARE_MAX_NAME + 1]);

/* A cheap copy: own nodes and values, shared buffers (clone.c). */
pare_status pare_graph_clone(pare_ctx *ctx, const pare_graph *graph, pare_graph **out);

/* A graph of its own with these values (results of nodes) for outputs: what they depend on, and nothing else; shared
 * buffers (extract.c). */
pare_status pare_graph_extract(pare_ctx *ctx, const pare_graph *graph, pare_value *const *values, size_t count,
                               pare_graph **out);

/* Checks everything a graph promises: order, types against each op's rule, unique names, list consistency,
 * buffer sizes. PARE_INTERNAL (or `bad`) with the node's name and what is wrong (validate.c). */
pare_status pare_graph_validate(pare_ctx *ctx, const pare_graph *graph, pare_status bad);

/* The text form (print.c, parse.c); grammar in src/ir/README.md. Printing a graph and parsing it back gives
 * the same graph, less the weights' bytes: the parser asks `attach` for the buffer of each weight. */
pare_status pare_graph_print(pare_ctx *ctx, const pare_graph *graph, pare_str *out);
typedef pare_status (*pare_attach)(pare_ctx *ctx, void *user, const char *name, int rank, const int64_t *dim,
                                   pare_encoding encoding, pare_buffer **out);
pare_status pare_graph_parse(pare_ctx *ctx, const char *text, size_t size, const char *where,
                             pare_attach attach, void *user, pare_graph **out);

#endif
