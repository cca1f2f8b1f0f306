/* spans: see spans.h. */
#include "eval/spans.h"

typedef struct span_list {
   pare_span *items;
   size_t count, capacity;
} span_list;

static pare_status add(pare_ctx *ctx, span_list *list, size_t start, int64_t length, int64_t score_from)
{
   PARE_TRY(pare_grow(ctx, (void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items));
   list->items[list->count++] = (pare_span){ start, length, score_from };
   return PARE_OK;
}

/* Whole windows only; the first scores from the same position as the rest. */
static pare_status cut_text(pare_ctx *ctx, size_t start, size_t end, const pare_protocol *p, span_list *list)
{
   for (size_t at = start; end - at >= (size_t)p->window; at += (size_t)p->stride) {
      PARE_TRY(add(ctx, list, at, p->window, p->score_from));
      if (end - at < (size_t)p->stride) break;
   }
   return PARE_OK;
}

/* Every predicted token once: consecutive windows share the token at their seam, predicted by one and read
 * by the next. */
static pare_status cut_document(pare_ctx *ctx, size_t start, size_t end, const pare_protocol *p,
                                span_list *list)
{
   for (size_t at = start; end - at >= 2;) {
      int64_t length = end - at < (size_t)p->window ? (int64_t)(end - at) : p->window;
      if (length > p->score_from + 1) PARE_TRY(add(ctx, list, at, length, p->score_from));
      at += (size_t)length - 1;
   }
   return PARE_OK;
}

pare_status pare_spans_make(pare_ctx *ctx, const pare_corpus *corpus, const pare_protocol *protocol,
                            pare_span **out, size_t *count)
{
   span_list list = { 0 };
   pare_status status = PARE_OK;
   for (size_t i = 0; status == PARE_OK && i < corpus->documents; i++) {
      size_t start = corpus->starts[i], end = corpus->starts[i + 1];
      status = (corpus->lines ? cut_document : cut_text)(ctx, start, end, protocol, &list);
      if (protocol->max_windows && list.count >= (size_t)protocol->max_windows) break;
   }
   if (status != PARE_OK) {
      pare_free(ctx, list.items);
      return status;
   }
   if (protocol->max_windows && list.count > (size_t)protocol->max_windows)
      list.count = (size_t)protocol->max_windows;
   *out = list.items;
   *count = list.count;
   return PARE_OK;
}
