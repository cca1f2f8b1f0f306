/* cursor: the one way bytes of a file are read. Little endian, never past the end; after the first short
 * read the cursor is `bad`, every read gives zero, and the caller checks once. */
#ifndef PARE_BASE_CURSOR_H
#define PARE_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct pare_cursor {
   const uint8_t *start, *at, *end;
   bool bad;
} pare_cursor;

static inline pare_cursor pare_cursor_on(const void *bytes, size_t size)
{
   const uint8_t *p = bytes;
   return (pare_cursor){ p, p, p + size, false };
}

static inline size_t pare_cursor_left(const pare_cursor *c)
{
   return (size_t)(c->end - c->at);
}

/* The next `size` bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *pare_cursor_take(pare_cursor *c, size_t size)
{
   if (c->bad || pare_cursor_left(c) < size) {
      c->bad = true;
      return NULL;
   }
   const uint8_t *p = c->at;
   c->at += size;
   return p;
}

static inline uint64_t pare_cursor_uint(pare_cursor *c, size_t size)
{
   const uint8_t *p = pare_cursor_take(c, size);
   uint64_t value = 0;
   for (size_t i = 0; p && i < size; i++) value |= (uint64_t)p[i] << (8 * i);
   return value;
}

static inline uint8_t pare_cursor_u8(pare_cursor *c) { return (uint8_t)pare_cursor_uint(c, 1); }
static inline uint16_t pare_cursor_u16(pare_cursor *c) { return (uint16_t)pare_cursor_uint(c, 2); }
static inline uint32_t pare_cursor_u32(pare_cursor *c) { return (uint32_t)pare_cursor_uint(c, 4); }
static inline uint64_t pare_cursor_u64(pare_cursor *c) { return pare_cursor_uint(c, 8); }

/* The writing twin: stores `size` bytes of value, little endian. */
static inline void pare_put_uint(uint8_t *p, uint64_t value, size_t size)
{
   for (size_t i = 0; i < size; i++) p[i] = (uint8_t)(value >> (8 * i));
}

#endif
