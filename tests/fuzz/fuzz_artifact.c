/* fuzz_artifact: any bytes as an artifact: loading, printing what was loaded, running one token, hashing it.
 *
 * The header's hash would stop nearly every changed input at the door, so it is made to fit: an input that
 * starts like an artifact gets the hash its footer should have, and any other is taken as a plain form:
 *    4 bytes size of the sections, the sections, the header's JSON text
 * from which head, deflated header and footer are made. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/deflate.h"
#include "base/hash.h"
#include "formats/pare.h"
#include "formats/pare_layout.h"
#include "run/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_NODES = 2000, MOST_CACHE = 1 << 16 };
static const double most_macs = 1e7;

/* Runs token 0 through models that are small enough, and reads all of its logits. */
static void run_token(pare_ctx *ctx, const pare_model *model)
{
   pare_model_totals totals = pare_model_count(model);
   if (model->graph->n_nodes > MOST_NODES || totals.macs_per_token > most_macs ||
       totals.kv_bytes_per_token > MOST_CACHE)
      return;
   pare_session *session = NULL;
   int64_t context = model->context < 8 ? model->context : 8;
   pare_session_options limits = { .slots = 1, .context = context, .tokens = 1 };
   const uint32_t token = 0;
   const float *logits;
   pare_status status = pare_session_create(ctx, model, &limits, &session);
   if (status == PARE_OK) status = pare_session_prefill(ctx, session, 0, &token, 0, 1, &logits);
   volatile float last;
   for (int64_t i = 0; status == PARE_OK && i < model->vocab; i++) last = logits[i];
   (void)last;
   pare_session_destroy(ctx, session);
}

static void use_artifact(pare_ctx *ctx, const char *path)
{
   pare_model *model = NULL;
   pare_str text = { 0 };
   uint64_t hashed;
   if (pare_artifact_load(ctx, path, &model) == PARE_OK) {
      pare_graph_print(ctx, model->graph, &text);
      pare_ctx_clear(ctx);
      run_token(ctx, model);
   }
   pare_ctx_clear(ctx);
   pare_artifact_verify(ctx, path, &hashed);
   pare_str_finish(ctx, &text);
   pare_model_destroy(ctx, model);
}

static void use_bytes(pare_ctx *ctx, const pare_str *bytes)
{
   char path[64];
   int fd = memfd_create("artifact", MFD_CLOEXEC);
   if (fd < 0) return;
   snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
   if (write(fd, bytes->data, bytes->size) == (ssize_t)bytes->size) use_artifact(ctx, path);
   close(fd);
   pare_ctx_clear(ctx);
}

/* Writes the hash that the footer's offset and size ask for, where they lie in the file. */
static void fit_hash(pare_str *bytes)
{
   if (bytes->size < PARE_FILE_HEAD + PARE_FILE_FOOT) return;
   uint8_t *foot = (uint8_t *)bytes->data + bytes->size - PARE_FILE_FOOT;
   pare_cursor c = pare_cursor_on(foot, PARE_FILE_FOOT);
   uint64_t offset = pare_cursor_u64(&c), stored = pare_cursor_u64(&c), end = bytes->size - PARE_FILE_FOOT;
   if (offset <= end && stored <= end - offset) pare_sha256_raw(bytes->data + offset, stored, foot + 24);
}

static pare_status build(pare_ctx *ctx, const uint8_t *body, size_t body_size, const uint8_t *text,
                         size_t size, pare_str *out)
{
   uint8_t head[PARE_FILE_HEAD] = { 0 }, foot[PARE_FILE_FOOT] = { 0 };
   static const uint8_t zeros[PARE_FILE_ALIGN];
   pare_str header = { 0 };
   memcpy(head, pare_head_magic, sizeof pare_head_magic);
   pare_put_uint(head + 8, PARE_FILE_VERSION, 4);
   pare_status status = pare_deflate(ctx, text, size, &header);
   if (status == PARE_OK) status = pare_str_append(ctx, out, head, sizeof head);
   if (status == PARE_OK) status = pare_str_append(ctx, out, body, body_size);
   if (status == PARE_OK) status = pare_str_append(ctx, out, zeros, -out->size % PARE_FILE_ALIGN);
   pare_put_uint(foot, out->size, 8);
   pare_put_uint(foot + 8, header.size, 8);
   pare_put_uint(foot + 16, size, 8);
   memcpy(foot + 56, pare_foot_magic, sizeof pare_foot_magic);
   if (status == PARE_OK) status = pare_str_append(ctx, out, header.data, header.size);
   if (status == PARE_OK) status = pare_str_append(ctx, out, foot, sizeof foot);
   pare_str_finish(ctx, &header);
   return status;
}

static pare_status from_plain(pare_ctx *ctx, const uint8_t *data, size_t size, pare_str *out)
{
   pare_cursor c = pare_cursor_on(data, size);
   size_t body = pare_cursor_u32(&c), left = pare_cursor_left(&c);
   if (body > left) body = left;
   const uint8_t *sections = pare_cursor_take(&c, body);
   return build(ctx, sections, body, sections + body, left - body, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_str bytes = { 0 };
   if (size < 4) return 0;
   pare_ctx_init(&ctx);
   bool whole = memcmp(data, pare_head_magic, 4) == 0;
   pare_status status =
      whole ? pare_str_append(&ctx, &bytes, data, size) : from_plain(&ctx, data, size, &bytes);
   if (status == PARE_OK && whole) use_bytes(&ctx, &bytes);
   if (status == PARE_OK) fit_hash(&bytes);
   if (status == PARE_OK) use_bytes(&ctx, &bytes);
   pare_str_finish(&ctx, &bytes);
   pare_ctx_finish(&ctx);
   return 0;
}
