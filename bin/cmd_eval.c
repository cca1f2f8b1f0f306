/* cmd_eval: perplexity of a model, and its distance from another. */
#include "bin/load.h"
#include "bin/metrics.h"

typedef struct eval_options {
   const char *against;
   pare_data_options data;
   pare_protocol protocol;
   pare_list gates;
   double confidence;
   bool fuse;
} eval_options;

static const pare_field fields[] = {
   { .name = "data",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(eval_options, data.path),
     .letter = 'd',
     .value_name = "FILE",
     .help = "text, or token ids, to evaluate on; required" },
   { .name = "data-format",
     .kind = PARE_FIELD_ENUM,
     .offset = offsetof(eval_options, data.format),
     .choices = pare_corpus_formats,
     .help = "auto goes by the name (*.u16, *.u32, *.ids, *.ids.txt, else text); lines is text and ids are "
             "decimal, one document "
             "a line" },
   { .name = "against",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(eval_options, against),
     .letter = 'a',
     .value_name = "MODEL",
     .help = "the original: adds KL divergence from it and top-1 agreement" },
   { .name = "gate",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(eval_options, gates),
     .letter = 'g',
     .value_name = "GATE",
     .help = "a bound such as 'kl.mean<=0.002' that must hold for exit code 0" },
   { .name = "confidence",
     .kind = PARE_FIELD_FLOAT,
     .offset = offsetof(eval_options, confidence),
     .min = 0.5,
     .max = 0.9999,
     .initial = 0.95,
     .value_name = "P",
     .help = "gates hold for the one-sided confidence bound of this probability" },
   PARE_FUSE_FIELD(eval_options, fuse),
   PARE_PROTOCOL_FIELDS(eval_options, protocol),
   PARE_FIELDS_END
};

static const char *const metric_names[] = { "nll", "ppl", "bits_per_byte", NULL };
static const char *const metric_names_against[] = {
   "nll",    "ppl",    "bits_per_byte", "reference.nll", "reference.ppl", "ppl.ratio", "kl.mean",
   "kl.p50", "kl.p95", "kl.p99",        "kl.max",        "top1",          NULL
};

static pare_status report(pare_app *app, const eval_options *options, pare_model *model, pare_model *original,
                          const pare_corpus *corpus, const pare_eval_result *result, pare_gates *gates)
{
   pare_metrics metrics = { .count = 0 };
   PARE_TRY(pare_put_model(app, "model", model));
   if (original) PARE_TRY(pare_put_model(app, "reference", original));
   pare_put_eval(&app->body, result, corpus);
   PARE_TRY(pare_print_eval(app->ctx, result, corpus, &app->text));
   pare_metrics_add_eval(&metrics, result);
   return pare_gates_judge(app, gates, &metrics, options->confidence);
}

static pare_status evaluate(pare_app *app, const eval_options *options, pare_model *model,
                            pare_model *original, pare_gates *gates)
{
   pare_corpus corpus = { 0 };
   pare_eval_result result;
   pare_status status = pare_load_corpus(app, model, &options->data, &corpus);
   if (status == PARE_OK) status = pare_eval(app->ctx, model, original, &corpus, &options->protocol, &result);
   if (status == PARE_OK) status = report(app, options, model, original, &corpus, &result, gates);
   pare_corpus_finish(app->ctx, &corpus);
   return status;
}

static pare_status run(pare_app *app, const void *given)
{
   const eval_options *options = given;
   pare_model *model = NULL, *original = NULL;
   pare_gates gates;
   if (!options->data.path)
      return pare_fail(app->ctx, PARE_USAGE, "--data", "missing: eval needs text or token ids");
   PARE_TRY(
      pare_gates_parse(app, &options->gates, options->against ? metric_names_against : metric_names, &gates));
   pare_status status = pare_load_to_run(app, app->args[0], options->fuse, &model);
   if (status == PARE_OK && options->against)
      status = pare_load_to_run(app, options->against, options->fuse, &original);
   if (status == PARE_OK) status = evaluate(app, options, model, original, &gates);
   pare_model_destroy(app->ctx, model);
   pare_model_destroy(app->ctx, original);
   return status;
}

const pare_command pare_command_eval = {
   .name = "eval",
   .summary = "measure perplexity, and the divergence from the original",
   .usage = "MODEL --data FILE [--against MODEL] [options]",
   .description =
      "Cuts running text into windows, runs each from an empty context, and scores the predictions of its "
      "second half;\n"
      "with one document a line, scores every predicted token of every document. Prints perplexity, nats per "
      "token,\n"
      "bits per byte of text, and with --against the mean and percentiles of KL(original || model) and the "
      "share of\n"
      "positions with the same most likely token; standard errors are over windows or documents.\n",
   .examples = "  pare eval story.pare --against ../shared/models/tinystories-656k --data valid.txt --json\n"
               "  pare eval model/ --data valid.u16 --windows 60\n",
   .fields = fields,
   .options_size = sizeof(eval_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
