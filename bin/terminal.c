/* terminal: see terminal.h. On a terminal a bar is redrawn at most ten times a second; elsewhere a line is
 * written for every tenth of a task that has run for more than five seconds. */
#define _GNU_SOURCE
#include "bin/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_SECONDS      0.1
#define PLAIN_AFTER_SECONDS 5.0
enum { BAR_WIDTH = 24 };

void pare_terminal_init(pare_terminal *t, bool quiet)
{
   memset(t, 0, sizeof *t);
   t->quiet = quiet;
   t->is_tty = isatty(STDERR_FILENO);
   const char *no_colour = getenv("NO_COLOR");
   t->colour = t->is_tty && !(no_colour && *no_colour);
}

void pare_terminal_clear(pare_terminal *t)
{
   if (t->bar_visible) fputs("\r\033[K", stderr);
   t->bar_visible = false;
}

static void keep_note(pare_terminal *t, const char *code, const char *where, const char *message)
{
   if (t->n_notes == PARE_MAX_NOTES) return;
   pare_note *note = &t->notes[t->n_notes++];
   snprintf(note->code, sizeof note->code, "%s", code);
   snprintf(note->where, sizeof note->where, "%s", where);
   snprintf(note->message, sizeof note->message, "%s", message);
}

void pare_terminal_log(void *user, pare_level level, const char *code, const char *where, const char *message)
{
   pare_terminal *t = user;
   if (level == PARE_WARNING) keep_note(t, code, where, message);
   if (t->quiet || level == PARE_DEBUG) return;
   pare_terminal_clear(t);
   fprintf(stderr, "%s%s%s%s\n", level == PARE_WARNING ? "warning: " : "", where, *where ? ": " : "",
           message);
}

static void format_rate(char *out, size_t size, double rate, const char *unit)
{
   bool bytes = strcmp(unit, "bytes") == 0;
   if (bytes && rate >= 1e9) snprintf(out, size, "%.2f GB/s", rate * 1e-9);
   else if (bytes) snprintf(out, size, "%.1f MB/s", rate * 1e-6);
   else snprintf(out, size, rate < 10 ? "%.1f %s/s" : "%.0f %s/s", rate, unit);
}

static void draw_bar(pare_terminal *t, const pare_progress *p, double elapsed)
{
   char bar[BAR_WIDTH + 1], rate[64];
   double share = p->total > 0 ? p->done / p->total : 0, speed = elapsed > 0 ? p->done / elapsed : 0;
   int filled = (int)(share * BAR_WIDTH);
   memset(bar, '.', BAR_WIDTH);
   memset(bar, '#', (size_t)(filled < BAR_WIDTH ? filled : BAR_WIDTH));
   bar[BAR_WIDTH] = 0;
   format_rate(rate, sizeof rate, speed, p->unit);
   int left = speed > 0 && p->total > 0 ? (int)((p->total - p->done) / speed) : 0;
   fprintf(stderr, "\r\033[K%s%-8s%s [%s] %3.0f%%  %s  %d:%02d left", t->colour ? "\033[1m" : "", p->task,
           t->colour ? "\033[0m" : "", bar, 100 * share, rate, left / 60, left % 60);
   fflush(stderr);
   t->bar_visible = true;
}

static void write_plain(pare_terminal *t, const pare_progress *p, double elapsed)
{
   double share = p->total > 0 ? p->done / p->total : 0;
   if (elapsed < PLAIN_AFTER_SECONDS || share < t->last_share + 0.1) return;
   char rate[64];
   double speed = p->done / elapsed;
   format_rate(rate, sizeof rate, speed, p->unit);
   fprintf(stderr, "%s: %.0f%%, %s, %.0f s left\n", p->task, 100 * share, rate, (p->total - p->done) / speed);
   t->last_share = share;
}

void pare_terminal_progress(void *user, const pare_progress *progress)
{
   pare_terminal *t = user;
   if (t->quiet) return;
   double now = pare_now();
   if (!t->task || strcmp(t->task, progress->task) != 0 || progress->done < 1) {
      t->task = progress->task;
      t->task_start = now;
      t->last_share = 0;
   }
   if (!t->is_tty) {
      write_plain(t, progress, now - t->task_start);
      return;
   }
   bool finished = progress->total > 0 && progress->done >= progress->total;
   if (finished) pare_terminal_clear(t);
   else if (now - t->drawn >= REDRAW_SECONDS) {
      draw_bar(t, progress, now - t->task_start);
      t->drawn = now;
   }
}

void pare_terminal_error(pare_terminal *t, const pare_error *error)
{
   pare_terminal_clear(t);
   fprintf(stderr, "%serror:%s %s%s%s%s%s\n", t->colour ? "\033[31m" : "", t->colour ? "\033[0m" : "",
           error->where, *error->where ? ": " : "", error->message, *error->hint ? "; " : "", error->hint);
}
