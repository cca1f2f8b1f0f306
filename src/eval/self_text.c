/* self_text: see self_text.h. All sequences are decoded side by side, one batch a position. */
#include "eval/self_text.h"

#include "run/sampler.h"
#include "run/session.h"

enum { SEQUENCES = 16, SHORTEST = 8, LONGEST = 256 };
#define BUDGET_MACS 1e11

typedef struct writer {
   pare_session *session;
   pare_sampler *sampler;
   uint32_t tokens[SEQUENCES][LONGEST];
   int64_t length;
} writer;

static int64_t choose_length(const pare_model *model)
{
   double affordable = BUDGET_MACS / SEQUENCES / (pare_model_count(model).macs_per_token + 1);
   int64_t length = affordable > LONGEST ? LONGEST : affordable < SHORTEST ? SHORTEST : (int64_t)affordable;
   return length < model->context ? length : model->context;
}

static pare_status open_writer(pare_ctx *ctx, const pare_model *model, writer *w)
{
   pare_sampler_options sampling = {
      .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = (int64_t)ctx->seed
   };
   w->length = choose_length(model);
   pare_session_options options = {
      .slots = SEQUENCES, .context = w->length, .tokens = SEQUENCES, .rows = SEQUENCES
   };
   PARE_TRY(pare_session_create(ctx, model, &options, &w->session));
   return pare_sampler_create(ctx, &sampling, model->vocab, &w->sampler);
}

static void choose_starts(const pare_model *model, uint64_t seed, writer *w)
{
   pare_rng rng;
   pare_rng_seed(&rng, seed);
   for (int i = 0; i < SEQUENCES; i++)
      w->tokens[i][0] =
         (uint32_t)(model->bos >= 0 ? (uint64_t)model->bos : pare_rng_below(&rng, (uint64_t)model->vocab));
}

static pare_status write_position(pare_ctx *ctx, const pare_model *model, writer *w, int64_t position)
{
   uint32_t tokens[SEQUENCES];
   int32_t positions[SEQUENCES], slots[SEQUENCES];
   for (int i = 0; i < SEQUENCES; i++) {
      tokens[i] = w->tokens[i][position];
      positions[i] = (int32_t)position;
      slots[i] = i;
   }
   pare_batch batch = { SEQUENCES, tokens, positions, slots, SEQUENCES, slots };
   const float *logits;
   PARE_TRY(pare_session_step(ctx, w->session, &batch, &logits));
   for (int i = 0; i < SEQUENCES; i++)
      PARE_TRY(pare_sampler_next(ctx, w->sampler, logits + i * model->vocab, w->tokens[i],
                                 (size_t)position + 1, &w->tokens[i][position + 1]));
   pare_report_progress(ctx, "sample", "tokens", (double)position + 2, (double)w->length);
   return pare_check_stop(ctx);
}

static pare_status write_all(pare_ctx *ctx, const pare_model *model, writer *w, pare_corpus *out)
{
   PARE_TRY(open_writer(ctx, model, w));
   choose_starts(model, ctx->seed, w);
   for (int64_t at = 0; at + 1 < w->length; at++) PARE_TRY(write_position(ctx, model, w, at));
   for (int i = 0; i < SEQUENCES; i++) PARE_TRY(pare_corpus_add(ctx, out, w->tokens[i], (size_t)w->length));
   return PARE_OK;
}

pare_status pare_self_text(pare_ctx *ctx, const pare_model *model, pare_corpus *out)
{
   *out = (pare_corpus){ .lines = true };
   writer *w = pare_alloc(ctx, sizeof *w);
   if (!w) return PARE_RESOURCE;
   pare_status status = write_all(ctx, model, w, out);
   pare_session_destroy(ctx, w->session);
   pare_sampler_destroy(ctx, w->sampler);
   pare_free(ctx, w);
   if (status != PARE_OK) pare_corpus_finish(ctx, out);
   return status;
}
