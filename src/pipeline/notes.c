/* notes: what the pipeline knows of each weight; see pass.h. */
#include <string.h>

#include "pipeline/pass.h"

static pare_weight_note *find_note(const pare_notes *notes, const pare_weight *weight)
{
   return pare_name_index_find(&notes->by_name, weight->name);
}

static pare_status index_notes(pare_ctx *ctx, pare_notes *notes)
{
   pare_name_index_finish(ctx, &notes->by_name);
   notes->by_name = (pare_name_index){ 0 };
   for (size_t i = 0; i < notes->count; i++) {
      pare_weight_note *note = &notes->items[i];
      PARE_TRY(pare_name_index_add(ctx, &notes->by_name, note->weight->name, note));
   }
   return PARE_OK;
}

static pare_weight_note new_note(const pare_weight *weight)
{
   return (pare_weight_note){ .weight = weight, .encoding = weight->encoding, .zeros = -1 };
}

static pare_status fill(pare_ctx *ctx, const pare_graph *graph, pare_notes *notes)
{
   PARE_TRY(pare_grow(ctx, (void **)&notes->items, &notes->capacity, graph->n_weights + 1, sizeof *notes->items));
   for (size_t i = 0; i < graph->n_weights; i++) notes->items[notes->count++] = new_note(graph->weights[i]);
   PARE_TRY(index_notes(ctx, notes));
   return pare_notes_find_users(ctx, graph, notes);
}

pare_status pare_notes_add(pare_ctx *ctx, pare_notes *notes, const pare_weight *weight)
{
   size_t before = notes->capacity;
   PARE_TRY(pare_grow(ctx, (void **)&notes->items, &notes->capacity, notes->count + 1, sizeof *notes->items));
   notes->items[notes->count++] = new_note(weight);
   if (notes->capacity != before) return index_notes(ctx, notes);
   return pare_name_index_add(ctx, &notes->by_name, weight->name, &notes->items[notes->count - 1]);
}

pare_status pare_notes_create(pare_ctx *ctx, const pare_graph *graph, pare_notes *notes)
{
   *notes = (pare_notes){ 0 };
   pare_status status = fill(ctx, graph, notes);
   if (status != PARE_OK) pare_notes_finish(ctx, notes);
   return status;
}

void pare_notes_finish(pare_ctx *ctx, pare_notes *notes)
{
   pare_free(ctx, notes->items);
   pare_free(ctx, notes->users);
   pare_name_index_finish(ctx, &notes->by_name);
   *notes = (pare_notes){ 0 };
}

/* A node that uses a weight twice is one user. */
static bool used_before(const pare_node *node, size_t at)
{
   for (size_t i = 0; i < at; i++)
      if (node->weight[i] == node->weight[at]) return true;
   return false;
}

static size_t count_users(const pare_graph *graph, const pare_notes *notes)
{
   size_t total = 0;
   for (size_t i = 0; i < notes->count; i++) notes->items[i].n_users = 0;
   for (const pare_node *node = graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_weights; i++) {
         if (used_before(node, i)) continue;
         find_note(notes, node->weight[i])->n_users++;
         total++;
      }
   }
   return total;
}

static void list_users(const pare_graph *graph, const pare_notes *notes)
{
   pare_node **at = notes->users;
   for (size_t i = 0; i < notes->count; i++) {
      pare_weight_note *note = &notes->items[i];
      note->users = at;
      at += note->n_users;
      note->n_users = 0;
   }
   for (pare_node *node = graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_weights; i++) {
         if (used_before(node, i)) continue;
         pare_weight_note *note = find_note(notes, node->weight[i]);
         notes->users[(size_t)(note->users - notes->users) + note->n_users++] = node;
      }
   }
}

pare_status pare_notes_find_users(pare_ctx *ctx, const pare_graph *graph, pare_notes *notes)
{
   size_t total = count_users(graph, notes);
   PARE_TRY(pare_grow(ctx, (void **)&notes->users, &notes->users_capacity, total + 1, sizeof *notes->users));
   list_users(graph, notes);
   return PARE_OK;
}

unsigned pare_notes_facts(const pare_notes *notes)
{
   unsigned facts = 0;
   for (size_t i = 0; i < notes->count; i++) {
      const pare_weight_note *note = &notes->items[i];
      if (note->dropped) continue;
      bool is_float = pare_encoding_is_float(note->encoding.kind);
      if (is_float && pare_note_is_matrix(note)) facts |= PARE_HAS_FLOAT_MATRICES;
      if (!is_float) facts |= PARE_IS_QUANTIZED;
      if (note->pruned) facts |= PARE_IS_PRUNED;
   }
   return facts;
}
