/* processors: how many processors this process may use, from its affinity mask and the processor quota of its
 * cgroup (version 2: cpu.max; version 1: cpu.cfs_quota_us and cpu.cfs_period_us) and of all groups above. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"

enum { SMALL_FILE = 4096 };

/* Start of a small text file; empty when it cannot be read. */
static bool read_text(const char *path, char text[SMALL_FILE])
{
   text[0] = 0;
   int fd = open(path, O_RDONLY | O_CLOEXEC);
   if (fd < 0) return false;
   ssize_t size = read(fd, text, SMALL_FILE - 1);
   close(fd);
   if (size > 0) text[size] = 0;
   return size > 0;
}

static int affinity(void)
{
   cpu_set_t set;
   if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
   long online = sysconf(_SC_NPROCESSORS_ONLN);
   return online > 0 && online < INT_MAX ? (int)online : 1;
}

/* Processors that quota of every period amounts to, rounded up; INT_MAX for no limit. */
static int whole_processors(long quota, long period)
{
   if (quota <= 0 || period <= 0 || quota / period >= INT_MAX - 1) return INT_MAX;
   return (int)((quota + period - 1) / period);
}

static int quota_v2(const char *folder)
{
   char path[PATH_MAX + 32], text[SMALL_FILE], *end;
   snprintf(path, sizeof path, "%s/cpu.max", folder);
   if (!read_text(path, text) || strncmp(text, "max", 3) == 0) return INT_MAX;
   long quota = strtol(text, &end, 10);
   return whole_processors(quota, strtol(end, NULL, 10));
}

static int quota_v1(const char *folder)
{
   char path[PATH_MAX + 32], quota[SMALL_FILE], period[SMALL_FILE];
   snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
   if (!read_text(path, quota)) return INT_MAX;
   snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
   if (!read_text(path, period)) return INT_MAX;
   return whole_processors(strtol(quota, NULL, 10), strtol(period, NULL, 10));
}

/* Least quota of `group` and the groups above it under a mount point. Inside a container the path may be the
 * host's and not exist; then only the mount point itself counts. */
static int least_quota(const char *mount, const char *group, int (*quota)(const char *))
{
   char folder[PATH_MAX];
   snprintf(folder, sizeof folder, "%.1000s%.3000s", mount, group);
   size_t root = strlen(mount);
   for (int least = INT_MAX;;) {
      int here = quota(folder);
      if (here < least) least = here;
      char *slash = strrchr(folder, '/');
      if (!slash || (size_t)(slash - folder) < root || strlen(folder) <= root) return least;
      *slash = 0;
   }
}

/* Whether the comma-separated list [list, end) names the controller "cpu". */
static bool names_cpu(const char *list, const char *end)
{
   while (list < end) {
      const char *comma = memchr(list, ',', (size_t)(end - list));
      const char *stop = comma ? comma : end;
      if (stop - list == 3 && memcmp(list, "cpu", 3) == 0) return true;
      list = stop + 1;
   }
   return false;
}

/* A line of /proc/self/cgroup: "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1). */
static int line_quota(const char *line)
{
   const char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
   if (!group) return INT_MAX;
   if (group == list + 1) return least_quota("/sys/fs/cgroup", group + 1, quota_v2);
   if (!names_cpu(list + 1, group)) return INT_MAX;
   return least_quota("/sys/fs/cgroup/cpu", group + 1, quota_v1);
}

int pare_pool_processors(void)
{
   char text[SMALL_FILE], *rest;
   int count = affinity();
   if (!read_text("/proc/self/cgroup", text)) text[0] = 0;
   for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
      int quota = line_quota(line);
      if (quota < count) count = quota;
   }
   return count < 1 ? 1 : count;
}
