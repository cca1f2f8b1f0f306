/* tok_piece: lists of pieces and the working memory of one call. */
#include <string.h>

#include "text/tok_parts.h"

static void finish_pieces(pare_ctx *ctx, pare_tok_pieces *pieces)
{
   pare_str_finish(ctx, &pieces->text);
   pare_free(ctx, pieces->items);
}

void pare_tok_work_finish(pare_tok_work *work)
{
   finish_pieces(work->ctx, &work->now);
   finish_pieces(work->ctx, &work->next);
   pare_free(work->ctx, work->matches.items);
   pare_matcher_destroy(work->matcher);
   pare_str_finish(work->ctx, &work->a);
   pare_str_finish(work->ctx, &work->b);
}

void pare_tok_turn(pare_tok_work *work, bool keep_text)
{
   pare_tok_pieces old = work->now;
   work->now = work->next;
   work->next = old;
   if (keep_text) {
      pare_str text = work->now.text;
      work->now.text = work->next.text;
      work->next.text = text;
   }
   work->next.count = 0;
   pare_str_clear(&work->next.text);
}

pare_status pare_tok_add_piece(pare_tok_work *work, pare_tok_piece piece)
{
   pare_tok_pieces *to = &work->next;
   if (!piece.size && piece.id == PARE_TOK_TEXT) return PARE_OK;
   if (to->count == to->capacity)
      PARE_TRY(pare_grow(work->ctx, (void **)&to->items, &to->capacity, to->count + 1, sizeof *to->items));
   to->items[to->count++] = piece;
   return PARE_OK;
}

pare_status pare_tok_add_token(pare_tok_work *work, uint32_t id)
{
   return pare_tok_add_piece(work, (pare_tok_piece){ .id = id });
}

pare_status pare_tok_check_size(pare_tok_work *work, size_t size)
{
   if (!work->limit || size <= work->limit) return PARE_OK;
   return pare_fail(work->ctx, PARE_UNSUPPORTED, NULL,
                    "the tokenizer makes a text of more than %zu bytes of this one", work->limit);
}

pare_tok_piece pare_tok_part(const pare_tok_piece *whole, size_t base, size_t start, size_t end)
{
   size_t first = whole->first > start ? whole->first - start : 0, size = end - start;
   if (first > size) first = size;
   return (pare_tok_piece){ base + start, size, PARE_TOK_TEXT, (uint32_t)first };
}
