/* stream: see stream.h. Reading runs four chunks ahead: enough for the disk to stay busy, little enough not
 * to push other pages out. Pages behind are given back, so resident memory does not grow with the model; a
 * second reader finds them in the page cache. */
#include "quant/stream.h"

#include "quant/rows.h"

enum { CHUNK = 8 << 20, AHEAD = 4 };

typedef struct shifted {
   pare_work work;
   void *arg;
   int64_t first;
} shifted;

static void run_shifted(void *arg, int64_t item, int worker)
{
   const shifted *s = arg;
   s->work(s->arg, s->first + item, worker);
}

/* Source bytes of one block of rows; of a transposed weight they are not contiguous, but as many. */
static size_t source_block(const pare_weight *weight)
{
   int64_t k = weight->dim[1];
   if (!pare_encoding_is_float(weight->encoding.kind))
      return (size_t)((k + PARE_BLOCK_K - 1) / PARE_BLOCK_K) * PARE_LINE;
   return (size_t)k * PARE_BLOCK_N * pare_dtype_size(pare_encoding_dtype(weight->encoding.kind));
}

pare_status pare_stream_run(pare_ctx *ctx, const pare_stream *stream, pare_work work, void *arg)
{
   const pare_weight *source = stream->source;
   size_t block = source_block(source);
   int64_t blocks = pare_rows_blocks(source), step = block < CHUNK ? (int64_t)(CHUNK / block) : 1;
   size_t chunk = (size_t)step * block;
   bool in_order = !source->encoding.transposed;
   pare_buffer_advise(source->data, 0, in_order ? AHEAD * chunk : pare_buffer_size(source->data),
                      PARE_WILL_NEED);
   for (int64_t first = 0; first < blocks; first += step) {
      int64_t count = blocks - first < step ? blocks - first : step;
      shifted s = { work, arg, first };
      size_t at = (size_t)first * block;
      if (in_order) pare_buffer_advise(source->data, at + AHEAD * chunk, chunk, PARE_WILL_NEED);
      pare_pool_run(ctx, count, run_shifted, &s);
      PARE_TRY(pare_check_stop(ctx));
      if (in_order) pare_buffer_advise(source->data, at, (size_t)count * block, PARE_DONT_NEED);
      if (stream->result)
         pare_buffer_advise(stream->result, (size_t)first * stream->result_block,
                            (size_t)count * stream->result_block, PARE_DONT_NEED);
   }
   if (!in_order) pare_buffer_advise(source->data, 0, pare_buffer_size(source->data), PARE_DONT_NEED);
   return PARE_OK;
}
