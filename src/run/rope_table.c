/* rope_table: see rope_table.h. Positions are filled in parallel; nothing depends on who fills them. */
#include "run/rope_table.h"

#include "base/pool.h"
#include "kernels/mathd.h"

enum { CHUNK = 64 }; /* positions of one item of work */

typedef struct fill_job {
   const pare_rope_table *table;
   const float *inv_freq;
} fill_job;

static void fill_positions(void *arg, int64_t item, int worker)
{
   (void)worker;
   const fill_job *job = arg;
   const pare_rope_table *table = job->table;
   int64_t pairs = table->rot_dim / 2, end = (item + 1) * CHUNK;
   if (end > table->positions) end = table->positions;
   for (int64_t pos = item * CHUNK; pos < end; pos++) {
      for (int64_t i = 0; i < pairs; i++) {
         float angle = (float)pos * job->inv_freq[i];
         table->cosines[pos * pairs + i] = (float)pare_cos((double)angle);
         table->sines[pos * pairs + i] = (float)pare_sin((double)angle);
      }
   }
}

static pare_status fill(pare_ctx *ctx, const pare_rope_table *table)
{
   int64_t pairs = table->rot_dim / 2;
   float *inv_freq = pare_alloc_array(ctx, (size_t)pairs, sizeof *inv_freq);
   if (!inv_freq) return PARE_RESOURCE;
   for (int64_t i = 0; i < pairs; i++) {
      float exponent = (float)(2 * i) / (float)table->rot_dim;
      inv_freq[i] = 1.0f / (float)pare_pow(table->theta, (double)exponent);
   }
   fill_job job = { table, inv_freq };
   pare_pool_run(ctx, (table->positions + CHUNK - 1) / CHUNK, fill_positions, &job);
   pare_free(ctx, inv_freq);
   return PARE_OK;
}

static pare_rope_table *make(pare_ctx *ctx, pare_arena *arena, int64_t rot_dim, double theta,
                             int64_t positions)
{
   size_t row = (size_t)(rot_dim / 2) * sizeof(float);
   pare_rope_table *table = pare_arena_alloc(ctx, arena, sizeof *table);
   if (!table) return NULL;
   *table = (pare_rope_table){ .rot_dim = rot_dim, .theta = theta, .positions = positions };
   table->cosines = pare_arena_array(ctx, arena, (size_t)positions, row);
   if (!table->cosines) return NULL;
   table->sines = pare_arena_array(ctx, arena, (size_t)positions, row);
   return table->sines ? table : NULL;
}

pare_status pare_rope_table_of(pare_ctx *ctx, pare_arena *arena, pare_rope_tables *tables, int64_t rot_dim,
                               double theta, int64_t positions, const pare_rope_table **out)
{
   for (pare_rope_table *table = tables->first; table; table = table->next) {
      *out = table;
      if (table->rot_dim == rot_dim && table->theta == theta) return PARE_OK;
   }
   pare_rope_table *table = make(ctx, arena, rot_dim, theta, positions);
   if (!table) return PARE_RESOURCE;
   PARE_TRY(fill(ctx, table));
   table->next = tables->first;
   tables->first = table;
   tables->bytes += 2 * (size_t)positions * (size_t)(rot_dim / 2) * sizeof(float);
   *out = table;
   return PARE_OK;
}
