/* Field tables. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/fields.h"
#include "unit.h"

typedef struct options {
   bool rotate;
   int64_t block;
   double sparsity;
   int type;
   const char *output;
   pare_list targets, gates;
   pare_numbers scales;
} options;

static const char *const types[] = { "i8", "i4", "f32", NULL };

static const pare_field table[] = {
   { .name = "rotate", .kind = PARE_FIELD_BOOL, .offset = offsetof(options, rotate), .initial = 1,
     .help = "rotate the activations before they are quantized" },
   { .name = "block", .kind = PARE_FIELD_INT, .offset = offsetof(options, block), .min = 1, .max = 64,
     .initial = 4, .help = "weights kept or dropped together", .letter = 'b' },
   { .name = "sparsity", .kind = PARE_FIELD_FLOAT, .offset = offsetof(options, sparsity), .min = 0,
     .max = 0.99, .initial = 0.5,
     .help = "share of the weights of each tensor that become zero, taken from the smallest in magnitude;"
     " whole blocks only, so the share that is reached may be a little lower" },
   { .name = "type", .kind = PARE_FIELD_ENUM, .offset = offsetof(options, type), .choices = types,
     .help = "encoding of the linear layers" },
   { .name = "output", .kind = PARE_FIELD_TEXT, .offset = offsetof(options, output), .help = "where to write",
     .letter = 'o', .value_name = "FILE" },
   { .name = "targets", .kind = PARE_FIELD_LIST, .offset = offsetof(options, targets),
     .initial_text = "layers.*", .help = "patterns of names to work on" },
   { .name = "gates", .kind = PARE_FIELD_LIST, .offset = offsetof(options, gates), .help = "conditions" },
   { .name = "scales", .kind = PARE_FIELD_NUMBERS, .offset = offsetof(options, scales), .min = -1, .max = 2,
     .help = "one a group" },
   PARE_FIELDS_END
};

static pare_ctx ctx;
static unit_heap heap;
static pare_arena *arena;
static options o;

static void begin(void)
{
   unit_heap_init(&ctx, &heap);
   arena = pare_arena_create(&ctx);
   memset(&o, 0, sizeof o);
   assert_ok(&ctx, pare_fields_init(&ctx, table, arena, &o));
}

static void end(void)
{
   pare_arena_destroy(&ctx, arena);
   ck_assert_int_eq(heap.blocks, 0);
}

static pare_status decode(const char *text)
{
   static const char *const extra[] = { "pass", NULL };
   pare_json *root;
   assert_ok(&ctx, pare_json_parse(&ctx, text, strlen(text), "recipe", &root));
   pare_status status = pare_fields_from_json(&ctx, table, root, "passes[2]", extra, arena, &o, PARE_USAGE);
   pare_json_free(root);
   return status;
}

static pare_status set(const char *name, const char *text)
{
   return pare_fields_set(&ctx, pare_fields_find(table, name), text, "--option", arena, &o, PARE_USAGE);
}

START_TEST(defaults)
{
   begin();
   ck_assert(o.rotate && o.block == 4 && o.type == 0 && !o.output);
   ck_assert_double_eq(o.sparsity, 0.5);
   ck_assert_uint_eq(o.targets.count, 1);
   ck_assert_str_eq(o.targets.items[0], "layers.*");
   ck_assert_uint_eq(o.gates.count, 0);
   end();
}
END_TEST

START_TEST(from_json)
{
   begin();
   assert_ok(&ctx,
             decode("{\"pass\": 3, \"rotate\": false, \"block\": 16, \"sparsity\": 0.25, \"type\": \"f32\","
                          "\"output\": \"x\", \"targets\": [\"a\", \"b\"], \"gates\": \"one\"}"));
   ck_assert(!o.rotate && o.block == 16 && o.type == 2);
   ck_assert_double_eq(o.sparsity, 0.25);
   ck_assert_str_eq(o.output, "x");
   ck_assert_uint_eq(o.targets.count, 2);
   ck_assert_str_eq(o.targets.items[1], "b");
   ck_assert_str_eq(o.gates.items[0], "one");
   assert_ok(&ctx, decode("{\"output\": null, \"targets\": []}"));
   ck_assert(!o.output && o.targets.count == 0);
   assert_ok(&ctx, pare_fields_from_json(&ctx, table, NULL, "x", NULL, arena, &o, PARE_USAGE));
   end();
}
END_TEST

static void assert_refused(const char *text, const char *where, const char *message)
{
   ck_assert_int_eq(decode(text), PARE_USAGE);
   ck_assert_str_eq(ctx.error.where, where);
   ck_assert_str_eq(ctx.error.message, message);
   pare_ctx_clear(&ctx);
}

START_TEST(json_errors_name_the_path)
{
   begin();
   assert_refused("{\"sparsty\": 1}", "passes[2].sparsty", "unknown key, did you mean \"sparsity\"?");
   assert_refused("{\"pss\": 1}", "passes[2].pss", "unknown key, did you mean \"pass\"?");
   assert_refused("{\"zzz\": 1}", "passes[2].zzz",
                  "unknown key, expected one of rotate, block, sparsity, type, output, targets, gates, scales, pass");
   assert_refused("{\"sparsity\": 1.5}", "passes[2].sparsity", "1.5, expected a number in [0, 0.99]");
   assert_refused("{\"block\": 2.5}", "passes[2].block", "2.5, expected a whole number in [1, 64]");
   assert_refused("{\"block\": \"4\"}", "passes[2].block", "\"4\", expected a whole number in [1, 64]");
   assert_refused("{\"block\": null}", "passes[2].block", "null, expected a whole number in [1, 64]");
   assert_refused("{\"type\": \"i9\"}", "passes[2].type", "\"i9\", expected one of i8, i4, f32");
   assert_refused("{\"rotate\": 1}", "passes[2].rotate", "1, expected true or false");
   assert_refused("{\"output\": []}", "passes[2].output", "an array, expected a text");
   assert_refused("{\"targets\": [\"a\", 3]}", "passes[2].targets[1]", "3, expected a text");
   assert_refused("{\"targets\": {}}", "passes[2].targets", "an object, expected a list of texts");
   assert_refused("{\"block\": 3, \"block\": 4}", "passes[2].block", "the key occurs twice");
   assert_refused("[]", "passes[2]", "an array, expected an object");
   end();
}
END_TEST

START_TEST(from_text)
{
   begin();
   assert_ok(&ctx, set("rotate", "false"));
   assert_ok(&ctx, set("block", "64"));
   assert_ok(&ctx, set("sparsity", "1e-2"));
   assert_ok(&ctx, set("type", "i4"));
   assert_ok(&ctx, set("output", "a,b"));
   assert_ok(&ctx, set("targets", "x,y"));
   assert_ok(&ctx, set("targets", "z"));
   ck_assert(!o.rotate && o.block == 64 && o.type == 1);
   ck_assert_double_eq(o.sparsity, 0.01);
   ck_assert_str_eq(o.output, "a,b");
   ck_assert_uint_eq(o.targets.count, 3);
   ck_assert_str_eq(o.targets.items[0], "x");
   ck_assert_str_eq(o.targets.items[2], "z");
   assert_fails(&ctx, set("block", "65"), PARE_USAGE, "\"65\", expected a whole number in [1, 64]");
   static const char *const bad[] = { "", " 1", "1 ", "1x", "nan", "inf", "0x10", "1e400", "1,5", "1.5.1",
                                      "--1" };
   for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
      assert_fails(&ctx, set("sparsity", bad[i]), PARE_USAGE, "expected a number");
      assert_fails(&ctx, set("block", bad[i]), PARE_USAGE, "expected a whole number");
   }
   static const char *const empty[] = { "", ",", "a,", ",a", "a,,b" };
   for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
      assert_fails(&ctx, set("targets", empty[i]), PARE_USAGE, "expected a list of texts, none of them empty");
   ck_assert_uint_eq(o.targets.count, 3);
   assert_fails(&ctx, set("rotate", "maybe"), PARE_USAGE, "expected true or false");
   assert_fails(&ctx, set("type", "i"), PARE_USAGE, "expected one of i8, i4, f32");
   end();
}
END_TEST

static void encode(bool skip, pare_str *out)
{
   pare_json_writer w;
   pare_json_begin(&w, &ctx, out, false);
   pare_json_open_object(&w, NULL);
   assert_ok(&ctx, pare_fields_to_json(&ctx, table, &o, skip, &w));
   pare_json_close_object(&w);
}

START_TEST(round_trip)
{
   begin();
   pare_str out = { 0 }, again = { 0 };
   encode(true, &out);
   ck_assert_str_eq(out.data, "{}");
   pare_str_clear(&out);
   encode(false, &out);
   ck_assert_str_eq(out.data, "{\"rotate\":true,\"block\":4,\"sparsity\":0.5,\"type\":\"i8\",\"output\":null,"
                              "\"targets\":[\"layers.*\"],\"gates\":[],\"scales\":[]}");
   assert_ok(&ctx, decode(out.data));
   encode(false, &again);
   ck_assert_str_eq(again.data, out.data);
   assert_ok(&ctx, set("gates", "g"));
   assert_ok(&ctx, set("block", "5"));
   pare_str_clear(&out);
   encode(true, &out);
   ck_assert_str_eq(out.data, "{\"block\":5,\"gates\":[\"g\"]}");
   pare_str_finish(&ctx, &out);
   pare_str_finish(&ctx, &again);
   end();
}
END_TEST

START_TEST(numbers)
{
   begin();
   options copy = o;
   pare_str out = { 0 };
   ck_assert_uint_eq(o.scales.count, 0);
   assert_ok(&ctx, decode("{\"scales\": [0.1, -1, 2]}"));
   encode(true, &out);
   ck_assert_str_eq(out.data, "{\"scales\":[0.1,-1,2]}");
   ck_assert(!pare_fields_same(table, &o, &copy));
   copy = o;
   assert_ok(&ctx, pare_fields_own_numbers(&ctx, table, arena, &copy));
   ck_assert_ptr_ne(copy.scales.items, o.scales.items);
   ck_assert(pare_fields_same(table, &o, &copy));
   assert_ok(&ctx, set("scales", "0.1,-1,1.5"));
   ck_assert_uint_eq(o.scales.count, 3);
   ck_assert_double_eq(o.scales.items[2], 1.5);
   ck_assert(!pare_fields_same(table, &o, &copy));
   assert_fails(&ctx, set("scales", "0.1,,1"), PARE_USAGE, "\"\", expected a number in [-1, 2]");
   assert_fails(&ctx, set("scales", ""), PARE_USAGE, "expected a number");
   assert_fails(&ctx, set("scales", "1,"), PARE_USAGE, "expected a number");
   assert_fails(&ctx, set("scales", "3"), PARE_USAGE, "\"3\", expected a number in [-1, 2]");
   assert_refused("{\"scales\": 1}", "passes[2].scales", "1, expected a list of numbers in [-1, 2]");
   assert_refused("{\"scales\": [0, \"1\"]}", "passes[2].scales[1]", "\"1\", expected a number in [-1, 2]");
   assert_refused("{\"scales\": [2.5]}", "passes[2].scales[0]", "2.5, expected a number in [-1, 2]");
   assert_ok(&ctx, decode("{\"scales\": []}"));
   ck_assert_uint_eq(o.scales.count, 0);
   pare_str_finish(&ctx, &out);
   end();
}
END_TEST

START_TEST(help_layout)
{
   begin();
   pare_str out = { 0 };
   assert_ok(&ctx, pare_fields_help(&ctx, table, "--", &out));
   ck_assert_str_eq(out.data,
      "      --rotate              rotate the activations before they are quantized (default true)\n"
      "  -b, --block N             weights kept or dropped together (a whole number in [1, 64]; default 4)\n"
      "      --sparsity X          share of the weights of each tensor that become zero, taken from the\n"
      "                            smallest in magnitude; whole blocks only, so the share that is reached\n"
      "                            may be a little lower (a number in [0, 0.99]; default 0.5)\n"
      "      --type i8|i4|f32      encoding of the linear layers (one of i8, i4, f32; default i8)\n"
      "  -o, --output FILE         where to write\n"
      "      --targets TEXT,...    patterns of names to work on; may be repeated (default \"layers.*\")\n"
      "      --gates TEXT,...      conditions; may be repeated\n"
      "      --scales X,...        one a group\n");
   pare_str_clear(&out);
   assert_ok(&ctx, pare_fields_help(&ctx, table, "", &out));
   ck_assert_ptr_nonnull(strstr(out.data, "  rotate true|false         rotate the"));
   pare_str_finish(&ctx, &out);
   end();
}
END_TEST

START_TEST(nearest)
{
   static const char *const names[] = { "sparsity", "targets", "skip", "type", NULL };
   ck_assert_str_eq(pare_nearest("sparstiy", names), "sparsity");
   ck_assert_str_eq(pare_nearest("target", names), "targets");
   ck_assert_str_eq(pare_nearest("spar", names), "sparsity");
   ck_assert_str_eq(pare_nearest("tpye", names), "type");
   ck_assert_ptr_null(pare_nearest("zebra", names));
   ck_assert_ptr_null(pare_nearest("", names));
   char name[300];
   memset(name, 'x', sizeof name - 1);
   name[sizeof name - 1] = 0;
   ck_assert_ptr_null(pare_nearest(name, names));
}
END_TEST

START_TEST(no_memory)
{
   for (long at = 1; at < 30; at++) {
      unit_heap_init(&ctx, &heap);
      heap.fail_at = at;
      pare_str out = { 0 };
      arena = pare_arena_create(&ctx);
      pare_status status = arena ? pare_fields_init(&ctx, table, arena, &o) : PARE_RESOURCE;
      if (status == PARE_OK) status = set("targets", "a,b,c");
      if (status == PARE_OK) status = set("scales", "1,2");
      if (status == PARE_OK) status = pare_fields_own_numbers(&ctx, table, arena, &o);
      if (status == PARE_OK) status = pare_fields_help(&ctx, table, "--", &out);
      if (status == PARE_OK) status = decode("{\"nothing\": 1}");
      ck_assert(status == PARE_RESOURCE || status == PARE_USAGE);
      ck_assert_int_eq(ctx.error.status, status);
      pare_str_finish(&ctx, &out);
      end();
   }
}
END_TEST

UNIT_MAIN("fields", defaults, from_json, json_errors_name_the_path, from_text, round_trip, numbers, help_layout,
          nearest, no_memory)
