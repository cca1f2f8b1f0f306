/* libFuzzer: any bytes as a safetensors file; what opens is then read whole. */
#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned read_entries(pare_ctx *ctx, const pare_safetensors *set)
{
   unsigned sum = 0;
   for (size_t i = 0; i < set->n_entries; i++) {
      const pare_safetensors_entry *entry = pare_safetensors_find(set, set->entries[i].name);
      pare_buffer *view;
      if (entry != &set->entries[i] || pare_safetensors_view(ctx, set, entry, &view) != PARE_OK)
         __builtin_trap();
      for (size_t at = 0; at < pare_buffer_size(view); at++) sum += pare_buffer_data(view)[at];
      pare_buffer_unref(ctx, view);
   }
   return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_buffer *bytes;
   pare_safetensors *set;
   pare_ctx_init(&ctx);
   if (pare_buffer_copy(&ctx, data, size, &bytes) != PARE_OK) return 0;
   pare_status status = pare_safetensors_open_buffer(&ctx, bytes, "fuzz", &set);
   pare_buffer_unref(&ctx, bytes);
   if (status == PARE_OK) {
      volatile unsigned sum = read_entries(&ctx, set);
      (void)sum;
      pare_safetensors_warn_unused(&ctx, set, NULL);
      pare_safetensors_close(&ctx, set);
   } else if (ctx.error.status != status || !ctx.error.message[0]) {
      __builtin_trap();
   }
   pare_ctx_finish(&ctx);
   return 0;
}
