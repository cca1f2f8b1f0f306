/* avx512_pack: to and from the packed int8 layout; 16 lines of 16 dwords at a time are one transpose. */
#include <string.h>

#include "kernels/avx512_util.h"
#include "kernels/tiers.h"

static void pack_i8(const int8_t *rows, int64_t ld, int64_t kq, uint8_t *lines)
{
   const __m512i flip = _mm512_set1_epi8((char)0x80);
   for (int64_t i = 0; i < kq; i += 16) {
      int64_t count = kq - i < 16 ? kq - i : 16;
      __mmask16 quads = pare_lanes(i, kq);
      __m512i v[16];
      PARE_UNROLL
      for (int r = 0; r < 16; r++) {
         v[r] = _mm512_maskz_loadu_epi32(quads, rows + r * ld + 4 * i);
      }
      pare_transpose16(v);
      for (int64_t j = 0; j < count; j++) {
         _mm512_store_si512(lines + 64 * (i + j), _mm512_xor_si512(v[j], flip));
      }
   }
}

/* 16 quads of codes of one channel, from quad i on. */
PARE_INLINE __m512i gather_quads(const uint8_t *block, int lane, int64_t i, __mmask16 quads)
{
   const __m512i at = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192,
                                       208, 224, 240);
   const uint8_t *base = block + 64 * i + 4 * lane;
   __m512i v = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), quads, at, base, 4);
   return _mm512_xor_si512(v, _mm512_set1_epi8((char)0x80));
}

static void unpack_row_i8(const uint8_t *block, int lane, int64_t k, int8_t *q)
{
   int64_t kq = (k + 3) / 4;
   for (int64_t i = 0; i < kq; i += 16) {
      __m512i v = gather_quads(block, lane, i, pare_lanes(i, kq));
      int64_t left = k - 4 * i;
      __mmask64 bytes = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
      _mm512_mask_storeu_epi8(q + 4 * i, bytes, v);
   }
}

static void dequant_row_i8(const uint8_t *block, int lane, int64_t k, float scale, float *x)
{
   const __m512 factor = _mm512_set1_ps(scale);
   int64_t kq = (k + 3) / 4;
   for (int64_t i = 0; i < kq; i += 16) {
      int8_t codes[64];
      _mm512_storeu_si512(codes, gather_quads(block, lane, i, pare_lanes(i, kq)));
      for (int64_t j = 0; j < 64 && 4 * i + j < k; j += 16) {
         __m512i code = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(codes + j)));
         __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(code), factor);
         _mm512_mask_storeu_ps(x + 4 * i + j, pare_lanes(4 * i + j, k), v);
      }
   }
}

void pare_avx512_pack(pare_kernels *k)
{
   k->pack_i8 = pack_i8;
   k->unpack_row_i8 = unpack_row_i8;
   k->dequant_row_i8 = dequant_row_i8;
}
