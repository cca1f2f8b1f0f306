/* sequence: see sequence.h. */
#include "run/sequence.h"

#include <string.h>

bool pare_is_end_token(const pare_model *model, uint32_t token)
{
   for (size_t i = 0; i < model->n_end; i++)
      if (model->end[i] == (int64_t)token) return true;
   return false;
}

pare_status pare_sequence_start(pare_ctx *ctx, pare_sequence *q, const pare_model *model, int64_t context,
                                const uint32_t *prompt, size_t n, const pare_generate_options *options)
{
   *q = (pare_sequence){ .model = model, .options = *options, .n = (int64_t)n, .context = context };
   q->result = (pare_generate_result){ .prompt_tokens = (int64_t)n, .finish = PARE_FINISH_LENGTH };
   if (n < 1 || n > (size_t)context)
      return pare_fail(ctx, PARE_INPUT, NULL, "a prompt of %zu tokens, expected 1 to %lld", n,
                       (long long)context);
   q->tokens = pare_alloc_array(ctx, (size_t)context, sizeof *q->tokens);
   if (!q->tokens) return PARE_RESOURCE;
   memcpy(q->tokens, prompt, n * sizeof *prompt);
   return PARE_OK;
}

void pare_sequence_finish(pare_ctx *ctx, pare_sequence *q)
{
   pare_free(ctx, q->tokens);
   q->tokens = NULL;
}

pare_status pare_sequence_take(pare_ctx *ctx, pare_sequence *q, uint32_t token, bool *more)
{
   *more = false;
   if (!q->options.ignore_end_tokens && pare_is_end_token(q->model, token)) {
      q->result.finish = PARE_FINISH_END_TOKEN;
      return PARE_OK;
   }
   q->result.tokens++;
   if (q->options.on_token) PARE_TRY(q->options.on_token(ctx, q->options.user, token));
   if (q->result.tokens >= q->options.max_tokens) return PARE_OK;
   if (q->n == q->context) {
      q->result.finish = PARE_FINISH_CONTEXT;
      return PARE_OK;
   }
   q->tokens[q->n++] = token;
   *more = true;
   return PARE_OK;
}
