/* tiers: what fills the kernel table, inside src/kernels only.
 *
 * Each tier is a static library compiled with its own instruction set; each of its files ends with one
 * function that writes its entries. The scalar files are compiled twice: plainly (fma by the C library), and,
 * on x86-64, with -mfma, which gives the same bits several times faster and is taken when the processor has
 * FMA. The wide files are compiled for AVX2 and for NEON, each with an int8 product of its own; wide_groups.c
 * and wide_attention_i8.c for AVX-VNNI too. */
#ifndef PARE_KERNELS_TIERS_H
#define PARE_KERNELS_TIERS_H

#include "kernels/kernels.h"

#if defined(PARE_SCALAR_FMA)
#define PARE_SCALAR(name) pare_scalar_fma_##name
#else
#define PARE_SCALAR(name) pare_scalar_##name
#endif

void PARE_SCALAR(linear)(pare_kernels *k);
void PARE_SCALAR(groups)(pare_kernels *k);
void PARE_SCALAR(quant)(pare_kernels *k);
void PARE_SCALAR(gemm)(pare_kernels *k);
void PARE_SCALAR(rows)(pare_kernels *k);
void PARE_SCALAR(attention)(pare_kernels *k);
void PARE_SCALAR(attention_f32)(pare_kernels *k);
void PARE_SCALAR(attention_i8)(pare_kernels *k);

void pare_scalar_fill(pare_kernels *k);
void pare_scalar_fma_fill(pare_kernels *k);

void pare_avx2_linear(pare_kernels *k);
void pare_avx2_groups(pare_kernels *k);
void pare_avx2_quant(pare_kernels *k);
void pare_avx2_pack(pare_kernels *k);
void pare_avx2_gemm(pare_kernels *k);
void pare_avx2_rows(pare_kernels *k);
void pare_avx2_unary(pare_kernels *k);
void pare_avx2_attention(pare_kernels *k);
void pare_avx2_attention_f32(pare_kernels *k);
void pare_avx2_attention_i8(pare_kernels *k);
void pare_avx2_fill(pare_kernels *k);

/* linear_groups of wide_groups.c; for AVX2 by way of sums of 16 bits when there are many rows. */
typedef void pare_linear_groups_function(const pare_kernels *self, const pare_linear_i8 *p,
                                         const pare_groups *w, uint8_t *lines, int64_t block0, int64_t block1);
pare_linear_groups_function pare_avx2_linear_groups, pare_avxvnni_linear_groups, pare_neon_linear_groups;
pare_linear_groups_function pare_avx2_linear_levels;

/* After pare_avx2_fill, with AVX-VNNI: the int8 products. */
void pare_avxvnni_groups(pare_kernels *k);
void pare_avxvnni_attention_i8(pare_kernels *k);
void pare_avxvnni_fill(pare_kernels *k);

void pare_avx512_linear(pare_kernels *k);
void pare_avx512_groups(pare_kernels *k);
void pare_avx512_quant(pare_kernels *k);
void pare_avx512_pack(pare_kernels *k);
void pare_avx512_gemm(pare_kernels *k);
void pare_avx512_rows(pare_kernels *k);
void pare_avx512_unary(pare_kernels *k);
void pare_avx512_attention(pare_kernels *k);
void pare_avx512_attention_f32(pare_kernels *k);
void pare_avx512_attention_i8(pare_kernels *k);
void pare_avx512_fill(pare_kernels *k);
void pare_avx512_linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1);
void pare_avx512_attend_i8(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n,
                           float scale, bool stay_rotated, void *scratch);

/* After pare_avx512_fill, with tiles. */
void pare_amx_linear(pare_kernels *k);
void pare_amx_attention_i8(pare_kernels *k);

void pare_neon_linear(pare_kernels *k);
void pare_neon_groups(pare_kernels *k);
void pare_neon_quant(pare_kernels *k);
void pare_neon_pack(pare_kernels *k);
void pare_neon_gemm(pare_kernels *k);
void pare_neon_rows(pare_kernels *k);
void pare_neon_unary(pare_kernels *k);
void pare_neon_attention(pare_kernels *k);
void pare_neon_attention_f32(pare_kernels *k);
void pare_neon_attention_i8(pare_kernels *k);
void pare_neon_fill(pare_kernels *k);
void pare_neon_linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1);

/* After pare_neon_fill, with the int8 matrix product. */
void pare_neon_i8mm_linear(pare_kernels *k);

#endif
