/* mask_form: what the mask of an attention says, where that can be told from how it is made. */
#ifndef PARE_OPS_MASK_FORM_H
#define PARE_OPS_MASK_FORM_H

#include "ir/op.h"

/* Scores of this or less are as good as minus infinity: exporters write -1e4, -65504, -1e9, the smallest float. */
#define PARE_MASKED_SCORE -9999.0

typedef enum pare_mask_kind {
   PARE_MASK_TENSOR,    /* nothing is known */
   PARE_MASK_ROWS,      /* key j of row i is attended when j <= i */
   PARE_MASK_POSITIONS  /* when the position of j is at most that of i */
} pare_mask_kind;

typedef struct pare_mask_form {
   pare_mask_kind kind;
   pare_value *positions; /* of PARE_MASK_POSITIONS: the list i32[T] */
} pare_mask_form;

/* A tensor that is added to scores [..., rows, keys]. */
pare_mask_form pare_mask_of_sum(const pare_value *mask, int64_t rows, int64_t keys);
/* An i32 condition over scores; `attends` is what it is, 1 or 0, where a key is attended. */
pare_mask_form pare_mask_of_condition(const pare_value *condition, int64_t rows, int64_t keys, bool attends);

#endif
