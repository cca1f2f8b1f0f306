/* fuzz_artifact: any bytes as an artifact: loading, printing what was loaded, hashing it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "formats/pare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_artifact(pare_ctx *ctx, const char *path)
{
   pare_model *model = NULL;
   pare_str text = { 0 };
   uint64_t hashed;
   if (pare_artifact_load(ctx, path, &model) == PARE_OK) {
      pare_graph_print(ctx, model->graph, &text);
      pare_model_count(model);
   }
   pare_ctx_clear(ctx);
   pare_artifact_verify(ctx, path, &hashed);
   pare_str_finish(ctx, &text);
   pare_model_destroy(ctx, model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   char path[64];
   pare_ctx ctx;
   int fd = memfd_create("artifact", MFD_CLOEXEC);
   if (fd < 0) return 0;
   if (write(fd, data, size) == (ssize_t)size) {
      snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
      pare_ctx_init(&ctx);
      use_artifact(&ctx, path);
      pare_ctx_finish(&ctx);
   }
   close(fd);
   return 0;
}
