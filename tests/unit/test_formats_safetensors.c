/* Reading safetensors: what is found, and every way a file can be wrong. */
#include "formats/safetensors.h"
#include "formats_files.h"

static const tensor_spec specs[] = {
   { "b.weight", "F32", 2, 3 }, { "a.bias", "BF16", 5, 0 }, { "c", "F64", 1, 1 }, { 0 },
};

static pare_status open_bytes(pare_ctx *ctx, const void *bytes, size_t size, pare_safetensors **out)
{
   pare_buffer *buffer;
   assert_ok(ctx, pare_buffer_copy(ctx, bytes, size, &buffer));
   pare_status status = pare_safetensors_open_buffer(ctx, buffer, "dir/t.safetensors", out);
   pare_buffer_unref(ctx, buffer);
   return status;
}

/* Opens a file of that header and data; expects a failure whose message holds `text`. */
static void refuses(const char *header, size_t data_size, pare_status status, const char *text)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_str bytes = { 0 };
   pare_safetensors *set = NULL;
   unit_heap_init(&ctx, &heap);
   tensors_from_header(&ctx, header, data_size, &bytes);
   assert_fails(&ctx, open_bytes(&ctx, bytes.data, bytes.size, &set), status, text);
   pare_str_finish(&ctx, &bytes);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(reads_what_is_there)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_str bytes = { 0 };
   pare_safetensors *set;
   pare_buffer *view;
   unit_heap_init(&ctx, &heap);
   tensors_from_specs(&ctx, specs, &bytes);
   assert_ok(&ctx, open_bytes(&ctx, bytes.data, bytes.size, &set));
   ck_assert_uint_eq(set->n_entries, 3);
   ck_assert_str_eq(set->entries[0].name, "a.bias");
   ck_assert_str_eq(set->files[0].name, "t.safetensors");
   const pare_safetensors_entry *e = pare_safetensors_find(set, "b.weight");
   ck_assert(e->usable && e->encoding == PARE_ENC_F32 && e->rank == 2 && e->dim[0] == 2 && e->dim[1] == 3);
   assert_ok(&ctx, pare_safetensors_view(&ctx, set, e, &view));
   ck_assert(!pare_safetensors_find(set, "c")->usable);
   ck_assert_ptr_null(pare_safetensors_find(set, "d"));
   pare_safetensors_close(&ctx, set);
   ck_assert_uint_eq(pare_buffer_size(view), 24);
   ck_assert_uint_eq(pare_buffer_data(view)[23], 23);
   pare_buffer_unref(&ctx, view);
   pare_str_finish(&ctx, &bytes);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(reads_odd_but_valid_files)
{
   static const char *const headers[] = {
      "{}",
      "{\"__metadata__\":{\"format\":\"pt\",\"model.embed_tokens.weight\":\"lm_head.weight\"}}     ",
      "{\"empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]}}",
      "{\"scalar\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}",
      "{\"halves\":{\"dtype\":\"F4\",\"shape\":[2,8],\"data_offsets\":[0,8]}}",
      "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[5,8]},\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":"
      "[5],"
      "\"data_offsets\":[0,5]},\"c\":{\"dtype\":\"BOOL\",\"shape\":[0],\"data_offsets\":[5,5]}}",
   };
   static const size_t data[] = { 0, 0, 0, 8, 8, 8 };
   for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
      pare_ctx ctx;
      unit_heap heap;
      pare_str bytes = { 0 };
      pare_safetensors *set;
      unit_heap_init(&ctx, &heap);
      tensors_from_header(&ctx, headers[i], data[i], &bytes);
      assert_ok(&ctx, open_bytes(&ctx, bytes.data, bytes.size, &set));
      pare_safetensors_close(&ctx, set);
      pare_str_finish(&ctx, &bytes);
      ck_assert_int_eq(heap.blocks, 0);
   }
}
END_TEST

#define ONE(dtype, shape, offsets)                                                                           \
   "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(first, second)                                                                                 \
   "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first "},"                                   \
   "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

START_TEST(refuses_bad_headers)
{
   refuses("", 0, PARE_INPUT, "not a JSON object");
   refuses(" {}", 0, PARE_INPUT, "not a JSON object");
   refuses("[1]", 0, PARE_INPUT, "not a JSON object");
   refuses("{\"t\":", 0, PARE_INPUT, "line 1");
   refuses("{} x", 0, PARE_INPUT, "expected nothing after");
   refuses("{\"t\":3}", 0, PARE_INPUT, "no \"dtype\"");
   refuses("{\"__metadata__\":3}", 0, PARE_INPUT, "__metadata__");
   refuses("{\"__metadata__\":{\"a\":1}}", 0, PARE_INPUT, "\"a\" is not a string");
   refuses(ONE("\"F31\"", "[2]", "[0,8]"), 8, PARE_UNSUPPORTED, "unknown dtype \"F31\"");
   refuses(ONE("\"F32\"", "2", "[0,8]"), 8, PARE_INPUT, "no \"shape\"");
   refuses(ONE("\"F32\"", "[-2]", "[0,8]"), 8, PARE_INPUT, "whole numbers");
   refuses(ONE("\"F32\"", "[2.5]", "[0,8]"), 8, PARE_INPUT, "whole numbers");
   refuses(ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, PARE_INPUT, "more than 16");
   refuses(ONE("\"F32\"", "[4503599627370496,4503599627370496]", "[0,8]"), 8, PARE_INPUT, "overflows");
   refuses(ONE("\"F4\"", "[3]", "[0,1]"), 1, PARE_INPUT, "overflows");
   refuses(ONE("\"F32\"", "[3]", "[0,8]"), 8, PARE_INPUT, "need 12 bytes, \"data_offsets\" gives 8");
   refuses(ONE("\"F32\"", "[2]", "[8,0]"), 8, PARE_INPUT, "rising");
   refuses(ONE("\"F32\"", "[2]", "[0]"), 8, PARE_INPUT, "rising");
   refuses(ONE("\"F32\"", "[2]", "[0,8,9]"), 8, PARE_INPUT, "rising");
   refuses(ONE("\"F32\"", "[2]", "[-8,0]"), 8, PARE_INPUT, "rising");
   refuses(ONE("\"F32\"", "[2]", "[1e300,1e301]"), 8, PARE_INPUT, "rising");
}
END_TEST

START_TEST(refuses_bad_layouts)
{
   refuses(ONE("\"F32\"", "[2]", "[0,8]"), 7, PARE_INPUT,
           "truncated: tensor \"t\" ends at byte 70, the file has 69");
   refuses(ONE("\"F32\"", "[2]", "[0,8]"), 9, PARE_INPUT, "1 bytes after the last tensor");
   refuses("{}", 3, PARE_INPUT, "3 bytes after");
   refuses(TWO("[0,4]", "[4,8]"), 7, PARE_INPUT, "truncated");
   refuses(TWO("[0,4]", "[3,7]"), 7, PARE_INPUT, "starts at byte");
   refuses(TWO("[0,4]", "[0,4]"), 4, PARE_INPUT, "starts at byte");
   refuses(TWO("[0,4]", "[5,9]"), 9, PARE_INPUT, "starts at byte");
   refuses(TWO("[1,5]", "[5,9]"), 9, PARE_INPUT, "starts at byte");
   refuses("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
           "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, PARE_INPUT, "occurs twice");
}
END_TEST

/* Every prefix of a file is refused. */
START_TEST(refuses_truncation)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_str bytes = { 0 };
   pare_safetensors *set;
   unit_heap_init(&ctx, &heap);
   tensors_from_specs(&ctx, specs, &bytes);
   for (size_t size = 0; size < bytes.size; size++)
      assert_fails(&ctx, open_bytes(&ctx, bytes.data, size, &set), PARE_INPUT, "truncated");
   uint8_t huge[16] = { 0x01, 0xe1, 0xf5, 0x05 };
   assert_fails(&ctx, open_bytes(&ctx, huge, sizeof huge, &set), PARE_INPUT, "not a safetensors file");
   memset(huge, 0xff, sizeof huge);
   assert_fails(&ctx, open_bytes(&ctx, huge, sizeof huge, &set), PARE_INPUT, "not a safetensors file");
   pare_str_finish(&ctx, &bytes);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Every single flipped bit of size and header gives a set or an error, never more. */
START_TEST(survives_flipped_bits)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_str bytes = { 0 };
   unit_heap_init(&ctx, &heap);
   tensors_from_specs(&ctx, specs, &bytes);
   for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
      pare_safetensors *set = NULL;
      bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
      pare_status status = open_bytes(&ctx, bytes.data, bytes.size, &set);
      ck_assert(status == PARE_OK || status == PARE_INPUT || status == PARE_UNSUPPORTED);
      pare_safetensors_close(&ctx, set);
      pare_ctx_clear(&ctx);
      bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
   }
   pare_str_finish(&ctx, &bytes);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(warns_of_unused_tensors)
{
   static const char *const expected[] = { ".bias", NULL };
   char notes[1024] = "";
   pare_ctx ctx;
   unit_heap heap;
   pare_str bytes = { 0 };
   pare_safetensors *set;
   unit_heap_init(&ctx, &heap);
   ctx.log = note_log;
   ctx.user = notes;
   tensors_from_specs(&ctx, specs, &bytes);
   assert_ok(&ctx, open_bytes(&ctx, bytes.data, bytes.size, &set));
   pare_safetensors_warn_unused(&ctx, set, expected);
   ck_assert_str_eq(notes,
                    "unused_tensors: 2 tensors are not used by the architecture, first \"b.weight\"\n");
   notes[0] = '\0';
   pare_safetensors_find(set, "b.weight")->used = pare_safetensors_find(set, "c")->used = true;
   pare_safetensors_warn_unused(&ctx, set, expected);
   ck_assert_str_eq(notes, "");
   pare_safetensors_close(&ctx, set);
   pare_str_finish(&ctx, &bytes);
}
END_TEST

static const tensor_spec shard_a[] = { { "a", "F32", 2, 2 }, { "extra", "F16", 1, 0 }, { 0 } };
static const tensor_spec shard_b[] = { { "b", "F32", 3, 0 }, { 0 } };

START_TEST(reads_shards)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_safetensors *set;
   folder f = folder_create();
   unit_heap_init(&ctx, &heap);
   folder_tensors(&ctx, &f, "1.safetensors", shard_a);
   folder_tensors(&ctx, &f, "2.safetensors", shard_b);
   folder_text(
      &f, "i.json",
      "{\"weight_map\":{\"b\":\"2.safetensors\",\"a\":\"1.safetensors\",\"extra\":\"1.safetensors\"}}");
   assert_ok(&ctx, pare_safetensors_open_index(&ctx, f.path, "i.json", &set));
   ck_assert_uint_eq(set->n_files, 2);
   ck_assert_uint_eq(set->n_entries, 3);
   ck_assert_str_eq(set->files[pare_safetensors_find(set, "a")->file].name, "1.safetensors");
   pare_safetensors_close(&ctx, set);
   folder_remove(&f);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(refuses_bad_indexes)
{
   static const struct { const char *index, *text; } cases[] = {
      { "{}", "weight_map" },
      { "{\"weight_map\":[]}", "weight_map" },
      { "{\"weight_map\":{\"a\":3}}", "not the name of a file" },
      { "{\"weight_map\":{\"a\":\"\"}}", "not the name of a file" },
      { "{\"weight_map\":{\"a\":\"..\"}}", "not the name of a file" },
      { "{\"weight_map\":{\"a\":\"../1.safetensors\"}}", "not the name of a file" },
      { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "not the name of a file" },
      { "{\"weight_map\":{\"a\":\"x\\\\1.safetensors\"}}", "not the name of a file" },
      { "{\"weight_map\":{\"a\":\"9.safetensors\"}}", "cannot open" },
      { "{\"weight_map\":{\"a\":\"1.safetensors\",\"z\":\"1.safetensors\"}}",
        "\"z\" is not in its shard 1.safetensors" },
      { "{\"weight_map\":{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}}", "is not in its shard" },
      { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"3.safetensors\"}}", "occurs twice" },
   };
   pare_ctx ctx;
   unit_heap heap;
   pare_safetensors *set;
   folder f = folder_create();
   unit_heap_init(&ctx, &heap);
   folder_tensors(&ctx, &f, "1.safetensors", shard_a);
   folder_tensors(&ctx, &f, "2.safetensors", shard_b);
   folder_tensors(&ctx, &f, "3.safetensors", shard_a);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      folder_text(&f, "i.json", cases[i].index);
      assert_fails(&ctx, pare_safetensors_open_index(&ctx, f.path, "i.json", &set), PARE_INPUT,
                   cases[i].text);
   }
   folder_remove(&f);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(survives_failing_allocations)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_safetensors *set;
   folder f = folder_create();
   unit_heap_init(&ctx, &heap);
   folder_tensors(&ctx, &f, "1.safetensors", shard_a);
   folder_text(&f, "i.json", "{\"weight_map\":{\"a\":\"1.safetensors\"}}");
   for (long at = 1;; at++) {
      heap = (unit_heap){ .fail_at = at };
      pare_status status = pare_safetensors_open_index(&ctx, f.path, "i.json", &set);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
      ck_assert_int_eq(heap.blocks, 0);
      pare_ctx_clear(&ctx);
   }
   pare_safetensors_close(&ctx, set);
   ck_assert_int_eq(heap.blocks, 0);
   folder_remove(&f);
}
END_TEST

UNIT_MAIN("formats_safetensors", reads_what_is_there, reads_odd_but_valid_files, refuses_bad_headers,
          refuses_bad_layouts, refuses_truncation, survives_flipped_bits, warns_of_unused_tensors,
          reads_shards, refuses_bad_indexes, survives_failing_allocations)
