/* Types, encodings and the index of names. */
#include <stdio.h>
#include <string.h>

#include "base/name_index.h"
#include "ir/graph.h"
#include "unit.h"

START_TEST(types_print_and_compare)
{
   pare_ctx ctx;
   pare_str text = { 0 };
   pare_ctx_init(&ctx);
   pare_type a = pare_type_make(PARE_F16, 4, PARE_DIM_SLOTS, 4, PARE_DIM_PAST, 32);
   pare_type b = pare_type_make(PARE_I32, 1, PARE_DIM_ROWS),
             c = pare_type_make(PARE_F16, 3, PARE_DIM_SLOTS, 4, 2);
   assert_ok(&ctx, pare_type_print(&ctx, &a, &text));
   assert_ok(&ctx, pare_type_print(&ctx, &b, &text));
   ck_assert_str_eq(text.data, "f16[slots, 4, past, 32]i32[rows]");
   ck_assert(pare_type_equal(&a, &a));
   ck_assert(!pare_type_equal(&a, &b));
   ck_assert(!pare_type_equal(&a, &c));
   pare_str_finish(&ctx, &text);
}
END_TEST

START_TEST(types_have_limits)
{
   const struct {
      pare_type type;
      bool valid;
   } cases[] = {
      { pare_type_make(PARE_F32, 1, 1), true },
      { pare_type_make(PARE_F32, 2, PARE_DIM_TOKENS, 1 << 30), true },
      { pare_type_make(PARE_F32, 2, 1 << 20, 1 << 20), true },
      { pare_type_make(PARE_F32, 2, 1 << 20, (1 << 20) + 1), false },
      { pare_type_make(PARE_F32, 2, INT64_MAX, INT64_MAX), false },
      { pare_type_make(PARE_F32, 1, 0), false },
      { pare_type_make(PARE_F32, 1, -5), false },
      { { .dtype = PARE_F32 }, false },
      { { .dtype = PARE_F32, .rank = 5 }, false },
      { { .dtype = PARE_DTYPE_COUNT, .rank = 1, .dim = { 1 } }, false },
   };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      ck_assert_msg(pare_type_valid(&cases[i].type) == cases[i].valid, "case %zu", i);
}
END_TEST

START_TEST(names_of_dtypes_encodings_and_symbols_read_back)
{
   pare_dtype dtype;
   pare_encoding_kind kind;
   int64_t dim;
   for (int i = 0; i < PARE_DTYPE_COUNT; i++)
      ck_assert(pare_dtype_parse(pare_dtype_name((pare_dtype)i), &dtype) && (int)dtype == i);
   for (int i = 0; i < PARE_ENC_COUNT; i++)
      ck_assert(pare_encoding_parse(pare_encoding_name((pare_encoding_kind)i), &kind) && (int)kind == i);
   for (int64_t i = PARE_DIM_PAST; i < 0; i++) ck_assert(pare_dim_parse(pare_dim_name(i), &dim) && dim == i);
   ck_assert(!pare_dtype_parse("f64", &dtype) && !pare_encoding_parse("", &kind) &&
             !pare_dim_parse("heads", &dim));
   ck_assert_ptr_null(pare_dim_name(7));
   ck_assert_uint_eq(pare_dtype_size(PARE_BF16), 2);
}
END_TEST

START_TEST(encodings_fit_and_have_sizes)
{
   const struct {
      pare_encoding encoding;
      int rank;
      int64_t dim[2];
      size_t bytes; /* 0: does not fit */
   } cases[] = {
      { { PARE_ENC_F32, false, 0, 0 }, 1, { 5 }, 20 },
      { { PARE_ENC_F16, true, 0, 0 }, 2, { 5, 3 }, 30 },
      { { PARE_ENC_BF16, false, 0, 0 }, 2, { 5, 3 }, 30 },
      { { PARE_ENC_F32, true, 0, 0 }, 1, { 5 }, 0 },
      { { PARE_ENC_F32, false, 32, 0 }, 2, { 5, 32 }, 0 },
      { { PARE_ENC_I8, false, 0, 0 }, 2, { 17, 5 }, 2 * 2 * 64 + 2 * 64 },
      { { PARE_ENC_I8, false, 32, 0 }, 2, { 1, 96 }, 24 * 64 + 64 },
      { { PARE_ENC_I8, false, 64, 0 }, 2, { 1, 96 }, 0 },
      { { PARE_ENC_I8, false, 16, 0 }, 2, { 1, 96 }, 0 },
      { { PARE_ENC_I8, true, 0, 0 }, 2, { 4, 4 }, 0 },
      { { PARE_ENC_I8, false, 0, 0 }, 1, { 4 }, 0 },
      { { PARE_ENC_I8, false, 0, 0 }, 2, { 1, PARE_ENC_MAX_K + 1 }, 0 },
      { { PARE_ENC_I8, false, 0, 32 }, 2, { 4, 32 }, 0 },
      { { PARE_ENC_F32, false, 0, 32 }, 2, { 4, 32 }, 0 },
      { { PARE_ENC_I4, false, 0, 32 }, 2, { 17, 33 }, 2 * (64 + 2 * 4 * 64) + 2 * 64 },
      { { PARE_ENC_I4, false, 32, 128 }, 2, { 1, 640 }, 2 * 64 + 20 * 4 * 64 + 64 },
      { { PARE_ENC_I3, false, 0, 64 }, 2, { 16, 1 }, 64 + 2 * 3 * 64 + 64 },
      { { PARE_ENC_I2, false, 0, 32 }, 2, { 16, 160 }, 2 * 64 + 5 * 2 * 64 + 64 },
      { { PARE_ENC_I4, false, 0, 0 }, 2, { 16, 32 }, 0 },
      { { PARE_ENC_I3, false, 0, 16 }, 2, { 16, 32 }, 0 },
      { { PARE_ENC_I2, true, 0, 32 }, 2, { 16, 32 }, 0 },
      { { PARE_ENC_I2, false, 32, 32 }, 2, { 16, 33 }, 0 },
      { { PARE_ENC_F32, false, 0, 0 }, 2, { 0, 4 }, 0 },
      { { PARE_ENC_F32, false, 0, 0 }, 2, { INT64_MAX, 4 }, 0 },
      { { PARE_ENC_F32, false, 0, 0 }, 3, { 4, 4 }, 0 },
      { { PARE_ENC_COUNT, false, 0, 0 }, 2, { 4, 4 }, 0 },
   };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      size_t bytes = 0;
      bool fits = pare_encoding_bytes(&cases[i].encoding, cases[i].rank, cases[i].dim, &bytes);
      ck_assert_msg(fits == (cases[i].bytes > 0) && bytes == cases[i].bytes, "case %zu: %zu bytes", i, bytes);
      ck_assert(pare_encoding_fits(&cases[i].encoding, cases[i].rank, cases[i].dim) == fits);
   }
   ck_assert_uint_eq(pare_encoding_scales_at(&(pare_encoding){ .kind = PARE_ENC_I8 }, 17, 5), 256);
}
END_TEST

START_TEST(rotation_is_the_largest_block_that_divides)
{
   const int64_t cases[][2] = { { 128, 128 }, { 384, 128 }, { 64, 64 }, { 320, 64 },
                                { 96, 32 },   { 16, 0 },    { 100, 0 } };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      ck_assert_int_eq(pare_rotation_for(cases[i][0]), cases[i][1]);
}
END_TEST

enum { MANY = 2000 };

START_TEST(name_index_finds_adds_and_removes)
{
   static char names[MANY][16];
   pare_ctx ctx;
   unit_heap heap;
   pare_name_index index = { 0 };
   unit_heap_init(&ctx, &heap);
   ck_assert_ptr_null(pare_name_index_find(&index, "n1"));
   pare_name_index_remove(&index, "n1");
   for (int i = 0; i < MANY; i++) {
      snprintf(names[i], sizeof names[i], "n%d", i);
      assert_ok(&ctx, pare_name_index_add(&ctx, &index, names[i], names[i]));
   }
   for (int i = 0; i < MANY; i += 3) pare_name_index_remove(&index, names[i]);
   pare_name_index_remove(&index, "other");
   for (int i = 0; i < MANY; i++)
      ck_assert_ptr_eq(pare_name_index_find(&index, names[i]), i % 3 ? names[i] : NULL);
   ck_assert_uint_eq(index.count, MANY - (MANY + 2) / 3);
   pare_name_index_finish(&ctx, &index);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("ir_types", types_print_and_compare, types_have_limits,
          names_of_dtypes_encodings_and_symbols_read_back, encodings_fit_and_have_sizes,
          rotation_is_the_largest_block_that_divides, name_index_finds_adds_and_removes)
