/* plan: a graph resolved into steps over memory laid out once.
 *
 * A *step* is the work of one node, with everything looked up:
 * addresses, sizes, kernels' arguments. Steps that treat each row by itself stand together in one *stage*:
 * a worker takes some rows through all of them, and there is one barrier a stage. A *region* is what one
 * value occupies: `width` elements a row, row by row. Regions live from the stage that makes them to the
 * last stage that reads them; two regions share bytes only when their lives do not meet, or when a row is
 * computed in place.
 *
 * The plan owns everything here; it refers to the model's weights, which must outlive it. */
#ifndef PARE_RUN_PLAN_H
#define PARE_RUN_PLAN_H

#include "ir/graph.h"
#include "kernels/kernels.h"
#include "run/cache.h"
#include "run/rope_table.h"
#include "run/session.h"

typedef struct pare_region {
   size_t number;               /* its place in the plan's list */
   int64_t width;               /* elements of a row */
   int64_t stride;              /* bytes from row to row, of codes from row of codes to row of codes: an odd number of
                                   cache lines, but of the logits without gaps */
   bool of_rows;                /* a row is a wanted logit row, else a token */
   int codes;                   /* rows of int8 codes a row: 0 for f32, 1, or 2 for 16 bits (quant_row_i16) */
   bool kept;                   /* an output of the graph: lives to the end */
   struct pare_region *same_as; /* the region this one is computed into in place, or NULL */
   size_t made, last;           /* steps: the one that writes it, the last one that uses it */
   size_t first_stage, last_stage;
   size_t bytes, offset;        /* offset: multiple of 64, in the plan's memory */
   unsigned char *at;           /* address, once memory is attached */
} pare_region;

/* A quantized region's parts, in rows of codes: the two of a row of 16 bits are neighbours. */
typedef struct pare_region_codes {
   int8_t *codes;     /* [codes * rows], row stride the region's, 64-byte aligned */
   float *scales;     /* [codes * rows] */
   int32_t *sums;     /* [codes * rows] */
} pare_region_codes;

typedef enum pare_step_kind {
   PARE_STEP_EMBED,
   PARE_STEP_QUANTIZE,
   PARE_STEP_ROTATE,
   PARE_STEP_RMS_NORM,
   PARE_STEP_LAYER_NORM,
   PARE_STEP_RESIDUAL_NORM,
   PARE_STEP_ROPE,
   PARE_STEP_KV_STORE,
   PARE_STEP_ADD,
   PARE_STEP_MUL,
   PARE_STEP_ACTIVATION,
   PARE_STEP_SLICE,
   PARE_STEP_SELECT,
   PARE_STEP_ATTENTION,  /* from here on a stage of their own */
   PARE_STEP_LINEAR_I8,
   PARE_STEP_LINEAR_F32,
   PARE_STEP_COUNT
} pare_step_kind;

typedef enum pare_batch_list {
   PARE_LIST_TOKENS,
   PARE_LIST_POSITIONS,
   PARE_LIST_SLOTS,
   PARE_LIST_ROWS
} pare_batch_list;

/* One matrix of a linear step. */
typedef struct pare_linear_part {
   const pare_weight *weight;
   const float *bias;    /* [n] or NULL */
   pare_region *out;     /* NULL of the second matrix of a gated step */
   int64_t n;
   int64_t first_block; /* its place among the step's blocks of 16 channels */
} pare_linear_part;

/* Results of products that wait in scratch memory or cache for what is applied to them: rows times channels. Rows
 * of a chunk: as many as need few unpackings of weights in groups and leave blocks enough for the kernels. */
enum { PARE_CHUNK_ROWS = 512, PARE_CHUNK = PARE_CHUNK_ROWS * 64 };

typedef struct pare_step {
   pare_step_kind kind;
   const pare_node *node;  /* the node it does the work of */
   bool of_rows;
   pare_region *in[2];     /* NULL when not used; the second of linear_i8 is added to the results */
   pare_region *out;       /* NULL for kv_store and linear */
   double row_cost;        /* rough work of one row, in elements passed once; attention: at one position */
   union {
      struct { const pare_weight *table; pare_batch_list ids; } embed;
      struct { int64_t rotation; } quantize; /* rotate too */
      struct {
         const float *weight, *bias;
         float eps;
         int64_t run, rotation; /* rotation: of a quantized result */
         bool layer;
         pare_region *normed;   /* of residual_norm, whose `out` is the sum; else NULL */
      } norm;
      struct { const pare_rope_table *table; int64_t heads, head_dim; bool interleaved; } rope;
      struct {
         pare_cache *cache; /* of kv_store too */
         int64_t heads, window;
         float scale;
         bool stays_rotated; /* results, as the values of the cache are */
      } attention;
      struct { pare_unary *fn; } activation;
      struct { int64_t from; } slice;
      struct {
         pare_linear_part *parts;
         size_t n_parts;
         int64_t k, blocks, grain;
         pare_unary *activation; /* of the results, or of the gate; NULL for none */
         bool gated;                    /* parts are gate and up, blocks those of the gate */
         size_t results_at;             /* in the scratch memory: PARE_CHUNK floats, for gated twice */
         size_t digits_at;              /* the same of 16 bits, twice: products of high and low codes by turns */
         size_t rows_at;                /* with f32 activations: [16][k] floats, rows of integer weights */
      } linear;
   };
} pare_step;

typedef struct pare_stage {
   const pare_step *steps; /* one, or several that treat each row by itself */
   size_t n_steps;
   bool of_rows;
} pare_stage;

typedef struct pare_plan {
   pare_arena *arena;
   pare_session_options limits;
   pare_step *steps;
   size_t n_steps, steps_capacity;
   pare_stage *stages;
   size_t n_stages;
   pare_region **regions; /* in the order they are made */
   size_t n_regions, regions_capacity;
   pare_region **of;      /* [graph->n_values] region of a value; NULL for inputs and states */
   pare_region *logits;
   int64_t vocab;         /* columns of the logits */
   int64_t token_ids;     /* tokens must be below this: rows of the smallest table looked up */
   size_t memory_bytes;   /* of all regions */
   size_t scratch_bytes;  /* of each worker, a multiple of 64 */
   size_t vector_bytes;   /* gains and biases kept as f32 */
   pare_caches caches;
   pare_rope_tables rope_tables;
} pare_plan;

/* Limits must be filled in and within range. PARE_UNSUPPORTED with the node's name for what the executor
 * cannot run, PARE_USAGE when the context is longer than a position table. */
pare_status pare_plan_create(pare_ctx *ctx, const pare_graph *graph, const pare_kernels *kernels,
                             const pare_session_options *limits, pare_plan **out);
void pare_plan_destroy(pare_ctx *ctx, pare_plan *plan); /* NULL is fine */
/* Gives the regions their addresses; memory: memory_bytes, 64-byte aligned. */
void pare_plan_attach(pare_plan *plan, unsigned char *memory);

/* Most rows of a region: rows or tokens of a batch. */
static inline int64_t pare_region_rows(const pare_plan *plan, const pare_region *region)
{
   return region->of_rows ? plan->limits.rows : plan->limits.tokens;
}
pare_region_codes pare_region_codes_of(const pare_plan *plan, const pare_region *region);

/* Bytes of everything the plan itself owns, rope tables and vectors included; not the memory of regions and
 * caches. */
size_t pare_plan_own_bytes(const pare_plan *plan);

typedef struct pare_plan_proof {
   size_t pairs;    /* of regions that live at the same time, found to share no byte */
   size_t in_place; /* pairs of which one is computed into the other, row on row or result on result, after its last
                       use */
} pare_plan_proof;
/* Tells from the steps alone which regions live when, and that each holds its rows, is written before it is
 * read, and shares bytes with nothing that it must not. PARE_INTERNAL naming the regions where that fails.
 * Knows nothing of how places were chosen (plan_check.c). */
pare_status pare_plan_check(pare_ctx *ctx, const pare_plan *plan, pare_plan_proof *proof);

const char *pare_step_name(pare_step_kind kind);
/* The regions a step writes. */
size_t pare_step_outputs(const pare_step *step); /* 0 for kv_store */
pare_region *pare_step_output(const pare_step *step, size_t i);
static inline bool pare_step_by_rows(const pare_step *step)
{
   return step->kind < PARE_STEP_ATTENTION;
}

/* ---- inside the planner ---- */

/* A node to steps (plan_node.c). Linear layers are plan_linear.c's. */
pare_status pare_plan_node(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                           const pare_node *node);
pare_status pare_plan_linear(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                             const pare_node *node);

pare_step *pare_plan_add_step(pare_ctx *ctx, pare_plan *plan, pare_step_kind kind, const pare_node *node,
                              bool of_rows);
/* A new region; NULL after recording PARE_RESOURCE. */
pare_region *pare_plan_add_region(pare_ctx *ctx, pare_plan *plan, int64_t width, bool of_rows,
                                  int codes);
/* The new region of output i of the node. PARE_UNSUPPORTED unless it is f32 or i8 [tokens or rows, width]. */
pare_status pare_plan_output(pare_ctx *ctx, pare_plan *plan, const pare_node *node, size_t i,
                             pare_region **out);
/* The region of input i of the node; PARE_UNSUPPORTED when it has none. */
pare_status pare_plan_input(pare_ctx *ctx, pare_plan *plan, const pare_node *node, size_t i,
                            pare_region **out);
/* Input i of the node as one of the batch's lists. */
pare_status pare_plan_list(pare_ctx *ctx, const pare_node *node, size_t i, pare_batch_list *out);
/* A vector as f32 in the plan's arena. */
pare_status pare_plan_vector(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                             const pare_weight *weight, const float **out);
void pare_plan_need_scratch(pare_plan *plan, size_t bytes);
/* The kernel of PARE_ACTIVATION_*; PARE_UNSUPPORTED with the node's name when there is none. */
pare_status pare_plan_activation(pare_ctx *ctx, const pare_kernels *kernels, const pare_node *node, int kind,
                                 pare_unary **out);
/* PARE_FLOAT_* of a float encoding. */
int pare_float_storage(const pare_weight *weight);

/* Lifetimes, work in place, offsets (plan_memory.c). */
pare_status pare_plan_memory(pare_ctx *ctx, pare_plan *plan);
/* plan_rotation.c, plan_residual.c; once the logits are known. What they leave nothing to do is a step of the kind
 * PARE_STEP_COUNT. */
void pare_plan_keep_rotations(pare_plan *plan);
pare_status pare_plan_add_in_products(pare_ctx *ctx, pare_plan *plan);
/* Takes out such steps, and regions that no step writes. */
void pare_plan_tidy(pare_plan *plan);

#endif
