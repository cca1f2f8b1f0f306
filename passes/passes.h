/* passes: the descriptors of all passes; what each does is written at the top of passes/<name>.c. Look them
 * up with pare_passes and pare_pass_find (pipeline/pass.h). */
#ifndef PARE_PASSES_PASSES_H
#define PARE_PASSES_PASSES_H

#include "pipeline/pass.h"

#define PASS(name) extern const pare_pass pare_pass_##name;
#include "passes/passes.def"
#undef PASS

#endif
