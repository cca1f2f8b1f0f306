/* regex: compiling and matching. PCRE2 runs in UTF mode with Unicode properties; `^` and `$` match at
 * lines as they do in Ruby syntax. Limits bound time and memory on any pattern. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

enum {
   MATCH_LIMIT = 10000000,    /* steps a match; Oniguruma's limit on retries */
   HEAP_LIMIT_KIB = 256 << 10,
   NEST_LIMIT = 200,
   LENGTH_LIMIT = 1 << 16
};

struct pare_regex {
   pare_allocator alloc; /* a copy, so that the pattern does not refer to the context that made it */
   pcre2_general_context *general;
   pcre2_code *code;
};

struct pare_matcher {
   pare_allocator alloc;
   pcre2_general_context *general;
   pcre2_match_data *data;
   pcre2_match_context *limits;
};

static void *take(PCRE2_SIZE size, void *alloc)
{
   const pare_allocator *a = alloc;
   return size <= PTRDIFF_MAX ? a->fn(a->user, NULL, size ? size : 1) : NULL;
}

static void release(void *ptr, void *alloc)
{
   const pare_allocator *a = alloc;
   if (ptr) a->fn(a->user, ptr, 0);
}

static pare_status no_memory(pare_ctx *ctx)
{
   return pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory");
}

static pare_status compile(pare_ctx *ctx, pare_regex *regex, const pare_str *source, const char *pattern,
                           int shown, const char *where)
{
   pcre2_compile_context *limits = pcre2_compile_context_create(regex->general);
   if (!limits) return no_memory(ctx);
   pcre2_set_parens_nest_limit(limits, NEST_LIMIT);
   pcre2_set_max_pattern_length(limits, LENGTH_LIMIT);
   pcre2_set_newline(limits, PCRE2_NEWLINE_LF);
   pcre2_set_bsr(limits, PCRE2_BSR_UNICODE);
   int error = 0;
   PCRE2_SIZE at = 0;
   regex->code = pcre2_compile((PCRE2_SPTR)(source->data ? source->data : ""), source->size,
                               PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK |
                               PCRE2_NEVER_BACKSLASH_C, &error, &at, limits);
   pcre2_compile_context_free(limits);
   if (regex->code) {
      pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* without it, matching is only slower */
      return PARE_OK;
   }
   if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED) return no_memory(ctx);
   PCRE2_UCHAR message[128] = { 0 };
   pcre2_get_error_message(error, message, sizeof message);
   return pare_fail(ctx, PARE_UNSUPPORTED, where, "pattern '%.*s': %s", shown, pattern,
                    (const char *)message);
}

pare_status pare_regex_create(pare_ctx *ctx, const char *pattern, size_t size, const char *where,
                              pare_regex **out)
{
   int shown = size < 200 ? (int)size : 200;
   if (size > LENGTH_LIMIT)
      return pare_fail(ctx, PARE_UNSUPPORTED, where, "a pattern of %zu bytes, expected at most %d", size,
                       LENGTH_LIMIT);
   pare_regex *regex = pare_alloc(ctx, sizeof *regex);
   if (!regex) return PARE_RESOURCE;
   regex->alloc = ctx->alloc;
   regex->general = pcre2_general_context_create(take, release, &regex->alloc);
   pare_str source = { 0 };
   const char *problem = NULL;
   pare_status status = regex->general ? PARE_OK : no_memory(ctx);
   if (status == PARE_OK) status = pare_regex_translate(ctx, pattern, size, &source, &problem);
   if (problem)
      status = pare_fail(ctx, PARE_UNSUPPORTED, where, "pattern '%.*s': %s", shown, pattern, problem);
   if (status == PARE_OK) status = compile(ctx, regex, &source, pattern, shown, where);
   pare_str_finish(ctx, &source);
   if (status != PARE_OK) {
      pare_regex_destroy(regex);
      return status;
   }
   *out = regex;
   return PARE_OK;
}

void pare_regex_destroy(pare_regex *regex)
{
   if (!regex) return;
   pare_allocator alloc = regex->alloc;
   pcre2_code_free(regex->code);
   pcre2_general_context_free(regex->general);
   alloc.fn(alloc.user, regex, 0);
}

pare_status pare_matcher_create(pare_ctx *ctx, pare_matcher **out)
{
   pare_matcher *matcher = pare_alloc(ctx, sizeof *matcher);
   if (!matcher) return PARE_RESOURCE;
   matcher->alloc = ctx->alloc;
   matcher->general = pcre2_general_context_create(take, release, &matcher->alloc);
   if (matcher->general) matcher->data = pcre2_match_data_create(1, matcher->general);
   if (matcher->general) matcher->limits = pcre2_match_context_create(matcher->general);
   if (!matcher->data || !matcher->limits) {
      pare_matcher_destroy(matcher);
      return no_memory(ctx);
   }
   pcre2_set_match_limit(matcher->limits, MATCH_LIMIT);
   pcre2_set_heap_limit(matcher->limits, HEAP_LIMIT_KIB);
   *out = matcher;
   return PARE_OK;
}

void pare_matcher_destroy(pare_matcher *matcher)
{
   if (!matcher) return;
   pare_allocator alloc = matcher->alloc;
   pcre2_match_context_free(matcher->limits);
   pcre2_match_data_free(matcher->data);
   pcre2_general_context_free(matcher->general);
   alloc.fn(alloc.user, matcher, 0);
}

pare_status pare_regex_find(pare_ctx *ctx, const pare_regex *regex, pare_matcher *matcher, const char *text,
                            size_t size, size_t from, bool *found, size_t *start, size_t *end)
{
   PCRE2_SPTR subject = (PCRE2_SPTR)text;
   int rc = pcre2_match(regex->code, subject, size, from, PCRE2_NO_UTF_CHECK, matcher->data, matcher->limits);
   if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
      rc = pcre2_match(regex->code, subject, size, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data,
                       matcher->limits);
   *found = rc >= 0;
   if (*found) {
      const PCRE2_SIZE *span = pcre2_get_ovector_pointer(matcher->data);
      *start =
         span[0] < span[1] ? span[0] : span[1]; /* \K inside a lookahead can put the start behind the end */
      *end = span[1];
      return PARE_OK;
   }
   if (rc == PCRE2_ERROR_NOMATCH) return PARE_OK;
   if (rc == PCRE2_ERROR_NOMEMORY) return no_memory(ctx);
   PCRE2_UCHAR message[128] = { 0 };
   pcre2_get_error_message(rc, message, sizeof message);
   return pare_fail(ctx, PARE_UNSUPPORTED, NULL, "a pattern of the tokenizer fails on this text: %s",
                    (const char *)message);
}
