/* value_list: keeping graph->values and the index in each value in step. Not for other layers. */
#ifndef PARE_IR_VALUE_LIST_H
#define PARE_IR_VALUE_LIST_H

#include "ir/graph.h"

pare_status pare_value_list_add(pare_ctx *ctx, pare_graph *graph, pare_value *value);
void pare_value_list_remove(pare_graph *graph, pare_value *value); /* later values move up by one */

#endif
