/* corpus: evaluation data as token ids, cut into documents.
 *
 * What files hold: text (UTF-8, tokenized without the template's tokens, as one document or one a line),
 * decimal ids (one document a line, ids apart by white space or commas), or raw ids (u16 or u32, little
 * endian, one document). */
#ifndef PARE_TEXT_CORPUS_H
#define PARE_TEXT_CORPUS_H

#include "base/hash.h"
#include "text/tokenizer.h"

typedef enum pare_corpus_format {
   PARE_CORPUS_AUTO,  /* by the file name: *.u16, *.u32, *.ids.txt or *.ids, else text */
   PARE_CORPUS_TEXT,  /* one document */
   PARE_CORPUS_LINES, /* text, one document a line */
   PARE_CORPUS_IDS,   /* decimal ids, one document a line */
   PARE_CORPUS_U16,
   PARE_CORPUS_U32
} pare_corpus_format;

/* The names for the command line, in the order of the enum: "auto", "text", "lines", "ids", "u16", "u32",
 * NULL. */
extern const char *const pare_corpus_formats[];

/* Zero-initialize to start an empty one. */
typedef struct pare_corpus {
   const char *path; /* borrowed; NULL when it came from no file */
   pare_ids ids;     /* of all documents, one after another */
   size_t *starts;   /* document d is ids.data[starts[d]] up to starts[d + 1]; never empty */
   size_t documents, starts_capacity;
   bool lines;          /* documents stand one a line: each is whole, rather than part of a running text */
   uint64_t text_bytes; /* bytes of the text that was tokenized; 0 when the file holds ids */
   char sha256[PARE_SHA256_HEX]; /* of the file */
} pare_corpus;

/* The format that AUTO stands for; any other is itself. */
pare_corpus_format pare_corpus_resolve(pare_corpus_format format, const char *path);
/* Reads a file. `tokenizer` may be NULL unless the file is text. Ids at or above vocab_size (0: unknown)
 * are PARE_INPUT naming line and place. Empty lines are skipped. */
pare_status pare_corpus_load(pare_ctx *ctx, const char *path, pare_corpus_format format,
                             const pare_tokenizer *tokenizer, int64_t vocab_size, pare_corpus *out);
/* Appends one document of a corpus that came from no file. */
pare_status pare_corpus_add(pare_ctx *ctx, pare_corpus *corpus, const uint32_t *ids, size_t count);
void pare_corpus_finish(pare_ctx *ctx, pare_corpus *corpus);

#endif
