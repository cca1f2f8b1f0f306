/* arch_config: values of config.json for a builder. */
#include <stdio.h>
#include <string.h>

#include "formats/arch/arch.h"
#include "ops/ops.h"

/* transformers' names of the activations; gelu_fast and gelu_pytorch_tanh are the same formula as
 * gelu_new. */
static const struct activation {
   const char *name;
   int kind;
} activations[] = {
   { "silu", PARE_ACTIVATION_SILU },
   { "swish", PARE_ACTIVATION_SILU },
   { "gelu", PARE_ACTIVATION_GELU_ERF },
   { "gelu_new", PARE_ACTIVATION_GELU_TANH },
   { "gelu_fast", PARE_ACTIVATION_GELU_TANH },
   { "gelu_pytorch_tanh", PARE_ACTIVATION_GELU_TANH },
   { "quick_gelu", PARE_ACTIVATION_QUICK_GELU },
   { "relu", PARE_ACTIVATION_RELU },
};

void pare_config_fail(pare_builder *b, pare_status status, const char *fmt, ...)
{
   if (b->status != PARE_OK) return;
   char message[512];
   va_list args;
   va_start(args, fmt);
   vsnprintf(message, sizeof message, fmt, args);
   va_end(args);
   b->status = pare_fail(b->ctx, status, b->source->where, "%s", message);
}

/* True when the key is there; else, and when it is required, fails. */
static bool require(pare_builder *b, const char *key, bool required)
{
   if (b->status != PARE_OK) return false;
   if (required && pare_json_is_null(pare_json_get(b->source->config, key)))
      pare_config_fail(b, PARE_INPUT, "\"%s\" is missing", key);
   return b->status == PARE_OK;
}

int64_t pare_config_int(pare_builder *b, const char *key, int64_t min, int64_t max, int64_t fallback)
{
   int64_t value = 0;
   if (!require(b, key, fallback == PARE_REQUIRED)) return 0;
   b->status =
      pare_json_read_int(b->ctx, b->source->config, key, b->source->where, min, max, fallback, &value);
   return b->status == PARE_OK ? value : 0;
}

double pare_config_number(pare_builder *b, const char *key, double min, double max, double fallback)
{
   double value = 0;
   if (!require(b, key, false)) return 0;
   b->status =
      pare_json_read_number(b->ctx, b->source->config, key, b->source->where, min, max, fallback, &value);
   return value;
}

bool pare_config_bool(pare_builder *b, const char *key, bool fallback)
{
   bool value = false;
   if (!require(b, key, false)) return false;
   b->status = pare_json_read_bool(b->ctx, b->source->config, key, b->source->where, fallback, &value);
   return value;
}

static const char *config_text(pare_builder *b, const char *key, const char *fallback)
{
   const char *value = NULL;
   if (!require(b, key, false)) return NULL;
   b->status = pare_json_read_string(b->ctx, b->source->config, key, b->source->where, fallback, &value);
   return b->status == PARE_OK ? value : NULL;
}

int pare_config_activation(pare_builder *b, const char *key, const char *fallback)
{
   const char *name = config_text(b, key, fallback);
   for (size_t i = 0; name && i < sizeof activations / sizeof activations[0]; i++)
      if (strcmp(activations[i].name, name) == 0) return activations[i].kind;
   if (name) pare_config_fail(b, PARE_UNSUPPORTED, "%s \"%.100s\" is not supported", key, name);
   return 0;
}

void pare_config_refuse_common(pare_builder *b)
{
   const pare_json *quantization = pare_json_get(b->source->config, "quantization_config");
   if (pare_json_is_null(quantization)) return;
   const char *method = pare_json_string(pare_json_get(quantization, "quant_method"));
   pare_config_fail(b, PARE_UNSUPPORTED,
                    "quantization_config \"%.100s\" is not supported; give the original weights",
                    method ? method : "unknown");
}
