/* mask_form: see mask_form.h. */
#include "ops/mask_form.h"

#include <math.h>

#include "ir/match.h"
#include "ops/ops.h"
#include "ops/view.h"

static const pare_mask_form tensor = { .kind = PARE_MASK_TENSOR };
static const pare_mask_form by_rows = { .kind = PARE_MASK_ROWS };

/* ---- of constants ---- */

/* A constant [1, ..., n, n] with a float encoding, or NULL. */
static const pare_weight *square_of(const pare_value *value, int64_t n)
{
   const pare_node *node = value->producer;
   const pare_type *type = &value->type;
   if (!node || node->op != PARE_OP_constant || type->rank < 2 || n < 1) return NULL;
   const pare_weight *weight = node->weight[0];
   bool square = type->dim[type->rank - 1] == n && type->dim[type->rank - 2] == n;
   if (!square || pare_weight_count(weight) != n * n) return NULL;
   return pare_encoding_is_float(weight->encoding.kind) ? weight : NULL;
}

static bool is_causal_sum(const pare_weight *weight, int64_t n)
{
   for (int64_t i = 0; i < n * n; i++) {
      double added = (double)pare_weight_value(weight, i);
      if (i % n <= i / n ? added != 0 : !(added <= PARE_MASKED_SCORE)) return false;
   }
   return true;
}

/* Whether `relation` (of constant's element, perhaps without its fraction, to number) is what causal attention asks
 * for, everywhere. */
static bool is_causal_choice(const pare_weight *weight, int64_t n, bool cut_off, int relation, double number,
                             bool attends)
{
   for (int64_t i = 0; i < n * n; i++) {
      double x = (double)pare_weight_value(weight, i);
      if (cut_off) x = isnan(x) ? 0 : trunc(x);
      bool holds = relation == PARE_COMPARE_LT   ? x < number
                   : relation == PARE_COMPARE_LE ? x <= number
                   : relation == PARE_COMPARE_GT ? x > number
                   : relation == PARE_COMPARE_GE ? x >= number
                   : relation == PARE_COMPARE_EQ ? x == number
                                                 : x != number;
      if (holds != (i % n <= i / n ? attends : !attends)) return false;
   }
   return true;
}

/* ---- of positions ---- */

/* The value is a list i32[n] laid along the axis that is `from_last` from the last (1: keys, 2: rows). */
static pare_value *list_along(pare_value *value, int64_t n, int from_last)
{
   pare_view view;
   pare_view_of(&view, value);
   const pare_type *type = &view.source->type;
   if (type->dtype != PARE_I32 || type->rank != 1 || type->dim[0] != n || view.rank < from_last) return NULL;
   for (int i = 0; i < view.rank; i++)
      if (!pare_view_is(&view, i, 0, i == view.rank - from_last ? n : 1, 1)) return NULL;
   return view.source;
}

/* row >= key or key <= row where keys are attended, row < key or key > row where they are not. */
static pare_mask_form of_positions(const pare_node *node, int64_t n, bool attends)
{
   const pare_compare_attrs *attrs = node->attrs;
   bool rows_first = attrs->kind == (attends ? PARE_COMPARE_GE : PARE_COMPARE_LT);
   bool keys_first = attrs->kind == (attends ? PARE_COMPARE_LE : PARE_COMPARE_GT);
   if (!rows_first && !keys_first) return tensor;
   pare_value *rows = list_along(node->input[rows_first ? 0 : 1], n, 2);
   pare_value *keys = list_along(node->input[rows_first ? 1 : 0], n, 1);
   if (!rows || rows != keys) return tensor;
   return (pare_mask_form){ .kind = PARE_MASK_POSITIONS, .positions = rows };
}

pare_mask_form pare_mask_of_condition(const pare_value *condition, int64_t rows, int64_t keys, bool attends)
{
   const pare_node *node = condition->producer;
   double number;
   if (!node || rows != keys) return tensor;
   if (node->op == PARE_OP_cast) {
      const pare_weight *weight = square_of(node->input[0], rows);
      return weight && is_causal_choice(weight, rows, true, PARE_COMPARE_NE, 0, attends) ? by_rows : tensor;
   }
   if (node->op != PARE_OP_compare) return tensor;
   const pare_compare_attrs *attrs = node->attrs;
   const pare_weight *weight = square_of(node->input[0], rows);
   if (weight && pare_value_number(node->input[1], &number))
      return is_causal_choice(weight, rows, false, attrs->kind, number, attends) ? by_rows : tensor;
   return of_positions(node, rows, attends);
}

pare_mask_form pare_mask_of_sum(const pare_value *mask, int64_t rows, int64_t keys)
{
   const pare_node *node = mask->producer;
   double a, b;
   if (!node || rows != keys) return tensor;
   const pare_weight *weight = square_of(mask, rows);
   if (weight) return is_causal_sum(weight, rows) ? by_rows : tensor;
   if (node->op != PARE_OP_where || !pare_value_number(node->input[1], &a) ||
       !pare_value_number(node->input[2], &b))
      return tensor;
   if (a == 0 && b <= PARE_MASKED_SCORE) return pare_mask_of_condition(node->input[0], rows, keys, true);
   if (b == 0 && a <= PARE_MASKED_SCORE) return pare_mask_of_condition(node->input[0], rows, keys, false);
   return tensor;
}
