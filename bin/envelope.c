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

/* Both texts were made by the same writer, so the members of one object can follow those of the other as they are. */
static pare_status append_body(pare_ctx *ctx, const pare_str *body, pare_str *out)
{
   static const char opening[] = "{", closing[] = "\n}";
   size_t skip = strlen(opening) + strlen(closing);
   if (body->size <= skip + 1) return PARE_OK;
   out->size -= strlen(closing);
   PARE_TRY(pare_str_puts(ctx, out, ","));
   return pare_str_append(ctx, out, body->data + strlen(opening), body->size - strlen(opening));
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
   pare_json_close_object(&json);
   pare_status status_of_text = json.status == PARE_OK ? append_body(ctx, body, out) : json.status;
   ctx->error = error;
   return status_of_text;
}
