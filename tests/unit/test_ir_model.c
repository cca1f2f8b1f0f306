/* Models: sources, hashes, copies and totals. */
#include "ir/model.h"

#include "graphs.h"

static pare_ctx ctx;
static unit_heap heap;

static pare_status build(pare_model **out)
{
   pare_buffer *bytes = NULL;
   PARE_TRY(pare_model_create(&ctx, out));
   pare_model *model = *out;
   model->path = "somewhere";
   model->arch = "llama";
   model->vocab = 6;
   model->end[model->n_end++] = 5;
   PARE_TRY(parse_text(&ctx, TINY_LLAMA, &model->graph));
   PARE_TRY(pare_buffer_copy(&ctx, "{}", 2, &model->tokenizer));
   PARE_TRY(pare_buffer_copy(&ctx, "abc", 3, &bytes));
   PARE_TRY(pare_model_add_source(&ctx, model, "model.safetensors", bytes));
   return pare_model_add_source(&ctx, model, "gone.safetensors", NULL);
}

static void count_progress(void *user, const pare_progress *progress)
{
   *(double *)user = progress->done;
}

START_TEST(sources_are_hashed)
{
   pare_model *model;
   double done = 0;
   unit_heap_init(&ctx, &heap);
   ctx.progress = count_progress;
   ctx.user = &done;
   assert_ok(&ctx, build(&model));
   assert_ok(&ctx, pare_model_hash(&ctx, model));
   ck_assert_str_eq(model->sources[0].sha256,
                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
   ck_assert_ptr_null(model->sources[1].sha256);
   ck_assert_double_eq(done, 3);
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(totals_are_counted)
{
   pare_model *model;
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, build(&model));
   pare_value *fixed; /* a state that does not grow with positions */
   assert_ok(&ctx, pare_graph_add_state(&ctx, model->graph, "conv",
                                        pare_type_make(PARE_F32, 2, PARE_DIM_SLOTS, 4), &fixed));
   pare_model_totals totals = pare_model_count(model);
   ck_assert_int_eq(totals.params, 48 + 8 + 64 + 32 + 32 + 4);
   ck_assert_uint_eq(totals.tensor_bytes, 4 * 48 + 2 * 8 + 4 * 64 + 2 * 32 + 4 * 32 + 4 * 4);
   ck_assert_double_eq(totals.macs_per_token, 64 + 32 + 32 + 48 + 2 * 8);
   ck_assert_int_eq(totals.kv_bytes_per_token, 4 * 8);
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(a_copy_shares_bytes)
{
   pare_model *model, *copy;
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, build(&model));
   assert_ok(&ctx, pare_model_hash(&ctx, model));
   assert_ok(&ctx, pare_model_clone(&ctx, model, &copy));
   ck_assert_ptr_eq(copy->tokenizer, model->tokenizer);
   ck_assert_ptr_eq(copy->sources[0].bytes, model->sources[0].bytes);
   ck_assert_str_eq(copy->sources[0].sha256, model->sources[0].sha256);
   ck_assert_str_eq(copy->arch, "llama");
   ck_assert_ptr_null(copy->licence);
   ck_assert_int_eq(copy->end[0], 5);
   ck_assert_int_eq(copy->bos, -1);
   ck_assert_uint_eq(copy->graph->n_nodes, model->graph->n_nodes);
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(pare_buffer_data(copy->sources[0].bytes)[0], 'a');
   pare_model_destroy(&ctx, copy);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
   for (long at = 1;; at++) {
      pare_model *model = NULL, *copy = NULL;
      unit_heap_init(&ctx, &heap);
      heap.fail_at = at;
      pare_status status = build(&model);
      if (status == PARE_OK) status = pare_model_hash(&ctx, model);
      if (status == PARE_OK) status = pare_model_clone(&ctx, model, &copy);
      pare_model_destroy(&ctx, model);
      pare_model_destroy(&ctx, copy);
      ck_assert_int_eq(heap.blocks, 0);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
   }
}
END_TEST

UNIT_MAIN("ir_model", sources_are_hashed, totals_are_counted, a_copy_shares_bytes, every_allocation_may_fail)
