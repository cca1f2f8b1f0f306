/* op_rules: see op_rules.h. */
#include "ops/op_rules.h"

#include <stdio.h>

const char *const pare_act_names[] = { "f32", "i8", "i16", NULL };
const char *const pare_result_names[] = { "f32", "i8", NULL };

const pare_field pare_norm_fields[] = { PARE_NORM_FIELDS(0), PARE_FIELDS_END };

pare_status pare_op_refuse(pare_ctx *ctx, const pare_node *node, const char *fmt, ...)
{
   char message[512];
   va_list args;
   va_start(args, fmt);
   vsnprintf(message, sizeof message, fmt, args);
   va_end(args);
   return pare_fail(ctx, PARE_INPUT, node->name, "%s: %s", pare_ops[node->op]->name, message);
}

static pare_status refuse_type(pare_ctx *ctx, const pare_node *node, size_t input, const char *expected)
{
   pare_str found = { 0 };
   pare_status status = pare_type_print(ctx, &node->input[input]->type, &found);
   if (status == PARE_OK)
      status = pare_op_refuse(ctx, node, "input %zu is %s, expected %s", input, found.data, expected);
   pare_str_finish(ctx, &found);
   return status;
}

pare_status pare_op_want_matrix(pare_ctx *ctx, const pare_node *node, size_t input)
{
   const pare_value *value = node->input[input];
   bool good = value->kind != PARE_VALUE_STATE && value->type.dtype == PARE_F32 && value->type.rank == 2;
   return good && value->type.dim[1] > 0 ? PARE_OK : refuse_type(ctx, node, input, "f32[rows, a known size]");
}

pare_status pare_op_want_rows(pare_ctx *ctx, const pare_node *node, size_t input)
{
   const pare_value *value = node->input[input];
   bool good = value->kind != PARE_VALUE_STATE && value->type.dtype == PARE_F32 && value->type.rank >= 2;
   good = good && pare_op_width(&value->type) > 0;
   return good ? PARE_OK : refuse_type(ctx, node, input, "f32[rows, a known size]");
}

pare_status pare_op_want_list(pare_ctx *ctx, const pare_node *node, size_t input)
{
   const pare_value *value = node->input[input];
   bool good = value->kind != PARE_VALUE_STATE && value->type.dtype == PARE_I32 && value->type.rank == 1;
   return good ? PARE_OK : refuse_type(ctx, node, input, "i32[rows]");
}

pare_status pare_op_want_same_rows(pare_ctx *ctx, const pare_node *node, size_t a, size_t b)
{
   if (node->input[a]->type.dim[0] == node->input[b]->type.dim[0]) return PARE_OK;
   return pare_op_refuse(ctx, node, "inputs %zu and %zu have different numbers of rows", a, b);
}

pare_status pare_op_want_table(pare_ctx *ctx, const pare_node *node, size_t weight)
{
   if (node->weight[weight]->rank == 2) return PARE_OK;
   return pare_op_refuse(ctx, node, "weight %zu is a vector, expected a matrix", weight);
}

pare_status pare_op_want_vector(pare_ctx *ctx, const pare_node *node, size_t weight, int64_t n)
{
   const pare_weight *w = node->weight[weight];
   if (w->rank != 1) return pare_op_refuse(ctx, node, "weight %zu is a matrix, expected a vector", weight);
   if (w->dim[0] == n) return PARE_OK;
   return pare_op_refuse(ctx, node, "weight %zu has %lld elements, expected %lld", weight,
                         (long long)w->dim[0], (long long)n);
}

pare_type pare_op_matrix_like(const pare_value *input, int64_t n)
{
   return pare_type_make(PARE_F32, 2, input->type.dim[0], n);
}

pare_status pare_op_infer_same(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_rows(ctx, node, 0));
   *out = node->input[0]->type;
   return PARE_OK;
}

pare_status pare_op_want_rotation(pare_ctx *ctx, const pare_node *node, int64_t rotation, int64_t n)
{
   bool known = rotation == 0 || rotation == 32 || rotation == 64 || rotation == 128;
   if (known && (rotation == 0 || n % rotation == 0)) return PARE_OK;
   return pare_op_refuse(ctx, node, "rotation is %lld, expected 0, 32, 64 or 128 that divides %lld",
                         (long long)rotation, (long long)n);
}

pare_status pare_op_infer_normed(pare_ctx *ctx, const pare_node *node, const pare_norm_attrs *attrs,
                                 pare_type *out)
{
   *out = node->input[0]->type;
   if (attrs->result == PARE_ACT_I8) out->dtype = PARE_I8;
   else if (attrs->rotation) return pare_op_refuse(ctx, node, "a result of f32 is not rotated");
   return pare_op_want_rotation(ctx, node, attrs->rotation, pare_op_width(out));
}

void pare_op_finish_normed(const pare_norm_attrs *attrs, const pare_tensor *result)
{
   int64_t n = pare_op_width(&result->type), count = pare_tensor_count(result);
   for (int64_t at = 0; attrs->result == PARE_ACT_I8 && at < count; at += n) {
      pare_op_rotate((float *)result->data + at, n, attrs->rotation);
      pare_op_round_row((float *)result->data + at, n, attrs->result);
   }
}

pare_status pare_op_infer_elements(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_value *value = node->input[0];
   *out = value->type;
   return value->kind != PARE_VALUE_STATE && out->dtype == PARE_F32 ? PARE_OK : refuse_type(ctx, node, 0, "f32");
}

double pare_op_no_macs(const pare_node *node, int64_t past)
{
   (void)node;
   (void)past;
   return 0;
}

int64_t pare_tensor_count(const pare_tensor *tensor)
{
   int64_t count = 1;
   for (int i = 0; i < tensor->type.rank; i++) count *= tensor->type.dim[i];
   return count;
}
