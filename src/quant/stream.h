/* stream: runs work over the blocks of 16 rows of a weight in order of the bytes, so that a model larger than
 * memory is read from its mapped file once, ahead of the work, and neither source nor result stays resident.
 * Not for other layers. */
#ifndef PARE_QUANT_STREAM_H
#define PARE_QUANT_STREAM_H

#include "base/buffer.h"
#include "base/pool.h"
#include "ir/weight.h"

typedef struct pare_stream {
   const pare_weight *source;
   pare_buffer *result;    /* NULL: nothing is written */
   size_t result_block;    /* bytes of the result a block of rows fills, one block after another */
} pare_stream;

/* Calls work(arg, block, worker) for every block on the pool. After each chunk of about 8 MB the cancel flag
 * is looked at: PARE_STOPPED, or PARE_INPUT when the source file shrank. */
pare_status pare_stream_run(pare_ctx *ctx, const pare_stream *stream, pare_work work, void *arg);

#endif
