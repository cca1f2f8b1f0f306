/* angles: whether two tensors are the cosines and sines of a rotary embedding. They are recognised by what they are,
 * not by how they are made: both are computed for trial positions and compared with the formula, so tables that are
 * looked up, products of positions and frequencies and halves that are repeated are all one case. */
#ifndef PARE_OPS_ANGLES_H
#define PARE_OPS_ANGLES_H

#include "ir/op.h"

enum { PARE_ANGLES_WHY = 160 };

/* Which frequency column c of the tensors belongs to. */
typedef enum pare_angle_order {
   PARE_ANGLES_ONCE,   /* c */
   PARE_ANGLES_HALVES, /* c modulo half the columns */
   PARE_ANGLES_PAIRS   /* c / 2 */
} pare_angle_order;

typedef struct pare_angles {
   pare_value *positions; /* the input i32[T] they are made of; NULL when they are no such tensors */
   double theta;
   int rows_axis;         /* of the tensors, from the last (1): where positions are laid along */
   char why[PARE_ANGLES_WHY]; /* what they are not */
} pare_angles;

/* `pairs` frequencies, theta^(-i / pairs). Values are of one shape; both belong to the graph. */
pare_status pare_angles_find(pare_ctx *ctx, const pare_graph *graph, pare_value *cosines, pare_value *sines,
                             int64_t pairs, pare_angle_order order, pare_angles *out);

#endif
