/* kernels: the table of raw-pointer compute kernels, one entry a job, filled for the instruction sets
 * allowed.
 *
 *    pare_kernels k;
 *    pare_kernels_init(&k, pare_cpu_detect());         (a narrower mask forces a lower tier; 0 is scalar)
 *    k.quant_row(x, K, 128, codes, kpad, tmp, &scale, &sum);
 *    k.linear_i8(&k, &args, 0, blocks);
 *
 * Contract of every entry:
 * - The scalar kernel is the specification; every tier returns the same bits. A result that is NaN is NaN in
 *   every tier, but its sign and payload are not fixed.
 * - The caller has pinned rounding and denormal modes (pare_fp_pin in base/cpu.h), once a thread.
 * - All checks were made at prepare time: pointers, sizes and strides are right. Nothing is allocated,
 *   nothing fails, nothing is kept between calls; calls on different outputs may run at the same time.
 * - Sizes and strides count elements, not bytes. A size of 0 does nothing.
 * - Arrays need their element's alignment only, except where "64-byte aligned" is said; aligned rows are
 *   faster. `w` of panel_f32 and `src` of to_f32 need no alignment at all (weights of a mapped file).
 * - Outputs do not overlap inputs, except where "in place" is said. Bytes outside the stated outputs are not
 *   written, bytes outside the stated inputs are not read.
 *
 * Sums of floats: "16-lane sum" is s[l] = sum over i ascending of t[16 i + l] for lanes l = 0..15 (each
 * starting at +0, the tail goes to its lanes), then the tree s[l] += s[l + 8], + 4, + 2, + 1.  fma(a, b, c) =
 * a * b + c rounded once. */
#ifndef PARE_KERNELS_KERNELS_H
#define PARE_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"

/* Storage of float weights. */
enum { PARE_FLOAT_F32 = 0, PARE_FLOAT_F16 = 1, PARE_FLOAT_BF16 = 2 };

enum {
   PARE_BLOCK = 16,        /* output channels of one packed block, and of one f32 panel */
   PARE_KV_BLOCK = 16,     /* positions of one transposed block of the key cache */
   PARE_ATTN_BLOCK = 64,   /* positions of one softmax block, at absolute positions */
   PARE_ATTN_ROWS = 96,    /* most rows of one call of attention */
   PARE_KV_MAX_DIM = 1024, /* largest head of the int8 cache */
   PARE_MAX_K = 65536      /* longest input of linear_i8: the sums stay within int32 */
};

/* One int8 product: out[r][c] = fma((float)acc, act_scale[r] * w_scale[c], bias[c]), then + add[r][c] if there is one,
 * acc = sum over k of code(c, k) * act[r][k], an exact int32.  Without a bias, bias[c] is +0. */
typedef struct pare_linear_i8 {
   const uint8_t *codes;     /* [ceil(n/16)][kq][16][4], 64-byte aligned: code + 128; pads are 128 (code 0) */
   const float   *w_scale;   /* [n] */
   const float   *bias;      /* [n] or NULL */
   const int8_t  *act;       /* [m] rows of 4 * kq codes in [-127, 127], row stride lda; pads are 0 */
   const float   *act_scale; /* [m] */
   const int32_t *act_sum;   /* [m] sum of the row's codes */
   int64_t m, n;             /* rows, output channels */
   int64_t kq, lda;          /* input channels / 4 rounded up (4 * kq <= PARE_MAX_K), row stride of act */
   const float *add;         /* [m][n] or NULL, row stride ld_add; does not overlap out, or is out, ld_add ldo */
   int64_t ld_add;
   float  *out;              /* [m][n], row stride ldo; what lies there during the call may be anything,
                                unless it is `add` */
   int64_t ldo;
} pare_linear_i8;

/* Weights of 4, 3 or 2 bits, each times the multiplier of its channel and group of inputs: codes of an int8
 * product in fewer bytes (layout: formats/ARTIFACT.md, "i4, i3, i2"). Any bytes are valid. */
typedef struct pare_groups {
   const uint8_t *data;   /* blocks of 16 channels of block_bytes each, 64-byte aligned */
   int bits, group;       /* 4, 3 or 2; 32, 64 or 128 */
   int64_t k;             /* inputs */
   int64_t block_bytes;
} pare_groups;

/* The int8 cache of one sequence and key/value head. Keys and values of a position are rows of head_dim
 * codes, rotated and rounded by quant_row, in the layout of packed weights: positions are the channels of the
 * first product of attention, dimensions those of the second. What was not stored may be anything. */
typedef struct pare_kv_i8 {
   uint8_t *blocks;    /* 64-byte aligned blocks of 64 positions, of pare_kv_i8_block_bytes each:
                             keys [4][head_dim/4][16 positions][4], code + 128
                             values [dims/16][16][16 dims][4 positions]; dims: head_dim rounded up to 16
                             scales of the keys, f32 [64], scales of the values, f32 [64] */
   int64_t head_dim;   /* a multiple of 4, at most PARE_KV_MAX_DIM */
   int64_t rotation;   /* 0, 32, 64 or 128, dividing head_dim */
} pare_kv_i8;

/* A query head at one position: out[head_dim] from q[head_dim] over the cached positions [from, to), from <
 * to. */
typedef struct pare_attention_row {
   const float *q;
   float *out;
   int64_t from, to;
} pare_attention_row;

/* A row of a residual connection, normalized and quantized. */
typedef struct pare_norm_quant {
   const float *a, *b;        /* [n] the row is a + b, or a alone when b is NULL */
   float *sum;                /* [n] a + b; may be a or b; not used when b is NULL */
   const float *gain, *bias;  /* [n]; NULL: 1, +0. rms_norm has no bias */
   float eps;
   int layer;                 /* layer_norm, else rms_norm */
   int64_t n, rot, kpad;      /* as quant_row: rot 0, 32, 64 or 128, dividing n; kpad >= n */
   int8_t *q;                 /* [kpad] */
   float *tmp;                /* [n] scratch */
   float *scale;
   int32_t *code_sum;
} pare_norm_quant;

/* y[i] = f(x[i]), or f(x[i]) * times[i] when times is not NULL (a gated layer: x the gate, times up). */
typedef void pare_unary(const float *x, const float *times, int64_t n, float *y);

typedef struct pare_kernels pare_kernels;
struct pare_kernels {
   /* What kernels cut their work by; any positive sizes give the same bits. */
   pare_cache_sizes caches;

   /* ---- int8 product ---- */

   /* Output channels [16 * block0, min(n, 16 * block1)) of all m rows. Four blocks (64 channels) at a time
    * are fastest: give workers ranges that start at multiples of 4. self: the table of this entry. */
   void (*linear_i8)(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1);

   /* Quantize one row: rotate (see hadamard), take absmax, round by the rules of round.h to [-127, 127].
    * x[k], q[kpad] (pads k..kpad-1 become 0; kpad >= k), tmp[k] scratch (may be x itself, which is then
    * overwritten; may be NULL when rot is 0). rot: 0, 32, 64 or 128, dividing k. *scale: x ~ q * scale; 0 for
    * a row of (nearly) zeros; NaN, and all codes 0, if the row holds NaN or Inf or overflows in the rotation.
    * *sum: sum of the codes. Activations (a row a token) and weights (a row an output channel) alike.
    * k <= 2^24. */
   void (*quant_row)(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t kpad, float *tmp,
                     float *scale, int32_t *sum);

   /* The same to codes of 16 bits, as two rows of 8: q, then q + ldq, hold the high and the low ones (round.h),
    * each with its scale and sum, so that x ~ q[i] * scale[0] + q[ldq + i] * scale[1], scale[0] = 255 * scale[1].
    * A product of both rows by linear_i8, the two results added, is a product of 16 bits. */
   void (*quant_row_i16)(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t ldq, int64_t kpad, float *tmp,
                         float scale[2], int32_t sum[2]);

   /* In place orthonormal Walsh-Hadamard transform of each block of rot elements: butterflies (a + b, a - b)
    * at distance 1, 2, 4 .. rot/2, then one multiplication by (float)(1/sqrt(rot)). Its own inverse but for
    * rounding. n a multiple of rot; rot 0 leaves x as it is. */
   void (*hadamard)(float *x, int64_t n, int64_t rot);

   /* 16 rows of codes, [16] rows of 4 * kq, stride ld (missing rows and pads: zeros), to kq lines [kq][16][4]
    * with the top bit flipped. lines: 64-byte aligned. */
   void (*pack_i8)(const int8_t *rows, int64_t ld, int64_t kq, uint8_t *lines);

   /* The first k codes of channel `lane` (0..15) of a packed block; dequant: x = (float)code * scale. */
   void (*unpack_row_i8)(const uint8_t *block, int lane, int64_t k, int8_t *q);
   void (*dequant_row_i8)(const uint8_t *block, int lane, int64_t k, float scale, float *x);

   /* ---- the same product from weights in groups ---- */

   /* All ceil(k / 4) lines of a block, as linear_i8 takes them: code * multiplier + 128; what inputs >= k and
    * channels >= n hold is not fixed. lines: 64-byte aligned. */
   void (*unpack_groups)(const pare_groups *w, int64_t block, uint8_t *lines);

   /* linear_i8 of the weights w; p->codes is not used. lines: 64-byte aligned scratch memory of
    * 64 * ceil(k / group) * group bytes. self: the table of this entry. */
   void (*linear_groups)(const pare_kernels *self, const pare_linear_i8 *p, const pare_groups *w,
                         uint8_t *lines, int64_t block0, int64_t block1);

   /* A block from levels[16][ceil(k / group) * group], each below 2^bits, and multipliers[16][ceil(k / group)]:
    * magnitude + 16 * the bit that moves the levels up by one. out: block_bytes. */
   void (*pack_groups)(const pare_groups *w, const uint8_t *levels, const uint8_t *multipliers, uint8_t *out);

   /* Row `row` times scale: x[k] = (float)(code * multiplier) * scale. */
   void (*dequant_row_groups)(const pare_groups *w, int64_t row, float scale, float *x);

   /* ---- f32 product ---- */

   /* panel[k][16] (64-byte aligned): panel[i][r] = w[r * row_stride + i * col_stride] as f32 for r < rows,
    * +0 for the rest; rows <= 16. w points at the first row's first element, in the given storage
    * (PARE_FLOAT_*). A weight [N][K] has row_stride K and col_stride 1; a Conv1D weight [K][N] 1 and N. */
   void (*panel_f32)(const void *w, int storage, int64_t row_stride, int64_t col_stride, int64_t rows,
                     int64_t k, float *panel);

   /* out[r][c] for m rows and cols (<= 16) channels: s = +0; s = fma(a[r][i], panel[i][c], s) for i
    * ascending; then, with bias16 ([cols]) not NULL, s + bias16[c]. */
   void (*gemm_f32)(const float *panel, int64_t k, const float *a, int64_t lda, int64_t m,
                    const float *bias16, float *out, int64_t ldo, int64_t cols);

   /* dst[i] = src[i] as f32 (exact). */
   void (*to_f32)(const void *src, int storage, int64_t n, float *dst);

   /* ---- rows ---- */

   /* y = (x * inv) * w, inv = 1 / sqrt(s / n + eps), s = 16-lane sum of x * x by fma. w NULL: y = x * inv.
    * In place allowed. */
   void (*rms_norm)(const float *x, const float *w, float eps, int64_t n, float *y);

   /* y = fma((x - mean) * inv, w, b), mean = 16-lane sum of x / n, inv = 1 / sqrt(var + eps), var = (16-lane
    * sum of (x - mean)^2 by fma) / n. w NULL is 1, b NULL is +0. In place allowed. */
   void (*layer_norm)(const float *x, const float *w, const float *b, float eps, int64_t n, float *y);

   /* add (when there is a b), then rms_norm or layer_norm, then quant_row. self: the table of this entry. */
   void (*norm_quant)(const pare_kernels *self, const pare_norm_quant *p);

   /* Elementwise, in place allowed (y may be any input). The functions are those of mathf.h. */
   void (*add)(const float *a, const float *b, int64_t n, float *y);
   void (*mul)(const float *a, const float *b, int64_t n, float *y);
   pare_unary *silu;       /* x / (1 + exp(-x)) */
   pare_unary *gelu_tanh;  /* "gelu_new", "gelu_pytorch_tanh" */
   pare_unary *gelu_erf;   /* "gelu" */
   pare_unary *quick_gelu; /* x / (1 + exp(-1.702 x)) */
   pare_unary *relu;       /* x < 0 ? +0 : x */
   pare_unary *exp, *tanh, *erf;

   /* Lowest index of the largest element; NaN is never chosen; 0 if there is nothing else. n >= 1. */
   int64_t (*argmax)(const float *x, int64_t n);

   /* ---- attention ---- */

   /* In place rotary embedding of x[heads][head_dim] at one position; cos, sin: [rot_dim/2] of that position;
    * elements from rot_dim (even, <= head_dim) on stay. Pair i is (x[i], x[i + rot_dim/2]), or, interleaved,
    * (x[2i], x[2i + 1]):
    *    y0 = fma(x0, cos[i], -(x1 * sin[i])),  y1 = fma(x1, cos[i], x0 * sin[i]) */
   void (*rope)(float *x, int64_t heads, int64_t head_dim, int64_t rot_dim, const float *cos,
                const float *sin, int interleaved);

   /* Store key and value of one key/value head at one position, as f16 (nearest even).
    * kc: [capacity/16][head_dim][16] keys, transposed in blocks of 16 positions; vc: [capacity][head_dim]
    * values. capacity: positions, a multiple of 16. */
   void (*kv_store)(const float *k, const float *v, int64_t head_dim, int64_t pos, uint16_t *kc,
                    uint16_t *vc);

   /* Attention of n (1 to PARE_ATTN_ROWS) rows over one cache; rows do not depend on each other. A row starts with
    * m = -inf, l = 0, out = 0. For each block of 64 absolute positions, ascending, with j its keys within [from, to):
    *    s_j = scale * (chain from +0 of fma(q[d], k[j][d], s), d ascending)
    *    m' = max(m, all s_j);  c = exp(m - m');  p_j = exp(s_j - m')
    *    l = fma(l, c, 16-lane sum of p, key j in lane j mod 16)
    *    out[d] = out[d] * c, then out[d] = fma(p_j, v[j][d], out[d]) for j ascending
    * Finally out[d] / l. Keys outside [from, to) count for nothing, whatever the cache holds there; the key
    * cache is read in whole blocks of 16 positions. */
   void (*attention)(const uint16_t *kc, const uint16_t *vc, int64_t head_dim, const pare_attention_row *rows,
                     int64_t n, float scale);

   /* The same two over a cache of f32, which stores what it is given. */
   void (*kv_store_f32)(const float *k, const float *v, int64_t head_dim, int64_t pos, float *kc, float *vc);
   void (*attention_f32)(const float *kc, const float *vc, int64_t head_dim, const pare_attention_row *rows,
                         int64_t n, float scale);

   /* Store key and value of one head at one position in the int8 cache. tmp: 2 * head_dim floats. */
   void (*kv_store_i8)(const pare_kernels *self, const float *k, const float *v, const pare_kv_i8 *kv,
                       int64_t pos, float *tmp);

   /* Attention of n (1 to PARE_ATTN_ROWS) rows over one int8 cache; rows do not depend on each other. A row: q
    * becomes codes a, scale t, by quant_row with the cache's rotation; then as for `attention`, but by powers of 2
    *    s_j = (float)(exact sum of a * key codes of j) * ((t * (scale * log2(e))) * key scale of j)
    *    c = 2^(m - m');  p_j = 2^(s_j - m')
    *    w_j = p_j * value scale of j, rounded over the block to codes u_j (0..255) and a scale z (round.h)
    *    out[d] = fma((float)(exact sum over j of u_j * value codes), z, out[d] * c)
    * and finally out[d] * (1 / l), rotated back unless `stay_rotated`, for a reader that would rotate them so.
    * scratch: 64-byte aligned, pare_attention_i8_scratch bytes. */
   void (*attention_i8)(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                        int64_t n, float scale, bool stay_rotated, void *scratch);
};

/* Bytes of a block of the int8 cache, a multiple of 64, and of the scratch memory of attention_i8. */
int64_t pare_kv_i8_block_bytes(int64_t head_dim);
int64_t pare_attention_i8_scratch(int64_t head_dim);

/* Fill the table with the best kernels for the features in cpu_mask (bits of base/cpu.h, which the machine
 * must have). */
void pare_kernels_init(pare_kernels *k, unsigned cpu_mask);

#endif
