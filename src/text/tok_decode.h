/* tok_decode: the steps of a decoder, as tok_decoder.c loads them and tok_decode.c runs them. */
#ifndef PARE_TEXT_TOK_DECODE_H
#define PARE_TEXT_TOK_DECODE_H

#include "text/tok_parts.h"

typedef enum pare_tok_decode_kind {
   PARE_TOK_JOIN_SPACES, /* the only step when a file has no decoder */
   PARE_TOK_BYTE_LEVEL,
   PARE_TOK_BYTE_FALLBACK,
   PARE_TOK_FUSE,
   PARE_TOK_REPLACE,
   PARE_TOK_STRIP,
   PARE_TOK_METASPACE,
   PARE_TOK_WORDPIECE_JOIN,
   PARE_TOK_BPE_SUFFIX
} pare_tok_decode_kind;

struct pare_tok_decode_step {
   pare_tok_decode_kind kind;
   pare_tok_pattern pattern; /* REPLACE */
   pare_tok_text content;    /* REPLACE: new text; WORDPIECE_JOIN: prefix; BPE_SUFFIX: suffix */
   uint32_t c;               /* STRIP, METASPACE */
   int64_t start, stop;      /* STRIP: at most so many characters */
   bool prepend, cleanup;    /* METASPACE; WORDPIECE_JOIN */
};

#endif
