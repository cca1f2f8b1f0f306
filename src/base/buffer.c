/* buffer: see buffer.h. A view keeps a reference on its parent. */
#define _GNU_SOURCE
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGN = 64, LARGE = 2 << 20 /* a large page */ };

struct pare_buffer {
   atomic_int refs;
   uint8_t *data;
   size_t size;
   void *heap; /* what to free, or NULL */
   void *map;  /* what to unmap, or NULL */
   size_t map_size;
   pare_buffer *parent; /* of a view, or NULL */
   bool writable;
};

static pare_buffer *make(pare_ctx *ctx)
{
   pare_buffer *buffer = pare_alloc(ctx, sizeof *buffer);
   if (buffer) atomic_init(&buffer->refs, 1);
   return buffer;
}

pare_status pare_buffer_create(pare_ctx *ctx, size_t size, pare_buffer **out)
{
   if (size > PTRDIFF_MAX - ALIGN)
      return pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory: %zu bytes", size);
   pare_buffer *buffer = make(ctx);
   if (!buffer) return PARE_RESOURCE;
   buffer->heap = pare_alloc(ctx, size + ALIGN);
   if (!buffer->heap) {
      pare_free(ctx, buffer);
      return PARE_RESOURCE;
   }
   buffer->data = (uint8_t *)(((uintptr_t)buffer->heap + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
   buffer->size = size;
   buffer->writable = true;
   *out = buffer;
   return PARE_OK;
}

pare_status pare_buffer_copy(pare_ctx *ctx, const void *bytes, size_t size, pare_buffer **out)
{
   PARE_TRY(pare_buffer_create(ctx, size, out));
   if (size) memcpy((*out)->data, bytes, size);
   return PARE_OK;
}

pare_status pare_buffer_adopt_map(pare_ctx *ctx, void *base, size_t map_size, size_t offset, size_t size,
                                  pare_buffer **out)
{
   pare_buffer *buffer = make(ctx);
   if (!buffer) return PARE_RESOURCE;
   if (map_size >= LARGE) madvise(base, map_size, MADV_HUGEPAGE); /* a wish: refused, nothing changes */
   buffer->map = base;
   buffer->map_size = map_size;
   buffer->data = (uint8_t *)base + offset;
   buffer->size = size;
   buffer->writable = true;
   *out = buffer;
   return PARE_OK;
}

static pare_status open_regular(pare_ctx *ctx, const char *path, int *fd, size_t *size)
{
   *fd = open(path, O_RDONLY | O_CLOEXEC);
   if (*fd < 0) return pare_fail(ctx, PARE_INPUT, path, "cannot open: %s", strerror(errno));
   struct stat st;
   if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
      close(*fd);
      return pare_fail(ctx, PARE_INPUT, path, "not a regular file");
   }
   *size = (size_t)st.st_size;
   return PARE_OK;
}

pare_status pare_buffer_map(pare_ctx *ctx, const char *path, pare_buffer **out)
{
   int fd;
   size_t size;
   PARE_TRY(open_regular(ctx, path, &fd, &size));
   if (size == 0) {
      close(fd);
      return pare_buffer_create(ctx, 0, out);
   }
   void *base = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
   int error = errno;
   close(fd);
   if (base == MAP_FAILED) return pare_fail(ctx, PARE_RESOURCE, path, "cannot map: %s", strerror(error));
   pare_status status = pare_buffer_adopt_map(ctx, base, size, 0, size, out);
   if (status != PARE_OK) {
      munmap(base, size);
      return status;
   }
   (*out)->writable = false;
   return PARE_OK;
}

pare_status pare_buffer_view(pare_ctx *ctx, pare_buffer *parent, size_t offset, size_t size,
                             pare_buffer **out)
{
   if (offset > parent->size || size > parent->size - offset)
      return pare_fail(ctx, PARE_INTERNAL, NULL, "view [%zu, +%zu) of a buffer of %zu bytes", offset, size,
                       parent->size);
   pare_buffer *view = make(ctx);
   if (!view) return PARE_RESOURCE;
   view->parent = pare_buffer_ref(parent);
   view->data = parent->data + offset;
   view->size = size;
   *out = view;
   return PARE_OK;
}

pare_buffer *pare_buffer_ref(pare_buffer *buffer)
{
   atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
   return buffer;
}

void pare_buffer_unref(pare_ctx *ctx, pare_buffer *buffer)
{
   while (buffer && atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1) {
      pare_buffer *parent = buffer->parent;
      if (buffer->map) munmap(buffer->map, buffer->map_size);
      pare_free(ctx, buffer->heap);
      pare_free(ctx, buffer);
      buffer = parent;
   }
}

const uint8_t *pare_buffer_data(const pare_buffer *buffer)
{
   return buffer->data;
}

size_t pare_buffer_size(const pare_buffer *buffer)
{
   return buffer->size;
}

uint8_t *pare_buffer_edit(pare_buffer *buffer)
{
   return buffer->writable ? buffer->data : NULL;
}

void pare_buffer_advise(const pare_buffer *buffer, size_t offset, size_t size, pare_advice advice)
{
   const pare_buffer *owner = buffer;
   while (owner->parent) owner = owner->parent;
   if (!owner->map || offset >= buffer->size) return;
   if (size > buffer->size - offset) size = buffer->size - offset;
   uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
   uintptr_t first = (uintptr_t)(buffer->data + offset), last = first + size;
   /* Pages shared with a neighbour are wanted early but not dropped. */
   first = advice == PARE_DONT_NEED ? (first + page - 1) & ~(page - 1) : first & ~(page - 1);
   if (advice == PARE_DONT_NEED) last &= ~(page - 1);
   if (last > first)
      madvise((void *)first, last - first, advice == PARE_WILL_NEED ? MADV_WILLNEED : MADV_DONTNEED);
}

static pare_status read_all(pare_ctx *ctx, const char *path, int fd, pare_buffer *buffer)
{
   for (size_t done = 0; done < buffer->size;) {
      ssize_t got = read(fd, buffer->data + done, buffer->size - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return pare_fail(ctx, PARE_INPUT, path, "cannot read: %s", strerror(errno));
      if (got == 0) return pare_fail(ctx, PARE_INPUT, path, "the file shrank while it was being read");
      done += (size_t)got;
   }
   return PARE_OK;
}

pare_status pare_read_file(pare_ctx *ctx, const char *path, size_t limit, pare_buffer **out)
{
   int fd;
   size_t size;
   PARE_TRY(open_regular(ctx, path, &fd, &size));
   pare_buffer *buffer = NULL;
   pare_status status = PARE_OK;
   if (size > limit)
      status = pare_fail(ctx, PARE_INPUT, path, "%zu bytes, expected at most %zu", size, limit);
   if (status == PARE_OK) status = pare_buffer_create(ctx, size, &buffer);
   if (status == PARE_OK) status = read_all(ctx, path, fd, buffer);
   close(fd);
   if (status != PARE_OK) {
      pare_buffer_unref(ctx, buffer);
      return status;
   }
   *out = buffer;
   return PARE_OK;
}

bool pare_file_starts_with(const char *path, const void *bytes, size_t size)
{
   uint8_t found[64];
   int fd = open(path, O_RDONLY | O_CLOEXEC);
   ssize_t got = fd >= 0 && size <= sizeof found ? read(fd, found, size) : -1;
   if (fd >= 0) close(fd);
   return got >= 0 && (size_t)got == size && memcmp(found, bytes, size) == 0;
}
