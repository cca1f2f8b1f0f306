/* envelope: see envelope.h. */
#define _GNU_SOURCE
#include "bin/envelope.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/memory.h"

static const char *status_text(pare_status status)
{
   if (status == PARE_OK) return "ok";
   if (status == PARE_STOPPED) return "interrupted";
   return "error";
}

static int64_t peak_rss(void)
{
   struct rusage usage;
   getrusage(RUSAGE_SELF, &usage);
   return (int64_t)usage.ru_maxrss * 1024;
}

static void put_host(pare_json_writer *json, const pare_ctx *ctx)
{
   char cpu[128], isa[128];
   pare_cpu_name(cpu, sizeof cpu);
   pare_cpu_describe(ctx->cpu, isa, sizeof isa);
   pare_json_open_object(json, "host");
   pare_json_put_string(json, "cpu", cpu);
   pare_json_put_string(json, "isa", isa);
   pare_json_put_int(json, "threads", ctx->threads);
   pare_json_put_int(json, "mem_limit_bytes", pare_memory_limit());
   pare_json_close_object(json);
}

static void put_notes(pare_json_writer *json, const pare_terminal *terminal)
{
   pare_json_open_array(json, "warnings");
   for (size_t i = 0; i < terminal->n_notes; i++) {
      pare_json_open_object(json, NULL);
      pare_json_put_string(json, "code", terminal->notes[i].code);
      pare_json_put_string(json, "where", terminal->notes[i].where);
      pare_json_put_string(json, "message", terminal->notes[i].message);
      pare_json_close_object(json);
   }
   pare_json_close_array(json);
}

static void put_error(pare_json_writer *json, const pare_error *error)
{
   pare_json_open_object(json, "error");
   pare_json_put_string(json, "code", pare_status_name(error->status));
   pare_json_put_string(json, "where", error->where);
   pare_json_put_string(json, "message", error->message);
   pare_json_put_string(json, "hint", error->hint[0] ? error->hint : NULL);
   pare_json_close_object(json);
}

/* A gate that failed is an outcome, not an error: the status says so and the body has the rest. */
static pare_status put_body(pare_ctx *ctx, const pare_str *body, pare_json_writer *json)
{
   pare_json *members;
   if (body->size == 0) return PARE_OK;
   PARE_TRY(pare_json_parse(ctx, body->data, body->size, "report", &members));
   for (const pare_json *v = pare_json_first(members); v; v = pare_json_next(v))
      pare_json_put_value(json, pare_json_name(v), v);
   pare_json_free(members);
   return PARE_OK;
}

pare_status pare_envelope_write(pare_ctx *ctx, const pare_terminal *terminal, const char *command,
                                pare_status status, int exit_code, double seconds, const pare_str *body,
                                pare_str *out)
{
   char schema[64];
   pare_json_writer json;
   pare_error error = ctx->error;
   pare_ctx_clear(ctx);
   snprintf(schema, sizeof schema, "pare.%s/1", command);
   pare_json_begin(&json, ctx, out, true);
   pare_json_open_object(&json, NULL);
   pare_json_put_string(&json, "schema", schema);
   pare_json_put_string(&json, "version", PARE_VERSION);
   pare_json_put_string(&json, "command", command);
   bool gate_failed = status == PARE_DIFFERS && strcmp(error.where, "gates") == 0;
   pare_json_put_string(&json, "status", gate_failed ? "gate_failed" : status_text(status));
   pare_json_put_int(&json, "exit_code", exit_code);
   pare_json_put_number(&json, "seconds", seconds);
   pare_json_put_int(&json, "peak_rss_bytes", peak_rss());
   put_host(&json, ctx);
   put_notes(&json, terminal);
   if (status != PARE_OK) put_error(&json, &error);
   pare_status put = put_body(ctx, body, &json);
   pare_json_close_object(&json);
   ctx->error = error;
   return put != PARE_OK ? put : json.status;
}
