/* outfile: see outfile.h. Regions are remembered by address, so that a buffer can be recognised when it
 * comes back. */
#define _GNU_SOURCE
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

enum { REGION_ALIGN = 64 };

typedef struct region {
   const uint8_t *data;
   uint64_t offset;
   size_t size;
} region;

struct pare_outfile {
   int fd;
   char *target, *temporary; /* NULL for scratch */
   uint64_t size;
   region *regions;
   size_t n_regions, regions_capacity;
   bool committed;
   bool syncing; /* the thread below runs and is to be joined */
   pthread_t syncer;
   int sync_error; /* what it met: the kernel reports a failed write once, to whoever asks first */
};

static pare_status disk_error(pare_ctx *ctx, const pare_outfile *file, const char *what, int error)
{
   pare_fail(ctx, PARE_RESOURCE, file->target ? file->target : "scratch file", "%s: %s", what,
             strerror(error));
   if (error == ENOSPC || error == EFBIG || error == EDQUOT)
      pare_hint(ctx, "free disk space or raise the file size limit");
   return PARE_RESOURCE;
}

static pare_status open_temporary(pare_ctx *ctx, pare_outfile *file, const char *path)
{
   pare_str name = { 0 };
   file->target = pare_strdup(ctx, path);
   if (!file->target) return PARE_RESOURCE;
   pare_status status = pare_str_printf(ctx, &name, "%s.XXXXXX.tmp", path);
   file->temporary = name.data;
   PARE_TRY(status);
   file->fd = mkostemps(file->temporary, 4, O_CLOEXEC);
   if (file->fd >= 0) {
      mode_t mask = umask(0);
      umask(mask);
      fchmod(file->fd, 0666 & ~mask);
      return PARE_OK;
   }
   int error = errno;
   pare_free(ctx, file->temporary);
   file->temporary = NULL;
   return pare_fail(ctx, PARE_RESOURCE, path, "cannot create a file beside the target: %s", strerror(error));
}

static pare_status open_scratch(pare_ctx *ctx, pare_outfile *file, const char *dir)
{
   const char *folder = dir ? dir : getenv("TMPDIR");
   if (!folder) folder = "/tmp";
   file->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
   if (file->fd < 0)
      return pare_fail(ctx, PARE_RESOURCE, folder, "cannot create a scratch file: %s", strerror(errno));
   return PARE_OK;
}

static pare_status finish_open(pare_ctx *ctx, pare_outfile *file, pare_status status, pare_outfile **out)
{
   if (status != PARE_OK) {
      pare_outfile_destroy(ctx, file);
      return status;
   }
   *out = file;
   return PARE_OK;
}

pare_status pare_outfile_create(pare_ctx *ctx, const char *path, pare_outfile **out)
{
   pare_outfile *file = pare_alloc(ctx, sizeof *file);
   if (!file) return PARE_RESOURCE;
   file->fd = -1;
   return finish_open(ctx, file, open_temporary(ctx, file, path), out);
}

pare_status pare_outfile_scratch(pare_ctx *ctx, const char *dir, pare_outfile **out)
{
   pare_outfile *file = pare_alloc(ctx, sizeof *file);
   if (!file) return PARE_RESOURCE;
   file->fd = -1;
   return finish_open(ctx, file, open_scratch(ctx, file, dir), out);
}

static void *sync_data(void *arg)
{
   pare_outfile *file = arg;
   file->sync_error = fdatasync(file->fd) == 0 ? 0 : errno;
   return NULL;
}

void pare_outfile_sync_ahead(pare_outfile *file)
{
   if (!file->syncing) file->syncing = pthread_create(&file->syncer, NULL, sync_data, file) == 0;
}

static void wait_for_sync(pare_outfile *file)
{
   if (file->syncing) pthread_join(file->syncer, NULL);
   file->syncing = false;
}

void pare_outfile_destroy(pare_ctx *ctx, pare_outfile *file)
{
   if (!file) return;
   wait_for_sync(file);
   if (file->fd >= 0) close(file->fd);
   if (file->temporary && !file->committed) unlink(file->temporary);
   pare_free(ctx, file->temporary);
   pare_free(ctx, file->target);
   pare_free(ctx, file->regions);
   pare_free(ctx, file);
}

pare_status pare_outfile_write(pare_ctx *ctx, pare_outfile *file, const void *bytes, size_t size)
{
   const uint8_t *p = bytes;
   while (size) {
      ssize_t put = pwrite(file->fd, p, size, (off_t)file->size);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return disk_error(ctx, file, "cannot write", put ? errno : ENOSPC);
      p += put;
      size -= (size_t)put;
      file->size += (uint64_t)put;
   }
   return PARE_OK;
}

pare_status pare_outfile_align(pare_ctx *ctx, pare_outfile *file, size_t align)
{
   static const uint8_t zeros[REGION_ALIGN];
   while (file->size % align) {
      size_t gap = align - (size_t)(file->size % align);
      PARE_TRY(pare_outfile_write(ctx, file, zeros, gap < sizeof zeros ? gap : sizeof zeros));
   }
   return PARE_OK;
}

uint64_t pare_outfile_size(const pare_outfile *file)
{
   return file->size;
}

pare_status pare_outfile_cut(pare_ctx *ctx, pare_outfile *file, uint64_t size)
{
   bool inside = size <= file->size;
   for (size_t i = 0; i < file->n_regions; i++)
      if (file->regions[i].offset + file->regions[i].size > size) inside = false;
   if (!inside) return pare_fail(ctx, PARE_INTERNAL, file->target, "cannot cut off what is not loose");
   if (ftruncate(file->fd, (off_t)size) != 0) return disk_error(ctx, file, "cannot cut the file", errno);
   file->size = size;
   return PARE_OK;
}

static pare_status map_region(pare_ctx *ctx, pare_outfile *file, size_t size, pare_buffer **out)
{
   uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), base = file->size & ~(page - 1);
   size_t lead = (size_t)(file->size - base), map_size = lead + size;
   void *map = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, (off_t)base);
   if (map == MAP_FAILED) return disk_error(ctx, file, "cannot map scratch space", errno);
   pare_status status = pare_buffer_adopt_map(ctx, map, map_size, lead, size, out);
   if (status != PARE_OK) munmap(map, map_size);
   return status;
}

pare_status pare_outfile_reserve(pare_ctx *ctx, pare_outfile *file, size_t size, pare_buffer **out)
{
   if (size == 0) return pare_buffer_create(ctx, 0, out);
   PARE_TRY(pare_outfile_align(ctx, file, REGION_ALIGN));
   PARE_TRY(pare_grow(ctx, (void **)&file->regions, &file->regions_capacity, file->n_regions + 1,
                      sizeof *file->regions));
   int error = posix_fallocate(file->fd, (off_t)file->size, (off_t)size);
   if (error) return disk_error(ctx, file, "cannot reserve scratch space", error);
   PARE_TRY(map_region(ctx, file, size, out));
   file->regions[file->n_regions++] = (region){ pare_buffer_data(*out), file->size, size };
   file->size += size;
   return PARE_OK;
}

int64_t pare_outfile_find(const pare_outfile *file, const pare_buffer *buffer)
{
   for (size_t i = 0; i < file->n_regions; i++) {
      const region *r = &file->regions[i];
      if (r->data == pare_buffer_data(buffer) && r->size == pare_buffer_size(buffer))
         return (int64_t)r->offset;
   }
   return -1;
}

uint64_t pare_outfile_reserved(const pare_outfile *file)
{
   uint64_t total = 0;
   for (size_t i = 0; i < file->n_regions; i++) total += file->regions[i].size;
   return total;
}

const char *pare_outfile_target(const pare_outfile *file)
{
   return file->target;
}

const char *pare_outfile_path(const pare_outfile *file)
{
   return file->temporary;
}

/* The new name is in place by now: a folder that cannot be synced is no failure. */
static void sync_folder(const char *path)
{
   char copy[PATH_MAX];
   if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy) return;
   int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
   if (fd < 0) return;
   fsync(fd);
   close(fd);
}

pare_status pare_outfile_commit(pare_ctx *ctx, pare_outfile *file)
{
   if (!file->temporary) return pare_fail(ctx, PARE_INTERNAL, NULL, "a scratch file cannot be committed");
   wait_for_sync(file);
   if (file->sync_error) return disk_error(ctx, file, "cannot flush", file->sync_error);
   if (fsync(file->fd) != 0) return disk_error(ctx, file, "cannot flush", errno);
   PARE_TRY(pare_check_stop(ctx));
   if (rename(file->temporary, file->target) != 0)
      return disk_error(ctx, file, "cannot rename into place", errno);
   file->committed = true;
   sync_folder(file->target);
   return PARE_OK;
}
