/* view: see view.h. */
#include "ops/view.h"

#include "ops/ops.h"

enum { MOST_FLAT = PARE_MAX_RANK * PARE_VIEW_PIECES, MOST_CHAIN = 16 };

void pare_view_begin(pare_view *view, pare_value *value)
{
   *view = (pare_view){ .source = value, .rank = value->type.rank };
   for (int i = 0; i < view->rank; i++) {
      if (value->type.dim[i] == 1) continue;
      view->axis[i].piece[0] = (pare_view_piece){ .axis = i, .size = value->type.dim[i], .step = 1 };
      view->axis[i].count = 1;
   }
}

/* ---- reshape ---- */

/* All pieces in order; what is left of the one at `at` when only its outer part was taken. */
typedef struct flat {
   pare_view_piece piece[MOST_FLAT];
   int count, at;
} flat;

/* Appends a piece, as one with the piece before it where that continues in it. */
static bool put_piece(pare_view_axis *axis, pare_view_piece piece)
{
   pare_view_piece *last = axis->count ? &axis->piece[axis->count - 1] : NULL;
   if (last && piece.size > 0 && last->size > 0 && last->axis == piece.axis &&
       (piece.axis == PARE_VIEW_REPEAT || last->step == piece.size * piece.step)) {
      last->size *= piece.size;
      last->step = piece.step;
      return true;
   }
   if (axis->count == PARE_VIEW_PIECES) return false;
   axis->piece[axis->count++] = piece;
   return true;
}

static bool take_axis(flat *f, int64_t size, pare_view_axis *axis)
{
   while (size != 1) {
      if (f->at == f->count) return false;
      pare_view_piece *next = &f->piece[f->at];
      if (size < 0 || next->size < 0) {
         if (size != next->size) return false;
         f->at++;
         return put_piece(axis, *next);
      }
      if (size % next->size == 0) {
         size /= next->size;
         f->at++;
         if (!put_piece(axis, *next)) return false;
         continue;
      }
      if (next->size % size != 0) return false;
      int64_t rest = next->size / size;
      if (!put_piece(axis, (pare_view_piece){ next->axis, size, next->step * rest })) return false;
      next->size = rest;
      size = 1;
   }
   return true;
}

static bool apply_reshape(pare_view *view, const pare_type *to)
{
   flat f = { .count = 0 };
   pare_view result = { .source = view->source, .rank = to->rank };
   for (int i = 0; i < view->rank; i++)
      for (int p = 0; p < view->axis[i].count; p++) f.piece[f.count++] = view->axis[i].piece[p];
   for (int i = 0; i < to->rank; i++)
      if (!take_axis(&f, to->dim[i], &result.axis[i])) return false;
   if (f.at != f.count) return false;
   *view = result;
   return true;
}

/* ---- the others ---- */

static bool apply_transpose(pare_view *view, const pare_transpose_attrs *attrs)
{
   pare_view result = *view;
   for (int i = 0; i < view->rank; i++) result.axis[i] = view->axis[pare_transpose_source(attrs, view->rank, i)];
   *view = result;
   return true;
}

/* Axes that grow from 1, and new ones before them. */
static bool apply_expand(pare_view *view, const pare_type *from, const pare_type *to)
{
   pare_view result = { .source = view->source, .rank = to->rank };
   for (int i = 0; i < to->rank; i++) {
      int old = i - (to->rank - from->rank);
      if (old >= 0) result.axis[i] = view->axis[old];
      if (to->dim[i] == 1 || (old >= 0 && from->dim[old] == to->dim[i])) continue;
      result.axis[i] = (pare_view_axis){ .piece = { { PARE_VIEW_REPEAT, to->dim[i], 1 } }, .count = 1 };
   }
   *view = result;
   return true;
}

/* The same tensor several times along an axis of size 1. */
static bool apply_concat(pare_view *view, const pare_node *node)
{
   const pare_axis_attrs *attrs = node->attrs;
   const pare_type *from = &node->input[0]->type;
   int axis = (int)(attrs->axis < 0 ? attrs->axis + from->rank : attrs->axis);
   for (size_t i = 1; i < node->n_inputs; i++)
      if (node->input[i] != node->input[0]) return false;
   return from->dim[axis] == 1 && apply_expand(view, from, &node->output[0]->type);
}

bool pare_view_apply(pare_view *view, const pare_node *node)
{
   switch (node->op) {
   case PARE_OP_reshape: return apply_reshape(view, &node->output[0]->type);
   case PARE_OP_transpose: return apply_transpose(view, node->attrs);
   case PARE_OP_expand: return apply_expand(view, &node->input[0]->type, &node->output[0]->type);
   case PARE_OP_concat: return apply_concat(view, node);
   default: return false;
   }
}

void pare_view_of(pare_view *view, pare_value *value)
{
   const pare_node *chain[MOST_CHAIN];
   int count = 0;
   for (const pare_node *node = value->producer; node && count < MOST_CHAIN; node = node->input[0]->producer) {
      bool moves = node->op == PARE_OP_reshape || node->op == PARE_OP_transpose || node->op == PARE_OP_expand ||
                   node->op == PARE_OP_concat;
      if (!moves) break;
      chain[count++] = node;
   }
   pare_view_begin(view, count ? chain[count - 1]->input[0] : value);
   while (count-- > 0)
      if (!pare_view_apply(view, chain[count])) pare_view_begin(view, chain[count]->output[0]);
}

bool pare_view_is(const pare_view *view, int axis, int source_axis, int64_t size, int64_t step)
{
   const pare_view_axis *a = &view->axis[axis];
   if (size == 1) return a->count == 0;
   return a->count == 1 && a->piece[0].axis == source_axis && a->piece[0].size == size &&
          a->piece[0].step == step;
}

bool pare_view_reshape(const pare_type *from, const pare_type *to, pare_ints *shape)
{
   int open = 0;
   *shape = (pare_ints){ .count = to->rank };
   for (int i = 0; i < to->rank; i++) {
      bool stays = i < from->rank && from->dim[i] == to->dim[i];
      shape->items[i] = to->dim[i] > 0 ? to->dim[i] : stays ? 0 : -1;
      open += shape->items[i] == -1;
   }
   return open <= 1;
}
