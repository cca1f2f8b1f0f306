/* deflate: see deflate.h. zlib counts in 32 bits, so both directions feed it slices. */
#include "base/deflate.h"

#include <zlib.h>

enum { LEVEL = 6, WINDOW_BITS = 15, MEMORY_LEVEL = 8, CHUNK = 1 << 16 };

static const size_t largest_slice = 1u << 30;

static voidpf take_memory(voidpf ctx, uInt count, uInt size)
{
   return pare_alloc_array(ctx, count, size);
}

static void give_memory(voidpf ctx, voidpf memory)
{
   pare_free(ctx, memory);
}

static uInt slice(size_t left)
{
   return (uInt)(left < largest_slice ? left : largest_slice);
}

static pare_status deflate_slices(pare_ctx *ctx, z_stream *z, size_t size, uint8_t *chunk, pare_sink sink,
                                  void *user)
{
   for (int result = Z_OK; result != Z_STREAM_END;) {
      if (z->avail_in == 0) size -= z->avail_in = slice(size);
      z->next_out = chunk;
      z->avail_out = CHUNK;
      result = deflate(z, size == 0 ? Z_FINISH : Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
         return pare_fail(ctx, PARE_INTERNAL, NULL, "deflate: zlib returned %d", result);
      PARE_TRY(sink(ctx, user, chunk, CHUNK - z->avail_out));
      PARE_TRY(pare_check_stop(ctx));
   }
   return PARE_OK;
}

pare_status pare_deflate_to(pare_ctx *ctx, const void *bytes, size_t size, pare_sink sink, void *user)
{
   z_stream z = { .zalloc = take_memory, .zfree = give_memory, .opaque = ctx,
                  .next_in = (Bytef *)(uintptr_t)bytes };
   uint8_t *chunk = pare_alloc(ctx, CHUNK);
   if (!chunk) return PARE_RESOURCE;
   pare_status status = PARE_OK;
   if (deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
      status = pare_fail(ctx, PARE_RESOURCE, NULL, "deflate: out of memory");
   if (status == PARE_OK) status = deflate_slices(ctx, &z, size, chunk, sink, user);
   deflateEnd(&z);
   pare_free(ctx, chunk);
   return status;
}

static pare_status append(pare_ctx *ctx, void *user, const void *bytes, size_t size)
{
   return pare_str_append(ctx, user, bytes, size);
}

pare_status pare_deflate(pare_ctx *ctx, const void *bytes, size_t size, pare_str *out)
{
   return pare_deflate_to(ctx, bytes, size, append, out);
}

/* Inflates until the stream ends or stands still; *in_left and *out_left say what remains. */
static int inflate_slices(z_stream *z, size_t *in_left, size_t *out_left)
{
   int result = Z_OK;
   while (result == Z_OK) {
      uInt in = slice(*in_left), room = slice(*out_left);
      z->avail_in = in;
      z->avail_out = room;
      result = inflate(z, Z_NO_FLUSH);
      *in_left -= in - z->avail_in;
      *out_left -= room - z->avail_out;
   }
   return result;
}

static pare_status judge(pare_ctx *ctx, const z_stream *z, int result, const char *where, size_t in_left,
                         size_t out_left, size_t out_size)
{
   if (result == Z_MEM_ERROR) return pare_fail(ctx, PARE_RESOURCE, where, "inflate: out of memory");
   if (result == Z_STREAM_END && in_left == 0 && out_left == 0) return PARE_OK;
   if (result == Z_STREAM_END && in_left)
      return pare_fail(ctx, PARE_INPUT, where, "%zu bytes after the end of the deflated stream", in_left);
   if (result == Z_STREAM_END)
      return pare_fail(ctx, PARE_INPUT, where, "inflates to %zu bytes, expected %zu", out_size - out_left,
                       out_size);
   if (result == Z_BUF_ERROR && in_left)
      return pare_fail(ctx, PARE_INPUT, where, "inflates to more than the expected %zu bytes", out_size);
   const char *why = result == Z_BUF_ERROR ? "it ends too early" : z->msg ? z->msg : "not a zlib stream";
   return pare_fail(ctx, PARE_INPUT, where, "damaged deflated stream: %s", why);
}

pare_status pare_inflate(pare_ctx *ctx, const void *bytes, size_t size, const char *where, void *out,
                         size_t out_size)
{
   uint8_t nothing;
   z_stream z = { .zalloc = take_memory, .zfree = give_memory, .opaque = ctx,
                  .next_in = (Bytef *)(uintptr_t)bytes, .next_out = out_size ? out : &nothing };
   if (inflateInit2(&z, WINDOW_BITS) != Z_OK)
      return pare_fail(ctx, PARE_RESOURCE, where, "inflate: out of memory");
   size_t in_left = size, out_left = out_size;
   int result = inflate_slices(&z, &in_left, &out_left);
   pare_status status = judge(ctx, &z, result, where, in_left, out_left, out_size);
   inflateEnd(&z);
   return status;
}
