/* pare_layout: the fixed bytes of an artifact, for its reader and its writer. formats/ARTIFACT.md is the
 * specification. */
#ifndef PARE_FORMATS_PARE_LAYOUT_H
#define PARE_FORMATS_PARE_LAYOUT_H

#include <stdint.h>

#include "ir/weight.h"

enum {
   PARE_FILE_VERSION = 1,
   PARE_FILE_ALIGN = PARE_LINE, /* of every section */
   PARE_FILE_HEAD = 64,         /* magic, version, zeros */
   PARE_FILE_FOOT = 64,         /* offset, stored size and size of the header, its SHA-256, magic */
   PARE_FILE_MAX_SECTIONS = 1 << 20,
   PARE_INFLATE_RATIO = 1040 /* deflate never expands by more than 1032 (zlib's technical notes) */
};

#define PARE_FILE_SCHEMA       "pare.artifact/1"
#define PARE_WEIGHT_PREFIX     "weights/"
#define PARE_TOKENIZER_SECTION "tokenizer.json"

static const uint8_t pare_head_magic[8] = { 'P', 'A', 'R', 'E', '\r', '\n', 0x1a, '\n' };
static const uint8_t pare_foot_magic[8] = { 'p', 'a', 'r', 'e', ' ', 'e', 'n', 'd' };

#endif
