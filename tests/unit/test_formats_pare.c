/* Artifacts: written and read back, laid out in two ways, damaged in every way the layout has. */
#include <malloc.h>
#include <signal.h>

#include "artifact_model.h"
#include "base/deflate.h"
#include "base/hash.h"
#include "base/rng.h"
#include "formats/pare_layout.h"

enum { FILE_LIMIT = 1 << 20, MAX_MADE_SECTIONS = 16 };

typedef struct site {
   pare_ctx ctx;
   unit_heap heap;
   folder folder;
   pare_model *made;
   char path[FOLDER_PATH], other[FOLDER_PATH];
} site;

static void site_begin(site *s)
{
   s->folder = folder_create();
   unit_heap_init(&s->ctx, &s->heap);
   snprintf(s->path, sizeof s->path, "%s/a.pare", s->folder.path);
   snprintf(s->other, sizeof s->other, "%s/b.pare", s->folder.path);
   assert_ok(&s->ctx, made_create(&s->ctx, &s->made));
}

static void site_end(site *s)
{
   pare_model_destroy(&s->ctx, s->made);
   ck_assert_int_eq(s->heap.blocks, 0);
   folder_remove(&s->folder);
}

static int count_files(const site *s)
{
   int count = 0;
   DIR *dir = opendir(s->folder.path);
   for (struct dirent *item; (item = readdir(dir));) count += item->d_name[0] != '.';
   closedir(dir);
   return count;
}

static pare_buffer *bytes_of(pare_ctx *ctx, const char *path)
{
   pare_buffer *bytes;
   assert_ok(ctx, pare_read_file(ctx, path, FILE_LIMIT, &bytes));
   return bytes;
}

static bool same_bytes(const pare_buffer *a, const pare_buffer *b)
{
   return pare_buffer_size(a) == pare_buffer_size(b) &&
          memcmp(pare_buffer_data(a), pare_buffer_data(b), pare_buffer_size(a)) == 0;
}

static bool same_files(pare_ctx *ctx, const char *a, const char *b)
{
   pare_buffer *x = bytes_of(ctx, a), *y = bytes_of(ctx, b);
   bool same = same_bytes(x, y);
   pare_buffer_unref(ctx, x);
   pare_buffer_unref(ctx, y);
   return same;
}

static void write_at(const char *path, const void *bytes, size_t size)
{
   FILE *file = fopen(path, "wb");
   ck_assert_ptr_nonnull(file);
   ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
   ck_assert_int_eq(fclose(file), 0);
}

static void poke(const char *path, size_t at, uint8_t value)
{
   FILE *file = fopen(path, "r+b");
   ck_assert(file && fseek(file, (long)at, SEEK_SET) == 0 && fputc(value, file) == value);
   ck_assert_int_eq(fclose(file), 0);
}

/* ---- the header, for tests that read or change it ---- */

static void header_text(pare_ctx *ctx, const pare_buffer *file, pare_str *out)
{
   const uint8_t *data = pare_buffer_data(file), *foot = data + pare_buffer_size(file) - PARE_FILE_FOOT;
   pare_cursor c = pare_cursor_on(foot, PARE_FILE_FOOT);
   uint64_t offset = pare_cursor_u64(&c), stored = pare_cursor_u64(&c), size = pare_cursor_u64(&c);
   char *text = calloc(1, size + 1);
   assert_ok(ctx, pare_inflate(ctx, data + offset, stored, "header", text, size));
   assert_ok(ctx, pare_str_puts(ctx, out, text));
   free(text);
}

/* The file with another header, deflated and hashed, at `path`. */
static void write_header(pare_ctx *ctx, const pare_buffer *file, const char *text, size_t size,
                         const char *path)
{
   const uint8_t *data = pare_buffer_data(file);
   pare_cursor c = pare_cursor_on(data + pare_buffer_size(file) - PARE_FILE_FOOT, PARE_FILE_FOOT);
   uint64_t offset = pare_cursor_u64(&c);
   uint8_t foot[PARE_FILE_FOOT];
   pare_str out = { 0 }, stored = { 0 };
   assert_ok(ctx, pare_deflate(ctx, text, size, &stored));
   pare_put_uint(foot, offset, 8);
   pare_put_uint(foot + 8, stored.size, 8);
   pare_put_uint(foot + 16, size, 8);
   pare_sha256_raw(stored.data, stored.size, foot + 24);
   memcpy(foot + 56, pare_foot_magic, sizeof pare_foot_magic);
   assert_ok(ctx, pare_str_append(ctx, &out, data, offset));
   assert_ok(ctx, pare_str_append(ctx, &out, stored.data, stored.size));
   assert_ok(ctx, pare_str_append(ctx, &out, foot, sizeof foot));
   write_at(path, out.data, out.size);
   pare_str_finish(ctx, &stored);
   pare_str_finish(ctx, &out);
}

/* `text` with the `size` bytes at `at` replaced by `by`, as the header of a file at s->other. */
static void write_edited(site *s, const pare_buffer *file, const pare_str *text, size_t at, size_t size,
                         const char *by)
{
   pare_str edited = { 0 };
   assert_ok(&s->ctx, pare_str_append(&s->ctx, &edited, text->data, at));
   assert_ok(&s->ctx, pare_str_puts(&s->ctx, &edited, by));
   assert_ok(&s->ctx, pare_str_append(&s->ctx, &edited, text->data + at + size, text->size - at - size));
   write_header(&s->ctx, file, edited.data, edited.size, s->other);
   pare_str_finish(&s->ctx, &edited);
}

/* Loads and verifies what may be damaged: no other status than these; OK is fine only with `ok`. */
static void assert_refused_or(site *s, const char *path, bool ok)
{
   pare_model *model = NULL;
   uint64_t bytes;
   pare_status status = pare_artifact_load(&s->ctx, path, &model);
   ck_assert_msg((ok && status == PARE_OK) || status == PARE_INPUT || status == PARE_UNSUPPORTED, "status %d",
                 status);
   ck_assert(status == PARE_OK || *s->ctx.error.message);
   pare_model_destroy(&s->ctx, model);
   pare_ctx_clear(&s->ctx);
   status = pare_artifact_verify(&s->ctx, path, &bytes);
   ck_assert(status == PARE_DIFFERS || status == PARE_INPUT || status == PARE_UNSUPPORTED ||
             (ok && status == PARE_OK));
   pare_ctx_clear(&s->ctx);
}

/* ---- what is written is read ---- */

static void assert_same_model(pare_ctx *ctx, const pare_model *a, const pare_model *b)
{
   pare_str x = { 0 }, y = { 0 };
   assert_ok(ctx, pare_graph_print(ctx, a->graph, &x));
   assert_ok(ctx, pare_graph_print(ctx, b->graph, &y));
   ck_assert_str_eq(x.data, y.data);
   pare_str_finish(ctx, &x);
   pare_str_finish(ctx, &y);
   ck_assert_uint_eq(a->graph->n_weights, b->graph->n_weights);
   for (size_t i = 0; i < a->graph->n_weights; i++)
      ck_assert(same_bytes(a->graph->weights[i]->data, b->graph->weights[i]->data));
   ck_assert(same_bytes(a->tokenizer, b->tokenizer));
   ck_assert_str_eq(a->arch, b->arch);
   ck_assert_str_eq(a->config, b->config);
   ck_assert_str_eq(a->chat_template, b->chat_template);
   ck_assert_str_eq(a->licence, b->licence);
   ck_assert_ptr_null(b->base_model);
   ck_assert_ptr_null(b->generation_config);
   ck_assert(a->context == b->context && a->vocab == b->vocab);
   ck_assert(a->bos == b->bos && a->add_bos == b->add_bos);
   ck_assert(a->n_end == b->n_end && memcmp(a->end, b->end, sizeof a->end) == 0);
}

static void write_and_load(bool deflate)
{
   site s;
   pare_model *model;
   uint64_t hashed, expected;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, deflate));
   assert_ok(&s.ctx, pare_artifact_load(&s.ctx, s.path, &model));
   assert_same_model(&s.ctx, s.made, model);
   ck_assert_str_eq(model->format, "pare");
   ck_assert_str_eq(model->provenance, "{\"tool\":\"test\",\"recipe\":[{\"share\":0.5}]}");
   assert_ok(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &hashed));
   expected = pare_model_count(s.made).tensor_bytes + pare_buffer_size(s.made->tokenizer);
   ck_assert_uint_eq(hashed, expected);
   pare_model_destroy(&s.ctx, model);
   ck_assert_int_eq(count_files(&s), 1);
   site_end(&s);
}

START_TEST(raw_comes_back)
{
   write_and_load(false);
}
END_TEST

START_TEST(deflated_comes_back)
{
   write_and_load(true);
}
END_TEST

START_TEST(same_inputs_same_bytes)
{
   site s;
   pare_model *model;
   site_begin(&s);
   for (int deflate = 0; deflate < 2; deflate++) {
      assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, deflate));
      s.ctx.threads = 2;
      assert_ok(&s.ctx, pare_artifact_load(&s.ctx, s.path, &model));
      assert_ok(&s.ctx, made_write(&s.ctx, model, s.other, deflate));
      pare_model_destroy(&s.ctx, model);
      ck_assert(same_files(&s.ctx, s.path, s.other));
   }
   pare_ctx_finish(&s.ctx);
   site_end(&s);
}
END_TEST

/* ---- results left in place ---- */

static void reserve_copy(pare_ctx *ctx, pare_outfile *file, pare_weight *weight)
{
   pare_buffer *place;
   assert_ok(ctx, pare_outfile_reserve(ctx, file, pare_buffer_size(weight->data), &place));
   memcpy(pare_buffer_edit(place), pare_buffer_data(weight->data), pare_buffer_size(weight->data));
   assert_ok(ctx, pare_weight_replace(ctx, weight, weight->encoding, place));
   pare_buffer_unref(ctx, place);
}

/* The artifact at s->other, the weights named placed in its file by passes; `again` is placed a second time,
 * so that its first result is superseded. */
static void write_in_place(site *s, const char *const *names, const char *again)
{
   pare_artifact_options options = { false, "{\"tool\":\"test\",\"recipe\":[{\"share\":0.5}]}" };
   pare_model *model;
   pare_outfile *file;
   assert_ok(&s->ctx, pare_model_clone(&s->ctx, s->made, &model));
   assert_ok(&s->ctx, pare_artifact_start(&s->ctx, s->other, &file));
   for (; *names; names++) reserve_copy(&s->ctx, file, pare_graph_find_weight(model->graph, *names));
   if (again) reserve_copy(&s->ctx, file, pare_graph_find_weight(model->graph, again));
   assert_ok(&s->ctx, pare_artifact_finish(&s->ctx, model, &options, &file));
   assert_ok(&s->ctx, pare_outfile_commit(&s->ctx, file));
   pare_outfile_destroy(&s->ctx, file);
   pare_model_destroy(&s->ctx, model);
}

typedef struct place {
   int64_t offset, stored;
} place;

static int by_offset(const void *a, const void *b)
{
   const place *x = a, *y = b;
   return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Bytes between sections (and head and header) that a section's alignment does not explain; *hashes: one line
 * a section. */
static int64_t bytes_of_holes(pare_ctx *ctx, const char *path, pare_str *hashes)
{
   pare_buffer *file = bytes_of(ctx, path);
   pare_str text = { 0 };
   pare_json *header;
   place places[MAX_MADE_SECTIONS];
   size_t n = 0;
   header_text(ctx, file, &text);
   assert_ok(ctx, pare_json_parse(ctx, text.data, text.size, "header", &header));
   for (const pare_json *v = pare_json_first(pare_json_get(header, "sections")); v; v = pare_json_next(v)) {
      ck_assert_uint_lt(n, MAX_MADE_SECTIONS);
      ck_assert(pare_json_int(pare_json_get(v, "offset"), 64, FILE_LIMIT, &places[n].offset));
      ck_assert(pare_json_int(pare_json_get(v, "stored"), 0, FILE_LIMIT, &places[n++].stored));
      assert_ok(ctx, pare_str_puts(ctx, hashes, pare_json_string(pare_json_get(v, "name"))));
      assert_ok(ctx, pare_str_puts(ctx, hashes, pare_json_string(pare_json_get(v, "sha256"))));
   }
   qsort(places, n, sizeof *places, by_offset);
   int64_t at = PARE_FILE_HEAD, holes = 0;
   for (size_t i = 0; i < n; i++) {
      holes += places[i].offset - (at + 63) / 64 * 64;
      at = places[i].offset + places[i].stored;
   }
   pare_cursor foot = pare_cursor_on(pare_buffer_data(file) + pare_buffer_size(file) - PARE_FILE_FOOT, 8);
   holes += (int64_t)pare_cursor_u64(&foot) - (at + 63) / 64 * 64;
   pare_json_free(header);
   pare_str_finish(ctx, &text);
   pare_buffer_unref(ctx, file);
   return holes;
}

static void assert_same_content(site *s)
{
   pare_model *model;
   uint64_t bytes;
   pare_str copied = { 0 }, placed = { 0 };
   ck_assert_int_eq(bytes_of_holes(&s->ctx, s->path, &copied), 0);
   ck_assert_int_eq(bytes_of_holes(&s->ctx, s->other, &placed), 0);
   ck_assert_str_eq(copied.data, placed.data);
   assert_ok(&s->ctx, pare_artifact_verify(&s->ctx, s->other, &bytes));
   assert_ok(&s->ctx, pare_artifact_load(&s->ctx, s->other, &model));
   assert_same_model(&s->ctx, s->made, model);
   pare_model_destroy(&s->ctx, model);
   pare_str_finish(&s->ctx, &copied);
   pare_str_finish(&s->ctx, &placed);
}

START_TEST(results_stay_in_place)
{
   static const char *const names[] = { "head", "norm", "embed", NULL };
   site s;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   write_in_place(&s, names, NULL);
   assert_same_content(&s);
   pare_buffer *file = bytes_of(&s.ctx, s.other);
   const pare_buffer *head = pare_graph_find_weight(s.made->graph, "head")->data;
   ck_assert(memcmp(pare_buffer_data(file) + PARE_FILE_HEAD,
                    pare_buffer_data(head), pare_buffer_size(head)) == 0);
   pare_buffer_unref(&s.ctx, file);
   site_end(&s);
}
END_TEST

START_TEST(superseded_results_are_dropped)
{
   static const char *const names[] = { "head", "norm", "embed", NULL };
   site s;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   write_in_place(&s, names, "norm");
   assert_same_content(&s);
   ck_assert(same_files(&s.ctx, s.path, s.other));
   ck_assert_int_eq(count_files(&s), 2);
   site_end(&s);
}
END_TEST

/* One result serves two weights while a superseded one of its size lies beside it: sizes alone look right. */
START_TEST(a_shared_result_hides_no_hole)
{
   site s;
   pare_model *model;
   pare_outfile *file;
   pare_artifact_options options = { false, "{\"tool\":\"test\",\"recipe\":[{\"share\":0.5}]}" };
   site_begin(&s);
   pare_weight *q = pare_graph_find_weight(s.made->graph, "q");
   pare_weight *o = pare_graph_find_weight(s.made->graph, "o");
   assert_ok(&s.ctx, pare_weight_replace(&s.ctx, o, o->encoding, q->data));
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   assert_ok(&s.ctx, pare_model_clone(&s.ctx, s.made, &model));
   assert_ok(&s.ctx, pare_artifact_start(&s.ctx, s.other, &file));
   q = pare_graph_find_weight(model->graph, "q");
   o = pare_graph_find_weight(model->graph, "o");
   reserve_copy(&s.ctx, file, q);
   reserve_copy(&s.ctx, file, q);
   assert_ok(&s.ctx, pare_weight_replace(&s.ctx, o, o->encoding, q->data));
   assert_ok(&s.ctx, pare_artifact_finish(&s.ctx, model, &options, &file));
   assert_ok(&s.ctx, pare_outfile_commit(&s.ctx, file));
   pare_outfile_destroy(&s.ctx, file);
   pare_model_destroy(&s.ctx, model);
   assert_same_content(&s);
   site_end(&s);
}
END_TEST

/* ---- damage ---- */

START_TEST(every_fixed_byte_counts)
{
   site s;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   pare_buffer *file = bytes_of(&s.ctx, s.path);
   const uint8_t *data = pare_buffer_data(file);
   size_t size = pare_buffer_size(file);
   pare_cursor foot = pare_cursor_on(data + size - PARE_FILE_FOOT, 8);
   size_t header_at = pare_cursor_u64(&foot);
   for (size_t at = 0; at < size; at = at + 1 == PARE_FILE_HEAD ? header_at : at + 1) {
      static const uint8_t flips[] = { 0x01, 0x80, 0xff };
      for (size_t i = 0; i < sizeof flips; i++) {
         poke(s.path, at, data[at] ^ flips[i]);
         assert_refused_or(&s, s.path, false);
      }
      poke(s.path, at, data[at]);
   }
   assert_refused_or(&s, s.path, true);
   pare_buffer_unref(&s.ctx, file);
   site_end(&s);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
   site s;
   pare_model *model;
   uint64_t bytes;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, true));
   pare_buffer *file = bytes_of(&s.ctx, s.path);
   for (size_t size = pare_buffer_size(file); size-- > 0;) {
      ck_assert_int_eq(truncate(s.path, (off_t)size), 0);
      assert_fails(&s.ctx, pare_artifact_load(&s.ctx, s.path, &model), PARE_INPUT, "artifact");
      assert_fails(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &bytes), PARE_INPUT, "artifact");
   }
   pare_buffer_unref(&s.ctx, file);
   site_end(&s);
}
END_TEST

/* In a header with the right hash, the first `from` becomes `to`. The first section is weights/embed at
 * 64, 2176 bytes: 2 blocks of 16 lines and 32 scales; weights/norm follows. */
static const struct edit {
   const char *from, *to;
   pare_status status;
   const char *message;
} edits[] = {
   { "pare.artifact/1", "pare.artifact/2", PARE_INPUT, "schema" },
   { "\"graph\":", "\"grape\":", PARE_INPUT, "no graph" },
   { "\"sections\":", "\"section\":", PARE_INPUT, "no list of sections" },
   { "\"sections\":[", "\"sections\":[7,", PARE_INPUT, "section" },
   { "\"sections\":[", "\"sections\":[{},", PARE_INPUT, "section" },
   { "\"offset\":64,", "\"offset\":0,", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":65,", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":-64,", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":64.5,", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":\"64\",", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":9223372036854775744,", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":1e300,", PARE_INPUT, "outside" },
   { "\"offset\":64,", "\"offset\":128,", PARE_INPUT, "no section" },
   { "\"stored\":2176,", "\"stored\":2240,", PARE_INPUT, "stored size" },
   { "\"stored\":2176,\"size\":2176", "\"stored\":2304,\"size\":2304", PARE_INPUT, "overlap" },
   { "\"stored\":2176,\"size\":2176", "\"stored\":2112,\"size\":2112", PARE_INPUT, "no section" },
   { "\"stored\":2176,\"size\":2176", "\"stored\":0,\"size\":0", PARE_INPUT, "no section" },
   { "\"size\":2176,", "\"size\":2177,", PARE_INPUT, "stored size" },
   { "\"size\":2176,", "\"size\":-1,", PARE_INPUT, "outside" },
   { "\"size\":2176,\"encoding\":\"raw\"", "\"size\":2176,\"encoding\":\"deflate\"", PARE_INPUT, "" },
   { "\"size\":2176,\"encoding\":\"raw\"", "\"size\":99999999,\"encoding\":\"deflate\"", PARE_INPUT,
     "stored size" },
   { "\"encoding\":\"raw\"", "\"encoding\":\"zstd\"", PARE_UNSUPPORTED, "zstd" },
   { "\"encoding\":\"raw\"", "\"encoding\":null", PARE_INPUT, "section" },
   { "\"name\":\"weights/embed\"", "\"name\":\"weights/embeds\"", PARE_INPUT, "no section weights/embed" },
   { "\"name\":\"weights/embed\"", "\"name\":\"embed\"", PARE_INPUT, "no section weights/embed" },
   { "\"name\":\"weights/embed\"", "\"name\":\"weights/norm\"", PARE_INPUT, "one name" },
   { "\"name\":\"weights/embed\"", "\"nam\":\"weights/embed\"", PARE_INPUT, "section" },
   { "\"context\":32", "\"context\":0", PARE_INPUT, "context" },
   { "\"vocab\":5", "\"vocab\":99999999999", PARE_INPUT, "vocab" },
   { "\"vocab\":5,", "", PARE_INPUT, "vocabulary" },
   { "\"vocab\":5", "\"vocab\":6", PARE_INPUT, "f32[rows, 6]" },
   { "\"vocab\":5", "\"vocab\":4", PARE_INPUT, "f32[rows, 4]" },
   { "\"vocab\":5", "\"vocab\":2147483647", PARE_INPUT, "f32[rows, 2147483647]" },
   { "output %11\\n", "output %11\\n  output %11\\n", PARE_INPUT, "f32[rows, 5]" },
   { "output %11\\n", "output %8\\n", PARE_INPUT, "f32[rows, 5]" },
   { "\"bos\":1", "\"bos\":5", PARE_INPUT, "start token" },
   { "\"end\":[2", "\"end\":[5", PARE_INPUT, "end token" },
   { "\"vocab\":5", "\"vocab\":5,\"vocab\":5", PARE_INPUT, "stands twice" },
   { "\"offset\":64,", "\"offset\":64,\"offset\":64,", PARE_INPUT, "stands twice" },
   { "{\"schema\"", "{\"end\":[],\"schema\"", PARE_INPUT, "stands twice" },
   { "\"end\":[2", "\"end\":[-2", PARE_INPUT, "end tokens" },
   { "\"end\":[", "\"end\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,", PARE_INPUT, "end tokens" },
   { "[18, 64] i8", "[33, 64] i8", PARE_INPUT, "" },
   { "[64] bf16", "[9223372036854775807] bf16", PARE_INPUT, "" },
   { "{\\\"rotation\\\":32}", "{\\\"rotation\\\":48}", PARE_INPUT, "cannot hold" },
   { "{\\\"rotation\\\":32}", "{\\\"turn\\\":32}", PARE_INPUT, "turn" },
   { "weight \\\"norm\\\"", "weight \\\"nor\\\"", PARE_INPUT, "nor" },
   { "{\"schema\"", "[\"schema\"", PARE_INPUT, "" },
};

START_TEST(changed_headers_are_refused)
{
   site s;
   pare_model *model;
   pare_str text = { 0 };
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   pare_buffer *file = bytes_of(&s.ctx, s.path);
   header_text(&s.ctx, file, &text);
   for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
      const char *at = strstr(text.data, edits[i].from);
      ck_assert_msg(at != NULL, "no %s in %s", edits[i].from, text.data);
      write_edited(&s, file, &text, (size_t)(at - text.data), strlen(edits[i].from), edits[i].to);
      pare_status status = pare_artifact_load(&s.ctx, s.other, &model);
      ck_assert_msg(status == edits[i].status && strstr(s.ctx.error.message, edits[i].message),
                    "%s -> %s: status %d: %s", edits[i].from, edits[i].to, status, s.ctx.error.message);
      pare_ctx_clear(&s.ctx);
   }
   pare_str_finish(&s.ctx, &text);
   pare_buffer_unref(&s.ctx, file);
   site_end(&s);
}
END_TEST

/* Every number of the list of sections becomes each of these; some say what is so anyway. */
START_TEST(any_number_of_a_section_is_survived)
{
   static const char *const values[] = { "0", "1", "63", "64", "192", "4096", "-1", "0.5", "1e9",
                                         "9007199254740992", "9223372036854775807", "18446744073709551616" };
   site s;
   site_begin(&s);
   for (int deflate = 0; deflate < 2; deflate++) {
      pare_str text = { 0 };
      assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, deflate));
      pare_buffer *file = bytes_of(&s.ctx, s.path);
      header_text(&s.ctx, file, &text);
      size_t at = (size_t)(strstr(text.data, "\"sections\":") - text.data);
      for (size_t size; at < text.size; at += size + 1) {
         at += strcspn(text.data + at, ":") + 1;
         if (at >= text.size) break;
         size = strspn(text.data + at, "0123456789");
         for (size_t i = 0; size && i < sizeof values / sizeof *values; i++) {
            write_edited(&s, file, &text, at, size, values[i]);
            assert_refused_or(&s, s.other, true);
         }
      }
      pare_str_finish(&s.ctx, &text);
      pare_buffer_unref(&s.ctx, file);
   }
   site_end(&s);
}
END_TEST

/* Where the foot says the header lies. */
static size_t header_at(const pare_buffer *file)
{
   pare_cursor foot = pare_cursor_on(pare_buffer_data(file) + pare_buffer_size(file) - PARE_FILE_FOOT, 8);
   return pare_cursor_u64(&foot);
}

/* The header moved back by 64, and what then lies before it set to `value`. */
static void write_moved(site *s, const pare_buffer *file, uint8_t value)
{
   pare_str out = { 0 };
   const uint8_t *data = pare_buffer_data(file);
   size_t at = header_at(file), size = pare_buffer_size(file);
   char line[PARE_FILE_ALIGN];
   memset(line, value, sizeof line);
   assert_ok(&s->ctx, pare_str_append(&s->ctx, &out, data, at));
   assert_ok(&s->ctx, pare_str_append(&s->ctx, &out, line, sizeof line));
   assert_ok(&s->ctx, pare_str_append(&s->ctx, &out, data + at, size - at));
   pare_put_uint((uint8_t *)out.data + out.size - PARE_FILE_FOOT, at + sizeof line, 8);
   write_at(s->other, out.data, out.size);
   pare_str_finish(&s->ctx, &out);
}

/* No hash covers the bytes between the parts: they must be zero, and no more than alignment asks for. The
 * tokenizer is the last section, and deflated its end is not aligned. */
START_TEST(gaps_are_short_and_zero)
{
   site s;
   pare_model *model;
   uint64_t bytes;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   pare_buffer *file = bytes_of(&s.ctx, s.path);
   size_t last = header_at(file) - 1;
   ck_assert_uint_eq(pare_buffer_data(file)[last], 0);
   for (uint8_t value = 0; value < 2; value++) {
      write_moved(&s, file, value);
      assert_fails(&s.ctx, pare_artifact_verify(&s.ctx, s.other, &bytes), PARE_INPUT, "no section");
      assert_fails(&s.ctx, pare_artifact_load(&s.ctx, s.other, &model), PARE_INPUT, "no section");
   }
   poke(s.path, last, 1);
   assert_fails(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &bytes), PARE_INPUT, "must be zero");
   assert_fails(&s.ctx, pare_artifact_load(&s.ctx, s.path, &model), PARE_INPUT, "must be zero");
   pare_buffer_unref(&s.ctx, file);
   site_end(&s);
}
END_TEST

/* Between head and header each byte counts: it belongs to a section or must be zero. */
START_TEST(verify_sees_every_byte)
{
   site s;
   uint64_t bytes;
   site_begin(&s);
   for (int deflate = 0; deflate < 2; deflate++) {
      assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, deflate));
      pare_buffer *file = bytes_of(&s.ctx, s.path);
      for (size_t at = PARE_FILE_HEAD; at < header_at(file); at++) {
         poke(s.path, at, pare_buffer_data(file)[at] ^ 0xff);
         pare_status status = pare_artifact_verify(&s.ctx, s.path, &bytes);
         ck_assert_msg(status == PARE_DIFFERS || strstr(s.ctx.error.message, "must be zero"), "byte %zu: %s",
                       at, s.ctx.error.message);
         pare_ctx_clear(&s.ctx);
         poke(s.path, at, pare_buffer_data(file)[at]);
      }
      pare_buffer_unref(&s.ctx, file);
   }
   site_end(&s);
}
END_TEST

START_TEST(verify_names_the_section)
{
   site s;
   pare_model *model;
   uint64_t bytes;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, false));
   poke(s.path, 64 + 2176, 0x77);
   assert_fails(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &bytes), PARE_DIFFERS, "section weights/norm:");
   assert_ok(&s.ctx, pare_artifact_load(&s.ctx, s.path, &model));
   pare_model_destroy(&s.ctx, model);
   site_end(&s);
}
END_TEST

START_TEST(verify_names_the_deflated_section)
{
   site s;
   pare_model *model;
   uint64_t bytes;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, true));
   poke(s.path, PARE_FILE_HEAD + 2, 0xff);
   assert_fails(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &bytes), PARE_DIFFERS, "section weights/embed:");
   assert_fails(&s.ctx, pare_artifact_load(&s.ctx, s.path, &model), PARE_INPUT, "deflated stream");
   site_end(&s);
}
END_TEST

/* A flipped byte of a deflated section breaks the stream, whose own checksum is checked too. */
START_TEST(flipped_deflated_bytes_are_found)
{
   site s;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, true));
   pare_buffer *file = bytes_of(&s.ctx, s.path);
   for (size_t at = PARE_FILE_HEAD; at < PARE_FILE_HEAD + 200; at++) {
      poke(s.path, at, pare_buffer_data(file)[at] ^ 0x10);
      assert_refused_or(&s, s.path, false);
      poke(s.path, at, pare_buffer_data(file)[at]);
   }
   pare_buffer_unref(&s.ctx, file);
   site_end(&s);
}
END_TEST

/* ---- stopping ---- */

enum { LARGE_ROWS = 1024, LARGE = 1024 * LARGE_ROWS * 4, N_LARGE = 3 };

/* Weights of 4 MB that deflate to about a half. */
static void add_large_weights(site *s)
{
   static const char *const names[N_LARGE] = { "large.0", "large.1", "large.2" };
   const int64_t dim[2] = { LARGE_ROWS, 1024 };
   for (size_t n = 0; n < N_LARGE; n++) {
      pare_buffer *data;
      pare_weight *weight;
      pare_rng rng;
      pare_rng_seed(&rng, n);
      assert_ok(&s->ctx, pare_buffer_create(&s->ctx, LARGE, &data));
      uint8_t *bytes = pare_buffer_edit(data);
      for (size_t i = 0; i < LARGE; i += 16) pare_put_uint(bytes + i, pare_rng_next(&rng), 8);
      assert_ok(&s->ctx, pare_graph_add_weight(&s->ctx, s->made->graph, names[n], 2, dim,
                                               (pare_encoding){ .kind = PARE_ENC_F32 }, data, &weight));
      pare_buffer_unref(&s->ctx, data);
   }
}

typedef struct stopper {
   const char *task;
   volatile sig_atomic_t stop;
   double done;
} stopper;

/* Raises the flag at the first report of `task`. */
static void stop_at(void *user, const pare_progress *progress)
{
   stopper *s = user;
   if (strcmp(progress->task, s->task) != 0) return;
   ck_assert_str_eq(progress->unit, "bytes");
   ck_assert(progress->total > N_LARGE * (double)LARGE);
   s->done = progress->done;
   s->stop = SIGTERM;
}

START_TEST(hashing_ends_early)
{
   site s;
   uint64_t bytes;
   site_begin(&s);
   add_large_weights(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, true));
   stopper stop = { .task = "hash" };
   s.ctx.user = &stop;
   s.ctx.progress = stop_at;
   s.ctx.stop = &stop.stop;
   assert_fails(&s.ctx, made_write(&s.ctx, s.made, s.other, false), PARE_STOPPED, "signal");
   ck_assert(stop.done > 0 && stop.done < 1 << 21);
   stop = (stopper){ .task = "verify" };
   assert_fails(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &bytes), PARE_STOPPED, "signal");
   ck_assert(stop.done > 0 && stop.done < 1 << 21);
   ck_assert_int_eq(count_files(&s), 1);
   site_end(&s);
}
END_TEST

/* ---- memory ---- */

/* Bytes in use of the heap under it. */
typedef struct meter {
   unit_heap *heap;
   size_t live, most;
} meter;

static void *meter_fn(void *user, void *ptr, size_t size)
{
   meter *m = user;
   m->live -= ptr ? malloc_usable_size(ptr) : 0;
   void *grown = unit_heap_fn(m->heap, ptr, size);
   m->live += grown ? malloc_usable_size(grown) : 0;
   if (m->live > m->most) m->most = m->live;
   return grown;
}

START_TEST(memory_stays_bounded)
{
   site s;
   uint64_t bytes;
   site_begin(&s);
   add_large_weights(&s);
   meter m = { .heap = &s.heap };
   s.ctx.alloc = (pare_allocator){ meter_fn, &m };
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, true));
   ck_assert_uint_lt(m.most, LARGE / 4);
   m.most = 0;
   assert_ok(&s.ctx, pare_artifact_verify(&s.ctx, s.path, &bytes));
   ck_assert_uint_gt(m.most, LARGE);
   ck_assert_uint_lt(m.most, LARGE + LARGE / 4);
   ck_assert_uint_eq(m.live, 0);
   s.ctx.alloc = (pare_allocator){ unit_heap_fn, &s.heap };
   site_end(&s);
}
END_TEST

static void fail_each_write(bool deflate)
{
   site s;
   site_begin(&s);
   long blocks = s.heap.blocks;
   for (long at = 1;; at++) {
      s.heap.calls = 0;
      s.heap.fail_at = at;
      pare_status status = made_write(&s.ctx, s.made, s.path, deflate);
      ck_assert_int_eq(s.heap.blocks, blocks);
      ck_assert_int_eq(count_files(&s), status == PARE_OK);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
      pare_ctx_clear(&s.ctx);
   }
   s.heap.fail_at = 0;
   site_end(&s);
}

START_TEST(writing_survives_failed_allocations)
{
   fail_each_write(false);
   fail_each_write(true);
}
END_TEST

static pare_status load_and_verify(site *s)
{
   pare_model *model;
   uint64_t bytes;
   PARE_TRY(pare_artifact_load(&s->ctx, s->path, &model));
   pare_model_destroy(&s->ctx, model);
   return pare_artifact_verify(&s->ctx, s->path, &bytes);
}

START_TEST(loading_survives_failed_allocations)
{
   site s;
   site_begin(&s);
   assert_ok(&s.ctx, made_write(&s.ctx, s.made, s.path, true));
   long blocks = s.heap.blocks;
   for (long at = 1;; at++) {
      s.heap.calls = 0;
      s.heap.fail_at = at;
      pare_status status = load_and_verify(&s);
      ck_assert_int_eq(s.heap.blocks, blocks);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
      pare_ctx_clear(&s.ctx);
   }
   s.heap.fail_at = 0;
   site_end(&s);
}
END_TEST

UNIT_MAIN("formats_pare", raw_comes_back, deflated_comes_back, same_inputs_same_bytes, results_stay_in_place,
          superseded_results_are_dropped, a_shared_result_hides_no_hole, every_fixed_byte_counts,
          every_truncation_is_refused, changed_headers_are_refused, any_number_of_a_section_is_survived,
          gaps_are_short_and_zero, verify_sees_every_byte, verify_names_the_section,
          verify_names_the_deflated_section, flipped_deflated_bytes_are_found, hashing_ends_early,
          memory_stays_bounded, writing_survives_failed_allocations,
          loading_survives_failed_allocations)
