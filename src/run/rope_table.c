/* rope_table: see rope_table.h. Positions are filled in parallel; nothing depends on who fills them. */
#include "run/rope_table.h"

#include "base/pool.h"
#include "kernels/mathd.h"
#include "run/rope_frequency.h"

enum { CHUNK = 64 }; /* positions of one item of work */

/* Frequencies change with the position only beyond the original context; those of longrope change once. */
typedef struct fill_job {
   const pare_rope_table *table;
   int64_t beyond;      /* from this position on */
   const float *within; /* frequencies before it */
   const float *after;  /* frequencies from it on; NULL: each position has its own */
} fill_job;

static void fill_position(const fill_job *job, int64_t pos)
{
   const pare_rope_attrs *attrs = job->table->attrs;
   int64_t pairs = job->table->rot_dim / 2;
   float *cosines = job->table->cosines + pos * pairs, *sines = job->table->sines + pos * pairs;
   const float *frequency = pos < job->beyond ? job->within : job->after;
   float factor = (float)attrs->attention_factor;
   if (!frequency) pare_rope_frequencies(attrs, pos, cosines);
   if (!frequency) frequency = cosines; /* each is read before its cosine takes the place */
   for (int64_t i = 0; i < pairs; i++) {
      double angle = (double)((float)pos * frequency[i]);
      cosines[i] = (float)pare_cos(angle) * factor;
      sines[i] = (float)pare_sin(angle) * factor;
   }
}

static void fill_positions(void *arg, int64_t item, int worker)
{
   (void)worker;
   const fill_job *job = arg;
   int64_t end = (item + 1) * CHUNK;
   if (end > job->table->positions) end = job->table->positions;
   for (int64_t pos = item * CHUNK; pos < end; pos++) fill_position(job, pos);
}

static pare_status fill(pare_ctx *ctx, const pare_rope_table *table)
{
   const pare_rope_attrs *attrs = table->attrs;
   int64_t pairs = table->rot_dim / 2;
   float *within = pare_alloc_array(ctx, (size_t)pairs, 2 * sizeof *within), *after = within + pairs;
   if (!within) return PARE_RESOURCE;
   fill_job job = { table, pare_rope_first_beyond(attrs), within, NULL };
   pare_rope_frequencies(attrs, 0, within);
   if (attrs->scaling == PARE_ROPE_LONGROPE) {
      pare_rope_frequencies(attrs, job.beyond, after);
      job.after = after;
   }
   pare_pool_run(ctx, (table->positions + CHUNK - 1) / CHUNK, fill_positions, &job);
   pare_free(ctx, within);
   return PARE_OK;
}

static pare_rope_table *make(pare_ctx *ctx, pare_arena *arena, const pare_rope_attrs *attrs,
                             int64_t positions)
{
   size_t row = (size_t)(attrs->rot_dim / 2) * sizeof(float);
   pare_rope_table *table = pare_arena_alloc(ctx, arena, sizeof *table);
   if (!table) return NULL;
   *table = (pare_rope_table){ .attrs = attrs, .rot_dim = attrs->rot_dim, .positions = positions };
   table->cosines = pare_arena_array(ctx, arena, (size_t)positions, row);
   if (!table->cosines) return NULL;
   table->sines = pare_arena_array(ctx, arena, (size_t)positions, row);
   return table->sines ? table : NULL;
}

pare_status pare_rope_table_of(pare_ctx *ctx, pare_arena *arena, pare_rope_tables *tables,
                               const pare_rope_attrs *attrs, int64_t positions, const pare_rope_table **out)
{
   for (pare_rope_table *table = tables->first; table; table = table->next) {
      *out = table;
      if (pare_fields_same(pare_op_rope.fields, table->attrs, attrs)) return PARE_OK;
   }
   pare_rope_table *table = make(ctx, arena, attrs, positions);
   if (!table) return PARE_RESOURCE;
   PARE_TRY(fill(ctx, table));
   table->next = tables->first;
   tables->first = table;
   tables->bytes += 2 * (size_t)positions * (size_t)(attrs->rot_dim / 2) * sizeof(float);
   *out = table;
   return PARE_OK;
}
