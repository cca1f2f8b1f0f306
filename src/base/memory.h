/* memory: how much memory this process may use. */
#ifndef PARE_BASE_MEMORY_H
#define PARE_BASE_MEMORY_H

#include <stdint.h>

/* Bytes: the least of the machine's memory and the limits of this process's cgroup (version 2) and those
 * above it. */
int64_t pare_memory_limit(void);

#endif
