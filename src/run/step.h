/* step: what does the work of each kind of step. Nothing here checks or allocates: the plan did.
 *
 * Every step has a function over a range [from, to): of rows, where each row is treated by itself, else of
 * items that the step counts. Results depend on neither the cut nor the worker. */
#ifndef PARE_RUN_STEP_H
#define PARE_RUN_STEP_H

#include "run/plan.h"

/* One run of a plan over a batch. */
typedef struct pare_run {
   const pare_plan *plan;
   const pare_kernels *kernels;
   const pare_batch *batch;
   unsigned char *scratch; /* plan->scratch_bytes for each worker, 64-byte aligned */
   int workers;
} pare_run;

static inline int64_t pare_run_rows(const pare_run *run, bool of_rows)
{
   return of_rows ? run->batch->n_rows : run->batch->n_tokens;
}

static inline void *pare_run_scratch(const pare_run *run, int worker)
{
   return run->scratch + (size_t)worker * run->plan->scratch_bytes;
}

/* Row `row` of a region of f32, and floats from row to row. */
static inline float *pare_region_row(const pare_region *region, int64_t row)
{
   return (float *)(void *)(region->at + row * region->stride);
}

static inline int64_t pare_region_row_floats(const pare_region *region)
{
   return region->stride / (int64_t)sizeof(float);
}

/* A part of the worker's scratch memory by its place: step->linear.results_at, digits_at, rows_at. */
static inline float *pare_run_floats(const pare_run *run, size_t at, int worker)
{
   return (float *)((unsigned char *)pare_run_scratch(run, worker) + at);
}

/* What follows a product, for `rows` rows of `width` columns; out: row stride ldo. The activation, if there is one, in
 * place; or of a gated step activation(gate) * up, both [rows][width]. */
static inline void pare_run_activate(const pare_step *step, int64_t rows, int64_t width, float *out, int64_t ldo)
{
   for (int64_t row = 0; step->linear.activation && row < rows; row++, out += ldo)
      step->linear.activation(out, NULL, width, out);
}

static inline void pare_run_gate(const pare_run *run, const pare_step *step, const float *gate, const float *up,
                                 int64_t rows, int64_t width, float *out, int64_t ldo)
{
   pare_unary *activation = step->linear.activation ? step->linear.activation : run->kernels->mul;
   for (int64_t row = 0; row < rows; row++)
      activation(gate + row * width, up + row * width, width, out + row * ldo);
}

/* The matrix that a block of a linear step belongs to; the gate of gated ones. */
static inline const pare_linear_part *pare_linear_part_of(const pare_step *step, int64_t block)
{
   if (step->linear.gated) return step->linear.parts;
   const pare_linear_part *part = step->linear.parts + step->linear.n_parts - 1;
   while (part->first_block > block) part--;
   return part;
}

/* Row `row` of a quantized region from x. tmp: room for the row, may be x. */
void pare_run_quantize(const pare_run *run, const pare_region *out, int64_t rotation, int64_t row, const float *x,
                       float *tmp);

/* Row `row` of a matrix of integers as f32, rotation still in place. */
void pare_run_integer_row(const pare_kernels *kernels, const pare_weight *weight, int64_t row, float *out);

typedef void (*pare_step_range)(const pare_run *run, const pare_step *step, int64_t from, int64_t to,
                                int worker);

void pare_step_embed(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_rotate(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_quantize(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_residual_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_rope(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_kv_store(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_add(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_mul(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_activation(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_slice(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
void pare_step_select(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);

/* How the work of a step is cut: items, and how many a worker takes at a time. */
typedef struct pare_step_cut {
   int64_t items, grain;
} pare_step_cut;

typedef pare_step_cut (*pare_step_cutter)(const pare_run *run, const pare_step *step);

pare_step_cut pare_attention_cut(const pare_run *run, const pare_step *step);
void pare_attention_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
pare_step_cut pare_linear_i8_cut(const pare_run *run, const pare_step *step);
void pare_linear_i8_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);
pare_step_cut pare_linear_f32_cut(const pare_run *run, const pare_step *step);
void pare_linear_f32_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker);

#endif
