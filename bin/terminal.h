/* terminal: progress, notes and errors on stderr. */
#ifndef PARE_BIN_TERMINAL_H
#define PARE_BIN_TERMINAL_H

#include "base/clock.h"
#include "base/ctx.h"

enum { PARE_MAX_NOTES = 64 };

typedef struct pare_note {
   char code[32], where[256], message[768];
} pare_note;

/* What the context's callbacks write to, and what they keep for the JSON document. */
typedef struct pare_terminal {
   bool quiet, is_tty, colour;
   const char *task;         /* of the bar being drawn */
   double task_start, drawn; /* seconds */
   double last_share;        /* plain lines: last tenth written */
   bool bar_visible;
   pare_note notes[PARE_MAX_NOTES]; /* warnings */
   size_t n_notes;
} pare_terminal;

void pare_terminal_init(pare_terminal *t, bool quiet);
/* The callbacks of a context whose user pointer is the terminal. */
void pare_terminal_log(void *user, pare_level level, const char *code, const char *where,
                       const char *message);
void pare_terminal_progress(void *user, const pare_progress *progress);
/* Wipes a bar that is on the screen; before anything else is written. */
void pare_terminal_clear(pare_terminal *t);
/* "error: WHERE: MESSAGE; HINT", one line. */
void pare_terminal_error(pare_terminal *t, const pare_error *error);

#endif
