/* memory: see memory.h. */
#define _GNU_SOURCE
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "max" and whatever cannot be read are no limit. */
static int64_t limit_of(const char *folder)
{
   char path[4200];
   int64_t limit = INT64_MAX;
   snprintf(path, sizeof path, "%s/memory.max", folder);
   FILE *file = fopen(path, "re");
   if (!file) return limit;
   if (fscanf(file, "%" SCNd64, &limit) != 1) limit = INT64_MAX;
   fclose(file);
   return limit;
}

static void own_group(char folder[4096])
{
   char group[2048] = "";
   FILE *file = fopen("/proc/self/cgroup", "re");
   if (file && fscanf(file, "0::%2047s", group) != 1) group[0] = 0;
   if (file) fclose(file);
   snprintf(folder, 4096, "/sys/fs/cgroup%s", group);
}

int64_t pare_memory_limit(void)
{
   char folder[4096];
   int64_t least = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
   own_group(folder);
   while (strlen(folder) >= strlen("/sys/fs/cgroup")) {
      int64_t here = limit_of(folder);
      if (here < least) least = here;
      *strrchr(folder, '/') = 0;
   }
   return least;
}
