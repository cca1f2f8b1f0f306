/* arch_weights: finding stored tensors by name, with or without the family's prefix, and checking them
 * against what config.json says. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/arch/arch.h"

enum { NAME_SIZE = 256, SHAPE_SIZE = 400 };

/* What is wanted: logical shape [n, k], or [n] when k is 0. */
typedef struct wanted {
   int64_t n, k;
   bool transposed;
} wanted;

static void full_name(const pare_builder *b, bool with_prefix, const char *name, char out[NAME_SIZE])
{
   snprintf(out, NAME_SIZE, "%s%s%s", with_prefix ? b->prefix : "", b->store_scope, name);
}

static pare_safetensors_entry *find_entry(const pare_builder *b, const char *name)
{
   char full[NAME_SIZE];
   full_name(b, true, name, full);
   pare_safetensors_entry *entry = pare_safetensors_find(b->source->tensors, full);
   if (entry) return entry;
   full_name(b, false, name, full);
   return pare_safetensors_find(b->source->tensors, full);
}

static void print_shape(int rank, const int64_t *dim, char out[SHAPE_SIZE])
{
   size_t at = (size_t)snprintf(out, SHAPE_SIZE, "[");
   for (int i = 0; i < rank; i++)
      at += (size_t)snprintf(out + at, SHAPE_SIZE - at, "%s%" PRId64, i ? ", " : "", dim[i]);
   snprintf(out + at, SHAPE_SIZE - at, "]");
}

static int stored_dims(const wanted *want, int64_t dim[2])
{
   dim[0] = want->transposed ? want->k : want->n;
   dim[1] = want->transposed ? want->n : want->k;
   return want->k ? 2 : 1;
}

static pare_status check_entry(pare_ctx *ctx, const pare_safetensors_entry *entry, const wanted *want)
{
   int64_t dim[2];
   int rank = stored_dims(want, dim);
   if (!entry->usable)
      return pare_fail(ctx, PARE_UNSUPPORTED, entry->name,
                       "dtype %s is not supported; expected F32, F16 or BF16", entry->dtype);
   if (entry->rank == rank && memcmp(entry->dim, dim, (size_t)rank * sizeof dim[0]) == 0) return PARE_OK;
   char found[SHAPE_SIZE], expected[SHAPE_SIZE];
   print_shape(entry->rank, entry->dim, found);
   print_shape(rank, dim, expected);
   return pare_fail(ctx, PARE_INPUT, entry->name, "shape %s, config.json says %s", found, expected);
}

static pare_status take_entry(pare_builder *b, pare_safetensors_entry *entry, const wanted *want,
                              pare_weight **out)
{
   *out = pare_graph_find_weight(b->graph, entry->name);
   if (*out) return PARE_OK;
   PARE_TRY(check_entry(b->ctx, entry, want));
   pare_buffer *view;
   PARE_TRY(pare_safetensors_view(b->ctx, b->source->tensors, entry, &view));
   int64_t dim[2] = { want->n, want->k ? want->k : 1 };
   pare_encoding encoding = { .kind = entry->encoding, .transposed = want->transposed };
   pare_status status =
      pare_graph_add_weight(b->ctx, b->graph, entry->name, want->k ? 2 : 1, dim, encoding, view, out);
   pare_buffer_unref(b->ctx, view);
   entry->used = true;
   return status;
}

static pare_weight *take(pare_builder *b, const char *name, const wanted *want)
{
   pare_weight *weight = NULL;
   if (b->status != PARE_OK) return NULL;
   pare_safetensors_entry *entry = find_entry(b, name);
   if (entry) {
      b->status = take_entry(b, entry, want, &weight);
      return b->status == PARE_OK ? weight : NULL;
   }
   char full[NAME_SIZE], expected[SHAPE_SIZE];
   int64_t dim[2];
   full_name(b, true, name, full);
   print_shape(stored_dims(want, dim), dim, expected);
   b->status = pare_fail(b->ctx, PARE_INPUT, full,
                         "the tensor is missing; config.json asks for it with shape %s", expected);
   return NULL;
}

pare_weight *pare_build_weight(pare_builder *b, const char *name, int64_t n, int64_t k)
{
   return take(b, name, &(wanted){ n, k, false });
}

pare_weight *pare_build_transposed(pare_builder *b, const char *name, int64_t n, int64_t k)
{
   return take(b, name, &(wanted){ n, k, true });
}

/* The embedding stands for both when both are stored, as in transformers; the head's copy then counts as
 * used. The head lies outside the prefix. */
void pare_build_tables(pare_builder *b, const char *embed_name, const char *head_name, int64_t vocab,
                       int64_t hidden, bool tied, pare_weight **embed, pare_weight **head)
{
   pare_builder outside = *b;
   outside.prefix = "";
   pare_safetensors_entry *stored_head = find_entry(&outside, head_name);
   bool head_only = tied && stored_head && !find_entry(b, embed_name);
   *head = !tied || head_only ? pare_build_weight(&outside, head_name, vocab, hidden) : NULL;
   b->status = outside.status;
   *embed = head_only ? *head : pare_build_weight(b, embed_name, vocab, hidden);
   if (tied) *head = *embed;
   if (tied && stored_head) stored_head->used = true;
}
