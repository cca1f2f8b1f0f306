/* select: the exact threshold below which the smallest of many scores lie, over one weight or many, in
 * bounded memory: radix selection over the bits of the scores, two reads of the data, three where the
 * threshold itself occurs more often than it may be taken. No sorting, no copy, the same result at any thread
 * count. */
#ifndef PARE_QUANT_SELECT_H
#define PARE_QUANT_SELECT_H

#include "quant/weight_io.h"

/* A score stands for `block` neighbours along K (the last block of a row may be shorter): the mean of their
 * magnitudes, added in ascending order in f32. With block 1 it is the magnitude itself. */
typedef struct pare_selection {
   int64_t block;
   uint32_t threshold; /* bits of the largest score selected: those below it are selected, */
   int64_t *ties;      /* and of those equal to it the first ties[i], i a block of 16 rows of any weight */
   size_t *first;      /* [n]: where a weight's blocks of rows start in ties */
} pare_selection;

/* Selects the floor(share * scores) smallest scores of all `n` weights together; of equal ones those that
 * come first (in the order of the weights, then of rows, then of columns). share in [0, 1]. PARE_INPUT naming
 * tensor and index when a value is NaN or Inf. The caller finishes *out. */
pare_status pare_select_smallest(pare_ctx *ctx, pare_weight *const *weights, size_t n, int64_t block,
                                 double share, pare_selection *out);
void pare_selection_finish(pare_ctx *ctx, pare_selection *selection);

/* Sets the selected blocks of one row of K values to zero. *ties: how many scores equal to the threshold may
 * still go in this block of rows; counted down. */
void pare_selection_apply(const pare_selection *selection, float *values, int64_t k, int64_t *ties);

#endif
