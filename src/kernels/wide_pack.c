/* wide_pack: to and from the packed int8 layout; 8 lines of 8 quads of codes at a time are one transpose. */
#include "base/half.h"
#include "kernels/tiers.h"
#include "kernels/wide.h"

static const uint32_t flip_bits = 0x80808080u;   /* the top bits of four codes */

/* Eight quads of a row, from p on, `left` of them: zeros in the lanes that are not read. */
PARE_INLINE v8 load_quads(const int8_t *p, int64_t left)
{
   if (left >= 8) {
      return v8_load(p);
   }
   int8_t t[32] = { 0 };
   memcpy(t, p, (size_t)(4 * left));
   return v8_load(t);
}

static void pack_i8(const int8_t *rows, int64_t ld, int64_t kq, uint8_t *lines)
{
   const v8 flip = v8_set(pare_f32_from_bits(flip_bits));
   for (int64_t i = 0; i < kq; i += 8) {
      int64_t count = kq - i < 8 ? kq - i : 8;
      for (int64_t half = 0; half < 2; half++) {
         v8 v[8];
         PARE_UNROLL
         for (int r = 0; r < 8; r++) {
            v[r] = load_quads(rows + (8 * half + r) * ld + 4 * i, kq - i);
         }
         v8_transpose(v);
         for (int64_t j = 0; j < count; j++) {
            v8_store(lines + 64 * (i + j) + 32 * half, v8_xor(v[j], flip));
         }
      }
   }
}

/* Quad i of a channel. */
PARE_INLINE uint32_t quad_at(const uint8_t *block, int lane, int64_t i)
{
   uint32_t quad;
   memcpy(&quad, block + 64 * i + 4 * lane, sizeof quad);
   return quad ^ flip_bits;
}

static void unpack_row_i8(const uint8_t *block, int lane, int64_t k, int8_t *q)
{
   for (int64_t i = 0; i < k; i += 4) {
      uint32_t quad = quad_at(block, lane, i / 4);
      memcpy(q + i, &quad, k - i >= 4 ? 4 : (size_t)(k - i));
   }
}

static void dequant_row_i8(const uint8_t *block, int lane, int64_t k, float scale, float *x)
{
   const v8 factor = v8_set(scale);
   for (int64_t i = 0; i < k; i += 8) {
      int8_t codes[8];
      unpack_row_i8(block + 16 * i, lane, k - i < 8 ? (k - i + 3) / 4 * 4 : 8, codes);
      v8_store_part(x + i, k - i, v8_mul(v8_load_codes(codes), factor));
   }
}

void PARE_WIDE(pack)(pare_kernels *k)
{
   k->pack_i8 = pack_i8;
   k->unpack_row_i8 = unpack_row_i8;
   k->dequant_row_i8 = dequant_row_i8;
}
