/* Cursor, deflate, hash, random numbers and half floats. */
#include <math.h>
#include <string.h>

#include "base/cursor.h"
#include "base/deflate.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/rng.h"
#include "unit.h"

START_TEST(cursor_stops_at_the_end)
{
   const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
   pare_cursor c = pare_cursor_on(bytes, sizeof bytes);
   ck_assert_uint_eq(pare_cursor_u8(&c), 1);
   ck_assert_uint_eq(pare_cursor_u16(&c), 0x0302);
   ck_assert_uint_eq(pare_cursor_u32(&c), 0x07060504);
   ck_assert_uint_eq(pare_cursor_u64(&c), 0x0f0e0d0c0b0a0908);
   ck_assert(!c.bad);
   ck_assert_uint_eq(pare_cursor_u8(&c), 0);
   ck_assert(c.bad);
   c = pare_cursor_on(bytes, 3);
   ck_assert_uint_eq(pare_cursor_u32(&c), 0);
   ck_assert_uint_eq(pare_cursor_u8(&c), 0); /* stays bad */
   c = pare_cursor_on(bytes, 3);
   ck_assert_ptr_null(pare_cursor_take(&c, SIZE_MAX));
   uint8_t out[8];
   pare_put_uint(out, 0x1122334455667788, 8);
   c = pare_cursor_on(out, 8);
   ck_assert_uint_eq(pare_cursor_u64(&c), 0x1122334455667788);
}
END_TEST

/* Half noise, half text: something to compress, in several chunks. */
static void fill(uint8_t *bytes, size_t size)
{
   pare_rng rng;
   pare_rng_seed(&rng, 7);
   for (size_t i = 0; i < size; i++) bytes[i] = i & 4096 ? (uint8_t)pare_rng_next(&rng) : (uint8_t)(i % 13);
}

START_TEST(deflate_round_trip)
{
   static const size_t sizes[] = { 0, 1, 100, 65536, 300000 };
   static uint8_t bytes[300000], back[300000];
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   fill(bytes, sizeof bytes);
   for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      pare_str out = { 0 };
      assert_ok(&ctx, pare_deflate(&ctx, sizes[i] ? bytes : NULL, sizes[i], &out));
      assert_ok(&ctx, pare_inflate(&ctx, out.data, out.size, "t", sizes[i] ? back : NULL, sizes[i]));
      ck_assert_int_eq(memcmp(bytes, back, sizes[i]), 0);
      pare_str_finish(&ctx, &out);
   }
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

typedef struct pieces {
   size_t count, largest, limit;
   pare_str all;
} pieces;

static pare_status take_piece(pare_ctx *ctx, void *user, const void *bytes, size_t size)
{
   pieces *p = user;
   if (++p->count > p->limit) return pare_fail(ctx, PARE_RESOURCE, NULL, "enough");
   if (size > p->largest) p->largest = size;
   return pare_str_append(ctx, &p->all, bytes, size);
}

START_TEST(deflate_comes_in_pieces)
{
   static uint8_t bytes[600000];
   pare_ctx ctx;
   unit_heap heap;
   volatile sig_atomic_t stop = SIGTERM;
   unit_heap_init(&ctx, &heap);
   fill(bytes, sizeof bytes);
   pare_str whole = { 0 };
   pieces p = { .limit = SIZE_MAX };
   assert_ok(&ctx, pare_deflate(&ctx, bytes, sizeof bytes, &whole));
   assert_ok(&ctx, pare_deflate_to(&ctx, bytes, sizeof bytes, take_piece, &p));
   ck_assert_uint_gt(p.count, 2);
   ck_assert_uint_le(p.largest, 65536);
   ck_assert_uint_eq(p.all.size, whole.size);
   ck_assert_int_eq(memcmp(p.all.data, whole.data, whole.size), 0);
   p.count = 0, p.limit = 1;
   assert_fails(&ctx, pare_deflate_to(&ctx, bytes, sizeof bytes, take_piece, &p), PARE_RESOURCE, "enough");
   ctx.stop = &stop;
   p.count = 0;
   assert_fails(&ctx, pare_deflate_to(&ctx, bytes, sizeof bytes, take_piece, &p), PARE_STOPPED, "signal");
   pare_str_finish(&ctx, &p.all);
   pare_str_finish(&ctx, &whole);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(damage_is_found)
{
   static uint8_t bytes[20000], back[20001];
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   fill(bytes, sizeof bytes);
   pare_str out = { 0 };
   assert_ok(&ctx, pare_deflate(&ctx, bytes, sizeof bytes, &out));
   size_t size = sizeof bytes;
   assert_fails(&ctx, pare_inflate(&ctx, out.data, out.size, "t", back, size - 1), PARE_INPUT, "more than");
   assert_fails(&ctx, pare_inflate(&ctx, out.data, out.size, "t", back, size + 1), PARE_INPUT,
                "inflates to 20000");
   assert_fails(&ctx, pare_inflate(&ctx, out.data, out.size, "t", back, 0), PARE_INPUT, "more than");
   assert_fails(&ctx, pare_inflate(&ctx, NULL, 0, "t", back, size), PARE_INPUT, "ends too early");
   for (size_t cut = 0; cut < out.size; cut += 37)
      assert_fails(&ctx, pare_inflate(&ctx, out.data, cut, "t", back, size), PARE_INPUT, "too early");
   for (size_t i = 0; i < out.size; i += 11) {
      out.data[i] = (char)(out.data[i] ^ 0x10);
      ck_assert_int_eq(pare_inflate(&ctx, out.data, out.size, "t", back, size), PARE_INPUT);
      pare_ctx_clear(&ctx);
      out.data[i] = (char)(out.data[i] ^ 0x10);
   }
   assert_ok(&ctx, pare_str_puts(&ctx, &out, "x"));
   assert_fails(&ctx, pare_inflate(&ctx, out.data, out.size, "t", back, size), PARE_INPUT, "1 bytes after");
   pare_str_finish(&ctx, &out);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(deflate_without_memory)
{
   static uint8_t bytes[20000], back[20000];
   pare_ctx ctx;
   unit_heap heap;
   for (long at = 1; at < 40; at++) {
      unit_heap_init(&ctx, &heap);
      heap.fail_at = at;
      pare_str out = { 0 };
      pare_status status = pare_deflate(&ctx, bytes, sizeof bytes, &out);
      if (status == PARE_OK) status = pare_inflate(&ctx, out.data, out.size, "t", back, sizeof back);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      ck_assert_int_eq(ctx.error.status, status);
      pare_str_finish(&ctx, &out);
      ck_assert_int_eq(heap.blocks, 0);
   }
}
END_TEST

START_TEST(sha256_vectors)
{
   char hex[PARE_SHA256_HEX];
   pare_sha256_of("", 0, hex);
   ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
   pare_sha256_of("abc", 3, hex);
   ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
   pare_sha256 hash;
   pare_sha256_init(&hash);
   char thousand[1000];
   memset(thousand, 'a', sizeof thousand);
   for (int i = 0; i < 1000; i++) pare_sha256_update(&hash, thousand, sizeof thousand);
   pare_sha256_finish(&hash, hex);
   ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* splitmix64 from seed 0 is a published sequence; the numbers of xoshiro256** are from state 1, 2, 3, 4. */
START_TEST(rng_reference)
{
   pare_rng rng;
   pare_rng_seed(&rng, 0);
   ck_assert_uint_eq(rng.s[0], 0xe220a8397b1dcdaf);
   ck_assert_uint_eq(rng.s[1], 0x6e789e6aa1b965f4);
   ck_assert_uint_eq(rng.s[2], 0x06c45d188009454f);
   ck_assert_uint_eq(rng.s[3], 0xf88bb8a8724c81ec);
   rng = (pare_rng){ { 1, 2, 3, 4 } };
   static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
   for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(pare_rng_next(&rng), expected[i]);
   for (int i = 0; i < 1000; i++) {
      double unit = pare_rng_unit(&rng);
      ck_assert(unit >= 0 && unit < 1);
      ck_assert_uint_lt(pare_rng_below(&rng, 7), 7);
   }
}
END_TEST

START_TEST(f16_round_trip)
{
   for (uint32_t h = 0; h < 65536; h++) {
      float x = pare_f16_to_f32((uint16_t)h);
      uint16_t quiet = isnan(x) ? (uint16_t)(h | 0x200) : (uint16_t)h;
      ck_assert_uint_eq(pare_f32_to_f16(x), quiet);
   }
   ck_assert(pare_f16_to_f32(0x3c00) == 1.0f && pare_f16_to_f32(0x0001) == 0x1p-24f);
   ck_assert(pare_f16_to_f32(0x7bff) == 65504.0f && isinf(pare_f16_to_f32(0xfc00)));
}
END_TEST

START_TEST(f16_rounds_to_even)
{
   /* The middle between neighbours goes to the even one; a hair to either side goes that way. */
   for (uint32_t h = 0; h < 0x7bff; h++) {
      float middle = (pare_f16_to_f32((uint16_t)h) + pare_f16_to_f32((uint16_t)(h + 1))) / 2;
      ck_assert_uint_eq(pare_f32_to_f16(middle), h + (h & 1));
      ck_assert_uint_eq(pare_f32_to_f16(nextafterf(middle, 0)), h);
      ck_assert_uint_eq(pare_f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
   }
   ck_assert_uint_eq(pare_f32_to_f16(65520.0f), 0x7c00);
   ck_assert_uint_eq(pare_f32_to_f16(-65519.0f), 0xfbff);
}
END_TEST

START_TEST(bf16_round_trip)
{
   for (uint32_t h = 0; h < 65536; h++) {
      float x = pare_bf16_to_f32((uint16_t)h);
      uint16_t quiet = isnan(x) ? (uint16_t)(h | 0x40) : (uint16_t)h;
      ck_assert_uint_eq(pare_f32_to_bf16(x), quiet);
   }
   ck_assert_uint_eq(pare_f32_to_bf16(pare_f32_from_bits(0x3f808000)), 0x3f80);
   ck_assert_uint_eq(pare_f32_to_bf16(pare_f32_from_bits(0x3f818000)), 0x3f82);
   ck_assert_uint_eq(pare_f32_to_bf16(pare_f32_from_bits(0x7f7fffff)), 0x7f80);
}
END_TEST

UNIT_MAIN("bytes", cursor_stops_at_the_end, deflate_round_trip, deflate_comes_in_pieces, damage_is_found,
          deflate_without_memory, sha256_vectors, rng_reference, f16_round_trip,
          f16_rounds_to_even, bf16_round_trip)
