/* ops: the table of all operations. */
#include "ops/ops.h"

#include <string.h>

const pare_op_info *const pare_ops[PARE_OP_COUNT] = {
#define OP(name) [PARE_OP_##name] = &pare_op_##name,
#include "ir/ops.def"
#undef OP
};

const pare_op_info *pare_op_find(const char *name, pare_op *op)
{
   for (int i = 0; i < PARE_OP_COUNT; i++) {
      if (strcmp(pare_ops[i]->name, name) != 0) continue;
      *op = (pare_op)i;
      return pare_ops[i];
   }
   return NULL;
}
