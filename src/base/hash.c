/* hash: see hash.h. */
#include "base/hash.h"

void pare_sha256_init(pare_sha256 *hash)
{
   sha256_init(&hash->state);
}

void pare_sha256_update(pare_sha256 *hash, const void *bytes, size_t size)
{
   sha256_update(&hash->state, size, bytes);
}

void pare_sha256_finish(pare_sha256 *hash, char hex[PARE_SHA256_HEX])
{
   static const char digits[] = "0123456789abcdef";
   uint8_t digest[SHA256_DIGEST_SIZE];
   sha256_digest(&hash->state, sizeof digest, digest);
   for (size_t i = 0; i < sizeof digest; i++) {
      hex[2 * i] = digits[digest[i] >> 4];
      hex[2 * i + 1] = digits[digest[i] & 15];
   }
   hex[PARE_SHA256_HEX - 1] = 0;
}

void pare_sha256_raw(const void *bytes, size_t size, uint8_t digest[PARE_SHA256_RAW])
{
   pare_sha256 hash;
   pare_sha256_init(&hash);
   pare_sha256_update(&hash, bytes, size);
   sha256_digest(&hash.state, PARE_SHA256_RAW, digest);
}

void pare_sha256_of(const void *bytes, size_t size, char hex[PARE_SHA256_HEX])
{
   pare_sha256 hash;
   pare_sha256_init(&hash);
   pare_sha256_update(&hash, bytes, size);
   pare_sha256_finish(&hash, hex);
}
