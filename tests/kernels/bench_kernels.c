/* bench_kernels: throughput of every kernel of one tier. The best of several runs counts, as other work on
 * the machine only slows a run down. Nothing is asserted. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/kernels/kernel_check.h"

typedef struct bench {
   const pare_kernels *k;
   const char *tier;
   check c;        /* buffers */
   double budget;  /* seconds a figure */
} bench;

static double now(void)
{
   struct timespec t;
   clock_gettime(CLOCK_MONOTONIC, &t);
   return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef void work(void *arg);

/* Seconds of the fastest run. */
static double fastest(const bench *b, work *run, void *arg)
{
   double best = 1e30, start = now();
   do {
      double t = now();
      run(arg);
      t = now() - t;
      best = t < best ? t : best;
   } while (now() - start < b->budget);
   return best;
}

static void report(const bench *b, const char *what, double amount, const char *unit, double seconds)
{
   printf("%-8s %-34s %10.2f %s\n", b->tier, what, amount / seconds * 1e-9, unit);
   fflush(stdout);
}

/* ---- int8 product, one or two threads each with half of the blocks ---- */

typedef struct linear_job {
   const pare_kernels *k;
   pare_linear_i8 args;
   int64_t blocks;
   int threads;
} linear_job;

typedef struct linear_part {
   const linear_job *job;
   int64_t from, to;
} linear_part;

static void *linear_thread(void *arg)
{
   const linear_part *part = arg;
   part->job->k->linear_i8(part->job->k, &part->job->args, part->from, part->to);
   return NULL;
}

static void linear_run(void *arg)
{
   linear_job *job = arg;
   int64_t half = job->threads == 2 ? job->blocks / 8 * 4 : job->blocks;
   linear_part parts[2] = { { job, 0, half }, { job, half, job->blocks } };
   pthread_t other;
   bool started = job->threads == 2 && pthread_create(&other, NULL, linear_thread, &parts[1]) == 0;
   linear_thread(&parts[0]);
   if (started) {
      pthread_join(other, NULL);
   }
}

/* The same from weights in groups of 32. */

typedef struct groups_job {
   linear_job linear;
   pare_groups weights;
   uint8_t *lines[2];   /* scratch memory of a thread */
} groups_job;

typedef struct groups_part {
   const groups_job *job;
   int64_t from, to;
   uint8_t *lines;
} groups_part;

static void *groups_thread(void *arg)
{
   const groups_part *part = arg;
   const linear_job *linear = &part->job->linear;
   linear->k->linear_groups(linear->k, &linear->args, &part->job->weights, part->lines, part->from, part->to);
   return NULL;
}

static void groups_run(void *arg)
{
   groups_job *job = arg;
   int64_t all = job->linear.blocks, half = job->linear.threads == 2 ? all / 8 * 4 : all;
   groups_part parts[2] = { { job, 0, half, job->lines[0] }, { job, half, all, job->lines[1] } };
   pthread_t other;
   bool started = job->linear.threads == 2 && pthread_create(&other, NULL, groups_thread, &parts[1]) == 0;
   groups_thread(&parts[0]);
   if (started) {
      pthread_join(other, NULL);
   }
}

static void fill_random(bench *b, uint8_t *bytes, int64_t size)
{
   for (int64_t i = 0; i < size; i += 8) {
      uint64_t bits = check_random(&b->c);
      memcpy(bytes + i, &bits, sizeof bits);
   }
}

static void bench_groups(bench *b, int bits, int64_t m, int64_t n, int64_t k, int threads)
{
   groups_job job = { .linear = { .k = b->k, .blocks = (n + 15) / 16, .threads = threads } };
   job.weights = (pare_groups){ .bits = bits, .group = 32, .k = k };
   job.weights.block_bytes = ((k / 32 + 3) / 4 + k / 32 * bits) * 64;
   int64_t bytes = job.linear.blocks * job.weights.block_bytes;
   uint8_t *data = check_input(&b->c, (size_t)bytes);
   fill_random(b, data, bytes);
   job.weights.data = data;
   job.lines[0] = check_input(&b->c, (size_t)(64 * k));
   job.lines[1] = check_input(&b->c, (size_t)(64 * k));
   int32_t *sums = check_input(&b->c, (size_t)m * 4);
   memset(sums, 0, (size_t)m * 4);
   job.linear.args = (pare_linear_i8){ .w_scale = check_floats(&b->c, n, 0), .act_sum = sums,
      .act = check_codes(&b->c, m * k, -127), .act_scale = check_floats(&b->c, m, 0), .m = m,
      .n = n, .kq = k / 4, .lda = k, .out = check_input(&b->c, (size_t)(m * n) * 4), .ldo = n };
   double t = fastest(b, groups_run, &job);
   char what[64];
   snprintf(what, sizeof what, "linear i%d m %d n %d k %d x%d", bits, (int)m, (int)n, (int)k, threads);
   report(b, what, 2.0 * (double)m * (double)n * (double)k, "Gop/s", t);
   if (m <= 4) {
      report(b, "   weights read", (double)bytes, "GB/s", t);
   }
   check_reset(&b->c);
}

static void bench_linear(bench *b, int64_t m, int64_t n, int64_t k, int threads)
{
   linear_job job = { .k = b->k, .blocks = (n + 15) / 16, .threads = threads };
   uint8_t *codes = check_input(&b->c, (size_t)(job.blocks * 16 * k));
   fill_random(b, codes, job.blocks * 16 * k);
   int32_t *sums = check_input(&b->c, (size_t)m * 4);
   memset(sums, 0, (size_t)m * 4);
   job.args = (pare_linear_i8){ .codes = codes, .w_scale = check_floats(&b->c, n, 0), .act_sum = sums,
      .act = check_codes(&b->c, m * k, -127), .act_scale = check_floats(&b->c, m, 0), .m = m,
      .n = n, .kq = k / 4, .lda = k, .out = check_input(&b->c, (size_t)(m * n) * 4), .ldo = n };
   double t = fastest(b, linear_run, &job);
   char what[64];
   snprintf(what, sizeof what, "linear_i8 m %d n %d k %d x%d", (int)m, (int)n, (int)k, threads);
   report(b, what, 2.0 * (double)m * (double)n * (double)k, "Gop/s", t);
   if (m <= 8) {
      report(b, "   weights read", (double)n * (double)k, "GB/s", t);
   }
   check_reset(&b->c);
}

/* ---- plain reading, the bound of decode ---- */

typedef struct read_job {
   const uint64_t *data;
   size_t words;
   int threads;
   uint64_t sum;
} read_job;

static void *read_thread(void *arg)
{
   read_job *job = arg;
   uint64_t s[8] = { 0 };
   for (size_t i = 0; i + 8 <= job->words; i += 8) {
      for (size_t j = 0; j < 8; j++) {
         s[j] += job->data[i + j];
      }
   }
   job->sum = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
   return NULL;
}

static void read_run(void *arg)
{
   read_job *job = arg, first = *job, second = *job;
   first.words = second.words = job->words / (size_t)job->threads;
   second.data += first.words;
   pthread_t other;
   bool started = job->threads == 2 && pthread_create(&other, NULL, read_thread, &second) == 0;
   read_thread(&first);
   if (started) {
      pthread_join(other, NULL);
   }
   job->sum += first.sum + second.sum;
}

static void bench_read(bench *b, int threads)
{
   size_t bytes = (size_t)256 << 20;
   uint64_t *data = check_input(&b->c, bytes);
   memset(data, 1, bytes);
   read_job job = { .data = data, .words = bytes / 8, .threads = threads };
   double t = fastest(b, read_run, &job);
   report(b, threads == 1 ? "plain read x1" : "plain read x2", (double)bytes, "GB/s", t);
   check_reset(&b->c);
}

/* ---- f32 product, quantization, attention ---- */

typedef struct float_job {
   const pare_kernels *k;
   int64_t m, n, rot;
   float *x, *y, *z, *out;
   int8_t *q;
   pare_unary *unary;
} float_job;

static void gemm_run(void *arg)
{
   float_job *j = arg;
   j->k->gemm_f32(j->y, j->n, j->x, j->n, j->m, NULL, j->out, 16, 16);
}

static void panel_run(void *arg)
{
   float_job *j = arg;
   j->k->panel_f32(j->x, PARE_FLOAT_F32, j->n, 1, 16, j->n, j->y);
}

static void quant_run(void *arg)
{
   float_job *j = arg;
   float scale;
   int32_t sum;
   for (int64_t i = 0; i < j->m; i++) {
      j->k->quant_row(j->x + i * j->n, j->n, j->rot, j->q, j->n, j->y, &scale, &sum);
   }
}

static void quant_i16_run(void *arg)
{
   float_job *j = arg;
   float scale[2];
   int32_t sum[2];
   int8_t *q = (int8_t *)j->out;
   for (int64_t i = 0; i < j->m; i++) {
      j->k->quant_row_i16(j->x + i * j->n, j->n, j->rot, q, j->n, j->n, j->y, scale, sum);
   }
}

static void norm_quant_run(void *arg)
{
   float_job *j = arg;
   float scale;
   int32_t sum;
   pare_norm_quant p = { .sum = j->out, .gain = j->y, .eps = 1e-5f, .n = j->n, .rot = j->rot, .kpad = j->n,
                         .q = j->q, .tmp = j->out + j->n, .scale = &scale, .code_sum = &sum };
   for (int64_t i = 0; i + 1 < j->m; i++) {
      p.a = j->x + i * j->n;
      p.b = p.a + j->n;
      j->k->norm_quant(j->k, &p);
   }
}

/* The same as separate calls. */
static void norm_then_quant_run(void *arg)
{
   float_job *j = arg;
   float scale, *tmp = j->out + j->n;
   int32_t sum;
   for (int64_t i = 0; i + 1 < j->m; i++) {
      j->k->add(j->x + i * j->n, j->x + (i + 1) * j->n, j->n, j->out);
      j->k->rms_norm(j->out, j->y, 1e-5f, j->n, tmp);
      j->k->quant_row(tmp, j->n, j->rot, j->q, j->n, tmp, &scale, &sum);
   }
}

static void rms_run(void *arg)
{
   float_job *j = arg;
   for (int64_t i = 0; i < j->m; i++) {
      j->k->rms_norm(j->x + i * j->n, j->y, 1e-5f, j->n, j->out);
   }
}

static void unary_run(void *arg)
{
   float_job *j = arg;
   for (int64_t i = 0; i < j->m; i++) {
      j->unary(j->x + i * j->n, NULL, j->n, j->out);
   }
}

static void bench_floats(bench *b)
{
   enum { M = 96, N = 2048 };
   float_job j = { .k = b->k, .m = M, .n = N, .x = check_floats(&b->c, M * N, 0),
      .y = check_floats(&b->c, 16 * N, 0), .out = check_input(&b->c, M * N * 4), .q = check_input(&b->c, N) };
   report(b, "gemm_f32 m 96 n 16 k 2048", 2.0 * M * 16 * N, "Gflop/s", fastest(b, gemm_run, &j));
   report(b, "panel_f32 16 x 2048", 64.0 * N, "GB/s written", fastest(b, panel_run, &j));
   report(b, "quant_row", (double)M * N, "Gelement/s", fastest(b, quant_run, &j));
   j.rot = 128;
   report(b, "quant_row, rotated by 128", (double)M * N, "Gelement/s", fastest(b, quant_run, &j));
   report(b, "quant_row_i16, rotated by 128", (double)M * N, "Gelement/s", fastest(b, quant_i16_run, &j));
   report(b, "norm_quant of a sum, rotated by 128", (double)(M - 1) * N, "Gelement/s",
          fastest(b, norm_quant_run, &j));
   report(b, "the same in three calls", (double)(M - 1) * N, "Gelement/s",
          fastest(b, norm_then_quant_run, &j));
   report(b, "rms_norm", (double)M * N, "Gelement/s", fastest(b, rms_run, &j));
   const struct { const char *name; pare_unary *f; } functions[] = {
      { "silu", b->k->silu }, { "gelu_tanh", b->k->gelu_tanh }, { "gelu_erf", b->k->gelu_erf },
      { "exp", b->k->exp }
   };
   for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
      j.unary = functions[i].f;
      report(b, functions[i].name, (double)M * N, "Gelement/s", fastest(b, unary_run, &j));
   }
   check_reset(&b->c);
}

typedef struct attention_job {
   const pare_kernels *k;
   int64_t head_dim, n;
   uint16_t *kc, *vc;
   pare_kv_i8 kv;
   pare_attention_row rows[PARE_ATTN_ROWS];
   void *scratch;
} attention_job;

/* n rows over all keys. */
static attention_job job_of_rows(bench *b, int64_t n, int64_t head_dim, int64_t keys)
{
   attention_job j = { .k = b->k, .head_dim = head_dim, .n = n };
   const float *q = check_floats(&b->c, n * head_dim, 0);
   float *out = check_input(&b->c, (size_t)(n * head_dim) * 4);
   for (int64_t r = 0; r < n; r++)
      j.rows[r] = (pare_attention_row){ q + r * head_dim, out + r * head_dim, 0, keys };
   return j;
}

static void attention_run(void *arg)
{
   attention_job *j = arg;
   j->k->attention(j->kc, j->vc, j->head_dim, j->rows, j->n, 0.125f);
}

static void bench_attention(bench *b, int64_t n, int64_t head_dim, int64_t keys)
{
   size_t cached = (size_t)(keys * head_dim) * 2;
   attention_job j = job_of_rows(b, n, head_dim, keys);
   j.kc = check_input(&b->c, cached);
   j.vc = check_input(&b->c, cached);
   const float *row = check_floats(&b->c, head_dim, 0);
   for (int64_t p = 0; p < keys; p++) b->k->kv_store(row, row, head_dim, p, j.kc, j.vc);
   char what[64];
   snprintf(what, sizeof what, "attention rows %d dim %d keys %d", (int)n, (int)head_dim, (int)keys);
   report(b, what, 4.0 * (double)(n * head_dim * keys), "Gflop/s", fastest(b, attention_run, &j));
   check_reset(&b->c);
}

static void attention_i8_run(void *arg)
{
   attention_job *j = arg;
   j->k->attention_i8(j->k, &j->kv, j->rows, j->n, 0.125f, false, j->scratch);
}

/* n: query rows that share the keys. */
static void bench_attention_i8(bench *b, int64_t n, int64_t head_dim, int64_t keys)
{
   int64_t bytes = (keys + PARE_ATTN_BLOCK - 1) / PARE_ATTN_BLOCK * pare_kv_i8_block_bytes(head_dim);
   attention_job j = job_of_rows(b, n, head_dim, keys);
   j.scratch = check_input(&b->c, (size_t)pare_attention_i8_scratch(head_dim));
   j.kv = (pare_kv_i8){ check_input(&b->c, (size_t)bytes), head_dim, head_dim < 128 ? head_dim : 128 };
   float *row = check_floats(&b->c, head_dim, 0), *tmp = check_input(&b->c, (size_t)head_dim * 8);
   for (int64_t p = 0; p < keys; p++) b->k->kv_store_i8(b->k, row, row, &j.kv, p, tmp);
   double t = fastest(b, attention_i8_run, &j);
   char what[64];
   snprintf(what, sizeof what, "attention_i8 rows %d dim %d keys %d", (int)n, (int)head_dim, (int)keys);
   report(b, what, 4.0 * (double)(n * head_dim * keys), "Gop/s", t);
   report(b, "   cache read", (double)bytes, "GB/s", t);
   check_reset(&b->c);
}

void bench_kernels(const pare_kernels *k, const char *tier, double seconds)
{
   bool slow = strcmp(tier, "scalar") == 0;
   bench b = { .k = k, .tier = tier, .c = { .tier = tier, .rng = 7 }, .budget = seconds };
   for (int threads = 1; threads <= 2 && !slow; threads++) {
      bench_read(&b, threads);
      bench_linear(&b, 1, 32768, 4096, threads);
      bench_linear(&b, 4, 32768, 4096, threads);
      for (int bits = 4; bits >= 2; bits--) {
         bench_groups(&b, bits, 1, 32768, 4096, threads);
         bench_groups(&b, bits, 4, 32768, 4096, threads);
      }
   }
   for (int bits = 4; bits >= 2; bits--) {
      bench_groups(&b, bits, slow ? 2 : 128, 512, 2048, 1);
      bench_groups(&b, bits, slow ? 2 : 128, 256, 5632, 1);
   }
   for (int64_t m = 1; m <= 8; m *= 2) {
      bench_linear(&b, m, 256, 2048, 1);   /* from the second-level cache */
   }
   bench_linear(&b, slow ? 2 : 512, 512, 2048, 1);
   bench_linear(&b, slow ? 2 : 512, 512, 2048, 2);
   bench_linear(&b, slow ? 2 : 32, 512, 128, 1);
   bench_linear(&b, slow ? 2 : 512, 256, 5632, 1);
   bench_floats(&b);
   bench_attention(&b, 1, 64, 512);
   bench_attention(&b, 1, 128, 2048);
   bench_attention(&b, 3, 64, 512);
   bench_attention(&b, 64, 48, 512);
   bench_attention(&b, 64, 64, 512);
   bench_attention(&b, 64, 128, 2048);
   bench_attention_i8(&b, 1, 128, 2048);
   bench_attention_i8(&b, 8, 64, 8192);
   bench_attention_i8(&b, 64, 64, 512);
   bench_attention_i8(&b, 64, 128, 2048);
}
