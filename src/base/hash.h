/* hash: SHA-256 (FIPS 180-4), by nettle. */
#ifndef PARE_BASE_HASH_H
#define PARE_BASE_HASH_H

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pare_sha256 {
   struct sha256_ctx state;
} pare_sha256;

enum { PARE_SHA256_STEP = 1 << 20 }; /* bytes to hash between two looks at the stop flag */
enum { PARE_SHA256_RAW = 32, PARE_SHA256_HEX = 65 }; /* bytes; 64 lower-case hex digits and the zero byte */

void pare_sha256_init(pare_sha256 *hash);
void pare_sha256_update(pare_sha256 *hash, const void *bytes, size_t size);
void pare_sha256_finish(pare_sha256 *hash, char hex[PARE_SHA256_HEX]);
void pare_sha256_raw(const void *bytes, size_t size, uint8_t digest[PARE_SHA256_RAW]);
void pare_sha256_of(const void *bytes, size_t size, char hex[PARE_SHA256_HEX]);

#endif
