/* view: what a chain of reshape, transpose, expand (and concat of a tensor with itself) makes of a tensor. Every
 * axis of the result is told as pieces of the axes of the source, outermost first:
 *
 *    x f32[tokens, 512] -> reshape [0, 8, 64] -> transpose [1, 0, 2]
 *    axis 0: a piece of x's axis 1, 8 steps of 64     (heads)
 *    axis 1: x's axis 0                               (tokens)
 *    axis 2: a piece of x's axis 1, 64 steps of 1     (elements of a head)
 *
 * Pieces of size 1 are left out, so an axis of size 1 has none. */
#ifndef PARE_OPS_VIEW_H
#define PARE_OPS_VIEW_H

#include "ir/op.h"

enum { PARE_VIEW_PIECES = 6, PARE_VIEW_REPEAT = -1 };

typedef struct pare_view_piece {
   int axis;      /* of the source, or PARE_VIEW_REPEAT: the same again */
   int64_t size;  /* a symbol for a whole axis of that size */
   int64_t step;  /* places of the axis from one to the next */
} pare_view_piece;

typedef struct pare_view_axis {
   pare_view_piece piece[PARE_VIEW_PIECES];
   int count;
} pare_view_axis;

typedef struct pare_view {
   pare_value *source;
   int rank;
   pare_view_axis axis[PARE_MAX_RANK];
} pare_view;

/* The value as it is. */
void pare_view_begin(pare_view *view, pare_value *value);
/* What the node makes of the view; false (and nothing changed) when it cannot be told. */
bool pare_view_apply(pare_view *view, const pare_node *node);
/* The longest chain that ends in the value. */
void pare_view_of(pare_view *view, pare_value *value);
/* The axis is one piece: places of this axis of the source. A size of 1 is an axis without pieces. */
bool pare_view_is(const pare_view *view, int axis, int source_axis, int64_t size, int64_t step);
/* The attribute of a reshape from one shape to another of as many elements; false when symbols move so that it
 * cannot say so. */
bool pare_view_reshape(const pare_type *from, const pare_type *to, pare_ints *shape);

#endif
