/* gate: see gate.h. */
#include "pipeline/gate.h"

#include <math.h>
#include <string.h>

#include "base/fields.h"

static const char metric_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";

static const char *skip_spaces(const char *p)
{
   return p + strspn(p, " ");
}

/* "<=", "<", ">=" or ">" at *p, which moves past it. */
static bool read_relation(const char **p, pare_gate *gate)
{
   char first = **p;
   if (first != '<' && first != '>') return false;
   bool equal = (*p)[1] == '=';
   if (first == '<') gate->relation = equal ? PARE_GATE_LE : PARE_GATE_LT;
   else gate->relation = equal ? PARE_GATE_GE : PARE_GATE_GT;
   *p += equal ? 2 : 1;
   return true;
}

/* A finite number, spaces behind it. */
static bool read_limit(const char *text, double *limit)
{
   size_t size = strlen(text);
   while (size && text[size - 1] == ' ') size--;
   *limit = pare_number_parse(text, size);
   return isfinite(*limit);
}

pare_status pare_gate_parse(pare_ctx *ctx, const char *text, pare_gate *out)
{
   *out = (pare_gate){ .text = text };
   const char *p = skip_spaces(text);
   size_t size = strspn(p, metric_letters);
   if (size == 0 || size >= sizeof out->metric)
      return pare_fail(ctx, PARE_USAGE, text, "a gate starts with a metric, as in \"kl.mean<=0.002\"");
   memcpy(out->metric, p, size);
   p = skip_spaces(p + size);
   if (!read_relation(&p, out))
      return pare_fail(ctx, PARE_USAGE, text, "expected <=, <, >= or > after \"%s\"", out->metric);
   p = skip_spaces(p);
   if (!read_limit(p, &out->limit))
      return pare_fail(ctx, PARE_USAGE, text, "\"%.64s\" is not a finite number", p);
   return PARE_OK;
}

pare_status pare_gate_check(pare_ctx *ctx, const pare_gate *gate, const char *const *known)
{
   for (const char *const *name = known; *name; name++)
      if (strcmp(*name, gate->metric) == 0) return PARE_OK;
   const char *near = pare_nearest(gate->metric, known);
   if (near)
      return pare_fail(ctx, PARE_USAGE, gate->text, "no metric \"%s\", did you mean \"%s\"?", gate->metric,
                       near);
   pare_fail(ctx, PARE_USAGE, gate->text, "no metric \"%s\" here", gate->metric);
   pare_hint(ctx, "kl.*, top1, reference.* and ppl.ratio need an original to compare with, all but output.* a check");
   return PARE_USAGE;
}

/* Quantile of the standard normal distribution, p in (0, 1), to about 7 digits: Wichura, Algorithm AS 241
 * (PPND7), Applied Statistics 37 (1988), 477-484. */
static double normal_quantile(double p)
{
   double q = p - 0.5;
   if (fabs(q) <= 0.425) {
      double r = 0.180625 - q * q;
      return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) /
             (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1);
   }
   double r = sqrt(-log(q < 0 ? p : 1 - p)), x;
   if (r <= 5) {
      r -= 1.6;
      x = (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777) /
          ((0.12021132975 * r + 0.73700164250) * r + 1);
   } else {
      r -= 5;
      x = (((0.017337203997 * r + 0.42868294337) * r + 3.0812263860) * r + 6.6579051150) /
          ((0.012258202635 * r + 0.24197894225) * r + 1);
   }
   return q < 0 ? -x : x;
}

static double find_bound(const pare_gate *gate, const pare_metric *metric, double confidence)
{
   if (metric->stderr_ == 0) return metric->value;
   double margin =
      (confidence > 0 && confidence < 1 ? normal_quantile(confidence) : (double)NAN) * metric->stderr_;
   bool from_above = gate->relation == PARE_GATE_LE || gate->relation == PARE_GATE_LT;
   return from_above ? metric->value + margin : metric->value - margin;
}

/* Comparisons with NaN are false, so it never passes. */
static bool holds(const pare_gate *gate, double x)
{
   switch (gate->relation) {
   case PARE_GATE_LE: return x <= gate->limit;
   case PARE_GATE_LT: return x < gate->limit;
   case PARE_GATE_GE: return x >= gate->limit;
   case PARE_GATE_GT: return x > gate->limit;
   }
   return false;
}

void pare_gate_judge(pare_gate *gate, const pare_metric *metrics, size_t n, double confidence)
{
   gate->value = gate->bound = (double)NAN;
   for (size_t i = 0; i < n; i++) {
      if (strcmp(metrics[i].name, gate->metric) != 0) continue;
      gate->value = metrics[i].value;
      gate->bound = find_bound(gate, &metrics[i], confidence);
      break;
   }
   gate->passed = holds(gate, gate->bound);
}

void pare_gate_print(const pare_gate *gate, pare_json_writer *writer)
{
   pare_json_open_object(writer, NULL);
   pare_json_put_string(writer, "gate", gate->text);
   pare_json_put_string(writer, "metric", gate->metric);
   pare_json_put_number(writer, "value", gate->value);
   pare_json_put_number(writer, "bound", gate->bound);
   pare_json_put_number(writer, "limit", gate->limit);
   pare_json_put_bool(writer, "passed", gate->passed);
   pare_json_close_object(writer);
}
