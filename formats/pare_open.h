/* pare_open: an artifact's container: head, foot, header and list of sections, found and checked. What the
 * sections hold is left to who loads or verifies. */
#ifndef PARE_FORMATS_PARE_OPEN_H
#define PARE_FORMATS_PARE_OPEN_H

#include "base/buffer.h"
#include "base/json.h"
#include "base/name_index.h"

typedef struct pare_section {
   const char *name;
   uint64_t offset, stored, size;
   bool deflated;
   const char *sha256;
   pare_buffer *bytes; /* the content, once pare_section_place was called; one reference */
   bool failed;        /* for the use of who inflates several at once */
} pare_section;

typedef struct pare_container {
   const char *path; /* borrowed */
   pare_buffer *file;
   uint64_t header_at;
   pare_json *header;
   pare_section *sections; /* by offset */
   size_t n_sections;
   pare_name_index names; /* of the sections */
} pare_container;

/* PARE_INPUT when it is no artifact or a damaged one, PARE_UNSUPPORTED for another version. The caller calls
 * pare_container_close in failure too. */
pare_status pare_container_open(pare_ctx *ctx, const char *path, pare_container *out);
void pare_container_close(pare_ctx *ctx, pare_container *c);
pare_section *pare_container_find(const pare_container *c, const char *name); /* NULL when there is none */
/* PARE_INPUT: "damaged artifact: WHAT", with a hint. */
pare_status pare_damaged(pare_ctx *ctx, const pare_container *c, const char *what);

/* Makes section->bytes: a view of the file, or room for what pare_section_inflate brings. */
pare_status pare_section_place(pare_ctx *ctx, const pare_container *c, pare_section *section);
/* Fills the room of a deflated section, does nothing for a raw one; PARE_INPUT when its stream is damaged. */
pare_status pare_section_inflate(pare_ctx *ctx, const pare_container *c, pare_section *section);

#endif
