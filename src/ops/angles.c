/* angles: see angles.h. */
#include "ops/angles.h"

#include <math.h>
#include <stdio.h>

#include "ops/evaluate.h"

enum { TRIALS = 16, FAR = 4000, MOST_ROWS = 65536 };

static pare_status is_not(pare_angles *out, const char *why)
{
   snprintf(out->why, sizeof out->why, "%s", why);
   return PARE_OK;
}

/* ---- the trial ---- */

typedef struct trial {
   int32_t *positions; /* [rows] */
   int64_t rows;
   float *values;    /* cosines, then sines: [rows, columns] */
   int64_t columns;
} trial;

/* 0, 1 and 2, then far ones. */
static void choose_positions(const pare_graph *part, trial *t)
{
   int64_t bound = FAR;
   for (const pare_node *node = part->first; node; node = node->next)
      if (node->op == PARE_OP_embed && node->weight[0]->dim[0] < bound) bound = node->weight[0]->dim[0];
   for (int64_t i = 0; i < t->rows; i++) {
      int64_t place = i < 3 ? i : (i * i * i * 7 + i) % bound;
      t->positions[i] = (int32_t)(place < bound ? place : bound - 1);
   }
}

static pare_status evaluate(pare_ctx *ctx, const pare_graph *part, const pare_value *positions, trial *t)
{
   int64_t rows = positions->type.dim[0];
   pare_sizes sizes = { .tokens = TRIALS, .rows = TRIALS, .slots = 1, .past = TRIALS };
   t->rows = rows < 0 ? TRIALS : rows;
   size_t count = pare_type_count(&part->outputs[0]->type, &sizes);
   t->columns = (int64_t)count / t->rows;
   t->values = pare_alloc_array(ctx, 2 * count, sizeof *t->values);
   t->positions = pare_alloc_array(ctx, (size_t)t->rows, sizeof *t->positions);
   if (!t->values || !t->positions) return PARE_RESOURCE;
   float *outputs[] = { t->values, t->values + count };
   pare_binding binding = { positions->name, t->positions };
   choose_positions(part, t);
   return pare_evaluate(ctx, part, &(pare_evaluation){ .sizes = sizes, .bindings = &binding, .n_bindings = 1,
                                                       .decode = pare_decode_float, .outputs = outputs });
}

/* ---- what it says ---- */

static int64_t pair_of(int64_t column, int64_t columns, pare_angle_order order)
{
   if (order == PARE_ANGLES_HALVES) return column % (columns / 2);
   return order == PARE_ANGLES_PAIRS ? column / 2 : column;
}

/* Frequency 1 is theta^(-1 / pairs), below pi, so the angle at position 1 is the frequency. Bases are round
 * numbers, which rounding in f32 has blurred. */
static double find_theta(const trial *t, int64_t pairs, pare_angle_order order)
{
   int64_t column = 0;
   if (pairs < 2) return 10000;
   while (pair_of(column, t->columns, order) != 1) column++;
   const float *cosines = t->values + t->columns, *sines = cosines + t->rows * t->columns;
   double theta = pow(atan2((double)sines[column], (double)cosines[column]), -(double)pairs);
   return fabs(theta - rint(theta)) <= 1e-4 * theta ? rint(theta) : theta;
}

static bool agrees(const trial *t, int64_t pairs, pare_angle_order order, double theta)
{
   const float *cosines = t->values, *sines = cosines + t->rows * t->columns;
   for (int64_t i = 0; i < t->rows * t->columns; i++) {
      double position = t->positions[i / t->columns];
      double angle = position * pow(theta, -(double)pair_of(i % t->columns, t->columns, order) / (double)pairs);
      double slack = 1e-5 + 5e-7 * position;
      if (!(fabs((double)cosines[i] - cos(angle)) <= slack && fabs((double)sines[i] - sin(angle)) <= slack))
         return false;
   }
   return true;
}

static pare_status judge(const trial *t, int64_t pairs, pare_angle_order order, const pare_value *positions,
                         const pare_graph *graph, pare_angles *out)
{
   if (t->columns != (order == PARE_ANGLES_ONCE ? pairs : 2 * pairs))
      return is_not(out, "the cosines have another number of columns than the pairs ask for");
   out->theta = find_theta(t, pairs, order);
   if (!(out->theta >= 1e-3 && out->theta <= 1e15) || !agrees(t, pairs, order, out->theta))
      return is_not(out, "the angles are not position times theta^(-2i / n) for any theta");
   out->positions = pare_graph_find_value(graph, positions->name);
   return PARE_OK;
}

/* The one axis that is not 1, but for the last; 0 when there is another. */
static int find_rows_axis(const pare_type *type, int64_t rows)
{
   int found = 0;
   for (int i = 0; i + 1 < type->rank; i++) {
      if (type->dim[i] == 1) continue;
      if (found || type->dim[i] != rows) return 0;
      found = type->rank - i;
   }
   return found;
}

static pare_status try_part(pare_ctx *ctx, const pare_graph *graph, const pare_graph *part, int64_t pairs,
                            pare_angle_order order, pare_angles *out)
{
   const pare_value *positions = NULL;
   size_t named = 0;
   trial t = { 0 };
   for (size_t i = 0; i < part->n_values; i++) {
      if (part->values[i]->kind == PARE_VALUE_TEMP) continue;
      positions = part->values[i];
      named++;
   }
   if (named != 1 || positions->type.dtype != PARE_I32 || positions->type.rank != 1)
      return is_not(out, "the angles do not come from a list of positions alone");
   int64_t rows = positions->type.dim[0];
   for (size_t i = 0; i < part->n_weights; i++)
      if (!pare_encoding_is_float(part->weights[i]->encoding.kind)) return is_not(out, "the angles are quantized");
   out->rows_axis = find_rows_axis(&part->outputs[0]->type, rows);
   if (out->rows_axis == 0 || rows == 1 || rows > MOST_ROWS)
      return is_not(out, "the angles are not one row a position");
   pare_status status = evaluate(ctx, part, positions, &t);
   if (status == PARE_INPUT) {
      pare_ctx_clear(ctx);
      status = is_not(out, "the angles cannot be computed for trial positions");
   } else if (status == PARE_OK) {
      status = judge(&t, pairs, order, positions, graph, out);
   }
   pare_free(ctx, t.values);
   pare_free(ctx, t.positions);
   return status;
}

pare_status pare_angles_find(pare_ctx *ctx, const pare_graph *graph, pare_value *cosines, pare_value *sines,
                             int64_t pairs, pare_angle_order order, pare_angles *out)
{
   pare_graph *part = NULL;
   *out = (pare_angles){ .theta = 0 };
   if (!cosines->producer || !sines->producer || !pare_type_equal(&cosines->type, &sines->type))
      return is_not(out, "cosines and sines are not computed, or of different shapes");
   pare_value *both[] = { cosines, sines };
   PARE_TRY(pare_graph_extract(ctx, graph, both, 2, &part));
   pare_status status = try_part(ctx, graph, part, pairs, order, out);
   pare_graph_destroy(ctx, part);
   return status;
}
