/* ctx: see ctx.h. */
#include "base/ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/pool.h"

const char *pare_status_name(pare_status status)
{
   switch (status) {
   case PARE_OK: return "ok";
   case PARE_DIFFERS: return "differs";
   case PARE_USAGE: return "usage";
   case PARE_INPUT: return "bad_input";
   case PARE_RESOURCE: return "no_resource";
   case PARE_INTERNAL: return "internal";
   case PARE_UNSUPPORTED: return "unsupported";
   case PARE_STOPPED: return "interrupted";
   }
   return "internal";
}

static void *heap_fn(void *user, void *ptr, size_t size)
{
   (void)user;
   if (size == 0) {
      free(ptr);
      return NULL;
   }
   return realloc(ptr, size);
}

void pare_ctx_init(pare_ctx *ctx)
{
   memset(ctx, 0, sizeof *ctx);
   ctx->alloc.fn = heap_fn;
   ctx->threads = 1;
   ctx->cpu = pare_cpu_detect();
}

void pare_ctx_finish(pare_ctx *ctx)
{
   pare_pool_destroy(ctx, ctx->pool);
   ctx->pool = NULL;
}

static void record(pare_error *error, pare_status status, const char *where, const char *fmt, va_list args)
{
   error->status = status;
   snprintf(error->where, sizeof error->where, "%s", where ? where : "");
   vsnprintf(error->message, sizeof error->message, fmt, args);
}

pare_status pare_fail(pare_ctx *ctx, pare_status status, const char *where, const char *fmt, ...)
{
   va_list args;
   if (ctx->error.status != PARE_OK) return status;
   va_start(args, fmt);
   record(&ctx->error, status, where, fmt, args);
   va_end(args);
   return status;
}

pare_status pare_fail_again(pare_ctx *ctx, pare_status status, const char *where, const char *fmt, ...)
{
   va_list args;
   va_start(args, fmt);
   record(&ctx->error, status, where, fmt, args);
   va_end(args);
   return status;
}

void pare_hint(pare_ctx *ctx, const char *fmt, ...)
{
   if (ctx->error.hint[0]) return;
   va_list args;
   va_start(args, fmt);
   vsnprintf(ctx->error.hint, sizeof ctx->error.hint, fmt, args);
   va_end(args);
}

void pare_ctx_clear(pare_ctx *ctx)
{
   memset(&ctx->error, 0, sizeof ctx->error);
}

void pare_log(pare_ctx *ctx, pare_level level, const char *code, const char *where, const char *fmt, ...)
{
   if (!ctx->log) return;
   char message[768];
   va_list args;
   va_start(args, fmt);
   vsnprintf(message, sizeof message, fmt, args);
   va_end(args);
   ctx->log(ctx->user, level, code, where ? where : "", message);
}

void pare_report_progress(pare_ctx *ctx, const char *task, const char *unit, double done, double total)
{
   if (!ctx->progress) return;
   pare_progress progress = { task, unit, done, total };
   ctx->progress(ctx->user, &progress);
}

pare_status pare_check_stop(pare_ctx *ctx)
{
   int signal_number = ctx->stop ? (int)*ctx->stop : 0;
   if (signal_number == 0) return PARE_OK;
   if (signal_number == SIGBUS) {
      pare_fail(ctx, PARE_INPUT, "input files", "one of them shrank while it was being read");
      pare_hint(ctx, "do not write to a model that is in use");
      return PARE_INPUT;
   }
   return pare_fail(ctx, PARE_STOPPED, NULL, "stopped by signal %d", signal_number);
}

bool pare_stop_wanted(const pare_ctx *ctx)
{
   return ctx->stop && *ctx->stop != 0;
}

void *pare_alloc(pare_ctx *ctx, size_t size)
{
   void *ptr = pare_realloc(ctx, NULL, size ? size : 1);
   if (ptr) memset(ptr, 0, size);
   return ptr;
}

void *pare_alloc_array(pare_ctx *ctx, size_t count, size_t size)
{
   size_t bytes;
   if (__builtin_mul_overflow(count, size, &bytes)) {
      pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory: %zu items of %zu bytes", count, size);
      return NULL;
   }
   return pare_alloc(ctx, bytes);
}

void *pare_realloc(pare_ctx *ctx, void *ptr, size_t size)
{
   void *grown = size <= PTRDIFF_MAX ? ctx->alloc.fn(ctx->alloc.user, ptr, size ? size : 1) : NULL;
   if (!grown) pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory: %zu bytes", size);
   return grown;
}

char *pare_strdup(pare_ctx *ctx, const char *text)
{
   size_t size = strlen(text) + 1;
   char *copy = pare_alloc(ctx, size);
   if (copy) memcpy(copy, text, size);
   return copy;
}

void pare_free(pare_ctx *ctx, void *ptr)
{
   if (ptr) ctx->alloc.fn(ctx->alloc.user, ptr, 0);
}
