/* attention_rows: attention without a cache, for op_attention.c. Only for src/ops. */
#ifndef PARE_OPS_ATTENTION_ROWS_H
#define PARE_OPS_ATTENTION_ROWS_H

#include "ops/op_rules.h"

pare_status pare_attention_rows_infer(pare_ctx *ctx, const pare_node *node, pare_type *out);
pare_status pare_attention_rows_eval(pare_ctx *ctx, const pare_eval_call *call);

#endif
