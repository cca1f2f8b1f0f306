/* uses: who uses each value of a graph, as it is now; found anew after every change. */
#ifndef PARE_IR_USES_H
#define PARE_IR_USES_H

#include "ir/graph.h"

typedef struct pare_uses {
   size_t *first;    /* [n_values + 1] */
   pare_node **user; /* those of value i: first[i] .. first[i + 1] - 1, in schedule order; a node that takes a
                        value twice stands there twice */
   bool *is_output;  /* [n_values] */
} pare_uses;

pare_status pare_uses_find(pare_ctx *ctx, const pare_graph *graph, pare_uses *out);
void pare_uses_finish(pare_ctx *ctx, pare_uses *uses);

static inline size_t pare_uses_count(const pare_uses *uses, const pare_value *value)
{
   return uses->first[value->index + 1] - uses->first[value->index] + uses->is_output[value->index];
}

/* The one node that uses the value; NULL when there are others, or the value is an output. */
static inline pare_node *pare_uses_only(const pare_uses *uses, const pare_value *value)
{
   return pare_uses_count(uses, value) == 1 && !uses->is_output[value->index]
             ? uses->user[uses->first[value->index]]
             : NULL;
}

#endif
