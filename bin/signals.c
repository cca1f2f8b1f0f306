/* signals: see signals.h. Signal handlers have no argument of ours, so the flag is the one file-level
 * variable of the program.
 *
 * SIGBUS on a mapped file means that the file shrank: the handler puts a page of zeros where the fault was,
 * so that the reader goes on, and raises the flag, so that what was read is thrown away (pare_check_stop). */
#define _GNU_SOURCE
#include "bin/signals.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t stop_flag;

static void on_stop(int number)
{
   if (stop_flag == number) _exit(128 + number);
   stop_flag = number;
}

static void on_bus(int number, siginfo_t *info, void *context)
{
   (void)context;
   uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
   void *at = (void *)((uintptr_t)info->si_addr & ~(page - 1));
   int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
   if (info->si_code != BUS_ADRERR || mmap(at, page, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) {
      signal(number, SIG_DFL);
      return;
   }
   stop_flag = number;
}

const volatile sig_atomic_t *pare_signals_install(void)
{
   struct sigaction stop = { .sa_handler = on_stop },
                    bus = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
   struct sigaction ignore = { .sa_handler = SIG_IGN };
   sigaction(SIGINT, &stop, NULL);
   sigaction(SIGTERM, &stop, NULL);
   sigaction(SIGHUP, &stop, NULL);
   sigaction(SIGBUS, &bus, NULL);
   sigaction(SIGPIPE, &ignore, NULL);
   sigaction(SIGXFSZ, &ignore, NULL);
   return &stop_flag;
}
