/* Reading Hugging Face directories: graphs of handmade models, tokens, templates, cards, and each refusal. */
#include "formats/format.h"
#include "formats/hf.h"
#include "formats_files.h"

/* The sizes of a Llama; those of SIZES are what llama_tensors has. */
#define LLAMA_SIZES(vocab, inner, layers, heads, kv_heads)                                                \
   "\"vocab_size\":" #vocab ",\"hidden_size\":4,\"intermediate_size\":" #inner                            \
   ",\"num_hidden_layers\":" #layers ",\"num_attention_heads\":" #heads                                   \
   ",\"num_key_value_heads\":" #kv_heads ",\"max_position_embeddings\":16"
#define SIZES LLAMA_SIZES(8, 6, 1, 2, 1)
#define LLAMA "\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\"," SIZES
#define GPT2_SIZES(heads)                                                                                 \
   "\"vocab_size\":8,\"n_embd\":4,\"n_layer\":1,\"n_head\":" #heads ",\"n_positions\":16"
#define GPT2 "\"architectures\":[\"GPT2LMHeadModel\"]," GPT2_SIZES(2)

#define LAYER "model.layers.0."
static const tensor_spec llama_tensors[] = {
   { "model.embed_tokens.weight", "F16", 8, 4 },
   { LAYER "input_layernorm.weight", "F32", 4, 0 },
   { LAYER "self_attn.q_proj.weight", "BF16", 4, 4 },
   { LAYER "self_attn.k_proj.weight", "BF16", 2, 4 },
   { LAYER "self_attn.v_proj.weight", "BF16", 2, 4 },
   { LAYER "self_attn.o_proj.weight", "BF16", 4, 4 },
   { LAYER "post_attention_layernorm.weight", "F32", 4, 0 },
   { LAYER "mlp.gate_proj.weight", "F32", 6, 4 },
   { LAYER "mlp.up_proj.weight", "F32", 6, 4 },
   { LAYER "mlp.down_proj.weight", "F32", 4, 6 },
   { LAYER "self_attn.rotary_emb.inv_freq", "F32", 1, 0 },
   { "model.norm.weight", "F32", 4, 0 },
   { "lm_head.weight", "F32", 8, 4 },
   { 0 },
};
static const tensor_spec gpt2_tensors[] = {
   { "wte.weight", "F32", 8, 4 },
   { "wpe.weight", "F32", 16, 4 },
   { "h.0.ln_1.weight", "F32", 4, 0 },
   { "h.0.ln_1.bias", "F32", 4, 0 },
   { "h.0.attn.c_attn.weight", "F32", 4, 12 },
   { "h.0.attn.c_attn.bias", "F32", 12, 0 },
   { "h.0.attn.c_proj.weight", "F32", 4, 4 },
   { "h.0.attn.c_proj.bias", "F32", 4, 0 },
   { "h.0.attn.bias", "F32", 16, 16 },
   { "h.0.ln_2.weight", "F32", 4, 0 },
   { "h.0.ln_2.bias", "F32", 4, 0 },
   { "h.0.mlp.c_fc.weight", "F32", 4, 16 },
   { "h.0.mlp.c_fc.bias", "F32", 16, 0 },
   { "h.0.mlp.c_proj.weight", "F32", 16, 4 },
   { "h.0.mlp.c_proj.bias", "F32", 4, 0 },
   { "ln_f.weight", "F32", 4, 0 },
   { "ln_f.bias", "F32", 4, 0 },
   { 0 },
};

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   folder folder;
   pare_model *model;
   char notes[1024];
} fixture;

static void begin(fixture *f, const tensor_spec *specs)
{
   *f = (fixture){ .folder = folder_create() };
   unit_heap_init(&f->ctx, &f->heap);
   f->ctx.log = note_log;
   f->ctx.user = f->notes;
   folder_tensors(&f->ctx, &f->folder, "model.safetensors", specs);
}

static void end(fixture *f)
{
   pare_model_destroy(&f->ctx, f->model);
   folder_remove(&f->folder);
   ck_assert_int_eq(f->heap.blocks, 0);
}

/* Loads with that config, after dropping what was loaded before. */
static pare_status load(fixture *f, const char *config)
{
   pare_model_destroy(&f->ctx, f->model);
   f->model = NULL;
   f->notes[0] = '\0';
   folder_text(&f->folder, "config.json", config);
   return pare_model_load(&f->ctx, f->folder.path, &f->model);
}

static bool has_line(fixture *f, const char *text)
{
   pare_str out = { 0 };
   assert_ok(&f->ctx, pare_graph_print(&f->ctx, f->model->graph, &out));
   assert_ok(&f->ctx, pare_str_append(&f->ctx, &out, "", 1));
   bool found = strstr(out.data, text) != NULL;
   pare_str_finish(&f->ctx, &out);
   return found;
}

START_TEST(builds_llama)
{
   fixture f;
   begin(&f, llama_tensors);
   assert_ok(&f.ctx,
             load(&f, "{" LLAMA ",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5e5}}"));
   ck_assert_str_eq(f.notes, "");
   assert_ok(&f.ctx, pare_graph_validate(&f.ctx, f.model->graph, PARE_INTERNAL));
   ck_assert_str_eq(f.model->arch, "llama");
   ck_assert_str_eq(f.model->format, "hf");
   ck_assert_int_eq(f.model->context, 16);
   ck_assert_int_eq(f.model->vocab, 8);
   ck_assert_uint_eq(f.model->n_sources, 2);
   ck_assert_int_eq(pare_model_count(f.model).params, 64 + 12 + 48 + 72);
   ck_assert(has_line(&f, "weight \"model.embed_tokens.weight\" [8, 4] f16"));
   ck_assert(has_line(&f, "linear \"layers.0.self_attn.k_proj\""));
   ck_assert(has_line(&f, "\"theta\":500000"));
   ck_assert(has_line(&f, "linear \"lm_head\""));
   assert_ok(&f.ctx,
             load(&f, "{" LLAMA ",\"tie_word_embeddings\":true,\"hidden_act\":\"gelu_pytorch_tanh\"}"));
   ck_assert_str_eq(f.notes, "");
   ck_assert_int_eq(pare_model_count(f.model).params, 32 + 12 + 48 + 72);
   ck_assert(has_line(&f, "\"kind\":\"gelu_tanh\""));
   end(&f);
}
END_TEST

START_TEST(builds_gpt2)
{
   fixture f;
   begin(&f, gpt2_tensors);
   assert_ok(&f.ctx, load(&f, "{" GPT2 ",\"scale_attn_by_inverse_layer_idx\":true}"));
   ck_assert_str_eq(f.notes, "");
   assert_ok(&f.ctx, pare_graph_validate(&f.ctx, f.model->graph, PARE_INTERNAL));
   ck_assert_str_eq(f.model->arch, "gpt2");
   ck_assert_int_eq(f.model->context, 16);
   ck_assert(has_line(&f, "weight \"h.0.attn.c_attn.weight\" [12, 4] f32 {\"transposed\":true}"));
   ck_assert(has_line(&f, "slice \"layers.0.self_attn.v_slice\""));
   end(&f);
}
END_TEST

START_TEST(names_without_prefix)
{
   tensor_spec specs[sizeof llama_tensors / sizeof *llama_tensors];
   fixture f;
   memcpy(specs, llama_tensors, sizeof specs);
   for (tensor_spec *s = specs; s->name; s++)
      if (strncmp(s->name, "model.", 6) == 0) s->name += 6;
   begin(&f, specs);
   assert_ok(&f.ctx, load(&f, "{" LLAMA "}"));
   ck_assert_str_eq(f.notes, "");
   ck_assert_ptr_nonnull(pare_graph_find_weight(f.model->graph, "layers.0.mlp.up_proj.weight"));
   end(&f);
}
END_TEST

typedef struct refusal {
   const char *config;
   pare_status status;
   const char *text;
} refusal;

static void refuse_all(const tensor_spec *specs, const refusal *cases)
{
   fixture f;
   begin(&f, specs);
   for (; cases->config; cases++)
      assert_fails(&f.ctx, load(&f, cases->config), cases->status, cases->text);
   end(&f);
}

START_TEST(refuses_strangers)
{
   static const refusal cases[] = {
      { "[]", PARE_INPUT, "not a JSON object" },
      { "{\"a\":", PARE_INPUT, "line 1" },
      { "{}", PARE_INPUT, "neither \"architectures\" nor \"model_type\"" },
      { "{\"architectures\":[\"BertModel\"]}", PARE_UNSUPPORTED,
        "\"BertModel\" is not supported; known: LlamaForCausalLM, Mistral" },
      { "{\"model_type\":\"mamba\"}", PARE_UNSUPPORTED, "\"mamba\" is not supported" },
      { "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"}", PARE_UNSUPPORTED,
        "LlamaForSequence" },
      { "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"gpt2\"}", PARE_INPUT,
        "\"model_type\" says \"gpt2\"" },
      { 0 },
   };
   refuse_all(llama_tensors, cases);
}
END_TEST

#define WITH(more) "{" LLAMA "," more "}"
#define SIZED(...) "{\"model_type\":\"llama\"," LLAMA_SIZES(__VA_ARGS__) "}"

START_TEST(refuses_llama_configs)
{
   static const refusal cases[] = {
      { "{\"model_type\":\"llama\",\"vocab_size\":8}", PARE_INPUT, "\"hidden_size\" is missing" },
      { SIZED(-8, 6, 1, 2, 1), PARE_INPUT, "\"vocab_size\" is -8, expected a whole number in" },
      { SIZED(1e30, 6, 1, 2, 1), PARE_INPUT, "\"vocab_size\"" },
      { SIZED("8", 6, 1, 2, 1), PARE_INPUT, "\"vocab_size\" is \"8\"" },
      { SIZED(8, 6, 10001, 2, 1), PARE_INPUT, "\"num_hidden_layers\" is 10001" },
      { SIZED(8, 6, 1, 3, 1), PARE_INPUT, "hidden_size 4 is not a multiple of num_attention_heads 3" },
      { SIZED(8, 6, 1, 4, 1), PARE_INPUT, "head_dim 1 is not an even number" },
      { SIZED(8, 6, 1, 2, 3), PARE_INPUT,
        "num_attention_heads 2 is not a multiple of num_key_value_heads 3" },
      { "{\"model_type\":\"llama\"," LLAMA_SIZES(8, 6, 1, 60000, 1) ",\"head_dim\":60000}", PARE_INPUT,
        "num_attention_heads 60000 times head_dim 60000 is above" },
      { SIZED(8, 7, 1, 2, 1), PARE_INPUT, "shape [6, 4], config.json says [7, 4]" },
      { SIZED(9, 6, 1, 2, 1), PARE_INPUT, "shape [8, 4], config.json says [9, 4]" },
      { SIZED(8, 6, 2, 2, 1), PARE_INPUT, "the tensor is missing; config.json asks for it with shape [4]" },
      { WITH("\"head_dim\":6"), PARE_INPUT, "config.json says [12, 4]" },
      { WITH("\"rms_norm_eps\":-1"), PARE_INPUT, "rms_norm_eps" },
      { WITH("\"rope_theta\":0"), PARE_INPUT, "rope_theta" },
      { WITH("\"tie_word_embeddings\":3"), PARE_INPUT, "tie_word_embeddings" },
      { WITH("\"hidden_act\":\"mish\""), PARE_UNSUPPORTED, "hidden_act \"mish\" is not supported" },
      { WITH("\"rope_scaling\":{\"factor\":2}"), PARE_UNSUPPORTED, "rope_scaling of type \"unknown\"" },
      { WITH("\"rope_scaling\":3"), PARE_INPUT, "\"rope_scaling\" is not an object" },
      { WITH("\"rope_parameters\":{\"rope_type\":\"mrope\"}"), PARE_UNSUPPORTED,
        "rope_parameters of type \"mrope\"" },
      { WITH("\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1e4}}"), PARE_UNSUPPORTED,
        "\"full_attention\"" },
      { WITH("\"rope_parameters\":{\"partial_rotary_factor\":0.5}"), PARE_UNSUPPORTED,
        "partial_rotary_factor 0.5" },
      { WITH("\"partial_rotary_factor\":0.5"), PARE_UNSUPPORTED, "partial_rotary_factor 0.5" },
      { WITH("\"sliding_window\":8"), PARE_UNSUPPORTED,
        "sliding_window 8 shorter than the context 16 is not supported yet" },
      { WITH("\"layer_types\":[\"sliding_attention\"]"), PARE_UNSUPPORTED,
        "layer_types \"sliding_attention\"" },
      { WITH("\"layer_types\":[]"), PARE_INPUT, "layer_types" },
      { WITH("\"attention_bias\":true"), PARE_INPUT,
        "the tensor is missing; config.json asks for it with shape [4]" },
      { WITH("\"mlp_bias\":true"), PARE_INPUT,
        "the tensor is missing; config.json asks for it with shape [6]" },
      { WITH("\"quantization_config\":{\"quant_method\":\"gptq\"}"), PARE_UNSUPPORTED,
        "quantization_config \"gptq\"" },
      { "{\"model_type\":\"qwen2\"," SIZES "}", PARE_INPUT,
        "the tensor is missing; config.json asks for it with shape [4]" },
      { "{\"model_type\":\"qwen2\"," SIZES ",\"use_sliding_window\":true,\"sliding_window\":8}",
        PARE_UNSUPPORTED, "sliding_window 8" },
      { "{\"model_type\":\"mistral\",\"vocab_size\":8,\"hidden_size\":4,\"intermediate_size\":6,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"max_position_embeddings\":32768}",
        PARE_UNSUPPORTED, "sliding_window 4096 shorter than the context 32768" },
      { "{\"model_type\":\"qwen3\"," SIZES "}", PARE_INPUT, "config.json says [256, 4]" },
      { 0 },
   };
   refuse_all(llama_tensors, cases);
}
END_TEST

#define SCALED(text) WITH("\"rope_scaling\":{" text "}")
#define PHI3(more) "{\"model_type\":\"phi3\"," SIZES "," more "}"

START_TEST(refuses_rope_scaling)
{
   static const refusal cases[] = {
      { SCALED("\"type\":\"Linear\",\"factor\":2"), PARE_UNSUPPORTED, "rope_scaling of type \"Linear\"" },
      { SCALED("\"rope_type\":3"), PARE_UNSUPPORTED, "rope_scaling of type \"unknown\"" },
      { SCALED("\"type\":\"linear\""), PARE_INPUT, "\"factor\" is missing in \"rope_scaling\"" },
      { SCALED("\"type\":\"linear\",\"factor\":0.5"), PARE_INPUT, "\"factor\" is 0.5" },
      { SCALED("\"type\":\"linear\",\"factor\":\"2\""), PARE_INPUT, "\"factor\" is \"2\"" },
      { SCALED("\"type\":\"linear\",\"factor\":1e9"), PARE_INPUT, "factor" },
      { SCALED("\"type\":\"linear\",\"factor\":2,\"rope_theta\":0"), PARE_INPUT, "rope_theta" },
      { SCALED("\"type\":\"dynamic\",\"factor\":2"), PARE_INPUT, "heads of 2 elements" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"rope_theta\":1"), PARE_INPUT, "rope_theta above 1" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"attention_factor\":-1"), PARE_INPUT, "attention_factor" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"beta_fast\":\"x\""), PARE_INPUT, "beta_fast" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"mscale\":[]"), PARE_INPUT, "mscale" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"truncate\":1"), PARE_INPUT, "truncate" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"original_max_position_embeddings\":0"), PARE_INPUT,
        "original_max_position_embeddings" },
      { SCALED("\"type\":\"yarn\",\"factor\":2,\"original_max_position_embeddings\":8.5"), PARE_INPUT,
        "original_max_position_embeddings" },
      { SCALED("\"type\":\"llama3\",\"factor\":8,\"high_freq_factor\":4"), PARE_INPUT,
        "\"low_freq_factor\" is missing in \"rope_scaling\"" },
      { SCALED("\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4"), PARE_INPUT,
        "high_freq_factor 4 in \"rope_scaling\" is not above low_freq_factor 4" },
      { SCALED("\"type\":\"longrope\",\"short_factor\":[1]"), PARE_INPUT,
        "\"long_factor\" in \"rope_scaling\" is not a list of 1 numbers" },
      { SCALED("\"type\":\"su\",\"short_factor\":[1,1],\"long_factor\":[1]"), PARE_INPUT,
        "\"short_factor\" in \"rope_scaling\" is not a list of 1 numbers" },
      { SCALED("\"type\":\"su\",\"short_factor\":[1],\"long_factor\":[0]"), PARE_INPUT,
        "\"long_factor\"[0] in \"rope_scaling\" is not a number in [1e-06, 1e+06]" },
      { SCALED("\"type\":\"su\",\"short_factor\":[\"1\"],\"long_factor\":[1]"), PARE_INPUT,
        "\"short_factor\"[0] in \"rope_scaling\" is not a number" },
      { PHI3("\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"), PARE_UNSUPPORTED,
        "rope_scaling of type \"linear\"" },
      { PHI3("\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}"), PARE_INPUT, "\"short_factor\"" },
      { PHI3("\"partial_rotary_factor\":0.4"), PARE_INPUT, "partial_rotary_factor 0.4 of head_dim 2 is 0 elements" },
      { PHI3("\"head_dim\":6,\"partial_rotary_factor\":0.5"), PARE_UNSUPPORTED,
        "partial_rotary_factor 0.5 of head_dim 6 is 3 elements" },
      { PHI3("\"partial_rotary_factor\":-1"), PARE_INPUT, "partial_rotary_factor" },
      { PHI3("\"sliding_window\":8"), PARE_UNSUPPORTED, "sliding_window 8" },
      { PHI3("\"bos_token_id\":1"), PARE_INPUT, "config.json asks for it with shape [8, 4]" },
      { 0 },
   };
   for (const refusal *c = cases; c->config; c++) refuse_all(llama_tensors, (refusal[]){ *c, { 0 } });
}
END_TEST

typedef struct scaled {
   const char *config;
   const char *attrs; /* in the text of the rope nodes */
   int64_t context;
} scaled;

/* transformers' rules for what a config leaves out; numbers by hand. */
START_TEST(reads_rope_scaling)
{
   static const scaled cases[] = {
      { SCALED("\"type\":\"linear\",\"factor\":4"), "\"scaling\":\"linear\",\"factor\":4}", 64 },
      { SCALED("\"rope_type\":\"yarn\",\"type\":\"linear\",\"factor\":4"),
        "\"scaling\":\"yarn\",\"factor\":4,\"original_context\":16,\"attention_factor\":1.138629436111989}", 64 },
      { SCALED("\"type\":\"yarn\",\"original_max_position_embeddings\":4"),
        "\"factor\":4,\"original_context\":4,\"attention_factor\":1.138629436111989}", 16 },
      { SCALED("\"type\":\"yarn\",\"factor\":4,\"mscale\":2,\"mscale_all_dim\":0,\"beta_fast\":0"),
        "\"original_context\":16,\"attention_factor\":1.138629436111989}", 64 },
      { SCALED("\"type\":\"yarn\",\"factor\":4,\"mscale\":2,\"mscale_all_dim\":2"),
        "\"original_context\":16}", 64 },
      { SCALED("\"type\":\"yarn\",\"factor\":4,\"attention_factor\":0.5,\"truncate\":false,\"beta_slow\":2"),
        "\"beta_slow\":2,\"truncate\":false,\"attention_factor\":0.5}", 64 },
      { "{" LLAMA ",\"original_max_position_embeddings\":4,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
        "\"low_freq_factor\":2,\"high_freq_factor\":3,\"original_max_position_embeddings\":8}}",
        "\"factor\":8,\"original_context\":4,\"low_freq_factor\":2,\"high_freq_factor\":3}", 16 },
      { SCALED("\"type\":\"su\",\"short_factor\":[1.5],\"long_factor\":[3],"
               "\"original_max_position_embeddings\":4"),
        "\"scaling\":\"longrope\",\"original_context\":4,\"short_factor\":[1.5],\"long_factor\":[3],"
        "\"attention_factor\":1.4142135623730951}", 16 },
      { SCALED("\"type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[3]"),
        "\"original_context\":16,\"short_factor\":[1],\"long_factor\":[3]}", 16 },
      { "{" LLAMA ",\"rope_theta\":500,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},"
        "\"rope_parameters\":{\"rope_type\":\"yarn\",\"rope_theta\":700}}",
        "\"theta\":500,\"scaling\":\"linear\",\"factor\":2}", 32 },
      { "{" LLAMA ",\"rope_theta\":500,\"rope_scaling\":{},\"rope_parameters\":{\"rope_theta\":700}}",
        "\"theta\":700}", 16 },
      { 0 },
   };
   fixture f;
   begin(&f, llama_tensors);
   for (const scaled *c = cases; c->config; c++) {
      assert_ok(&f.ctx, load(&f, c->config));
      ck_assert_msg(has_line(&f, c->attrs), "%s", c->config);
      ck_assert_int_eq(f.model->context, c->context);
   }
   end(&f);
}
END_TEST

START_TEST(refuses_gpt2_configs)
{
   static const refusal cases[] = {
      { "{\"model_type\":\"gpt2\"," GPT2_SIZES(3) "}", PARE_INPUT, "n_embd 4 is not a multiple of n_head 3" },
      { "{" GPT2 ",\"add_cross_attention\":true}", PARE_UNSUPPORTED, "add_cross_attention" },
      { "{" GPT2 ",\"activation_function\":\"tanh\"}", PARE_UNSUPPORTED, "activation_function \"tanh\"" },
      { "{" GPT2 ",\"n_inner\":15}", PARE_INPUT, "shape [4, 16], config.json says [4, 15]" },
      { "{" GPT2 ",\"tie_word_embeddings\":false}", PARE_INPUT, "the tensor is missing" },
      { 0 },
   };
   refuse_all(gpt2_tensors, cases);
}
END_TEST

START_TEST(refuses_a_useless_dtype)
{
   tensor_spec specs[sizeof llama_tensors / sizeof *llama_tensors];
   memcpy(specs, llama_tensors, sizeof specs);
   specs[8].dtype = "F64";
   refuse_all(specs, (refusal[]){ { "{" LLAMA "}", PARE_UNSUPPORTED, "dtype F64 is not supported" }, { 0 } });
}
END_TEST

START_TEST(accepts_what_changes_nothing)
{
   static const char *const configs[] = {
      WITH("\"rope_scaling\":null"),
      WITH("\"rope_scaling\":{\"rope_type\":\"default\"}"),
      WITH("\"head_dim\":null"),
      WITH("\"sliding_window\":16"),
      WITH("\"sliding_window\":null"),
      WITH("\"layer_types\":[\"full_attention\"]"),
      WITH("\"partial_rotary_factor\":1.0"),
      WITH("\"pretraining_tp\":2"),
      WITH("\"quantization_config\":null"),
      "{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":null}",
      "{\"model_type\":\"mistral\"," SIZES "}",
   };
   fixture f;
   begin(&f, llama_tensors);
   for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) assert_ok(&f.ctx, load(&f, configs[i]));
   end(&f);
}
END_TEST

START_TEST(finds_tokens)
{
   fixture f;
   begin(&f, llama_tensors);
   assert_ok(&f.ctx, load(&f, WITH("\"bos_token_id\":1,\"eos_token_id\":2")));
   ck_assert_int_eq(f.model->bos, 1);
   ck_assert_uint_eq(f.model->n_end, 1);
   ck_assert(!f.model->add_bos);
   folder_text(&f.folder, "generation_config.json", "{\"eos_token_id\":[5,6,5,99,-1]}");
   folder_text(&f.folder, "tokenizer_config.json", "{\"add_bos_token\":true}");
   assert_ok(&f.ctx, load(&f, WITH("\"bos_token_id\":1,\"eos_token_id\":2")));
   ck_assert(f.model->n_end == 2 && f.model->end[0] == 5 && f.model->end[1] == 6);
   ck_assert(f.model->bos == 1 && f.model->add_bos);
   ck_assert_str_eq(f.notes, "token_id: eos_token_id 99 is outside the vocabulary of 8\n");
   folder_text(&f.folder, "generation_config.json", "{}");
   folder_text(&f.folder, "tokenizer_config.json",
               "{\"tokenizer_class\":\"LlamaTokenizerFast\",\"bos_token\":\"<s>\",\"eos_token\":{\"content\":"
               "\"</s>\"}}");
   folder_text(&f.folder, "tokenizer.json",
               "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\"},{\"id\":4,\"content\":\"</s>\"}]}");
   assert_ok(&f.ctx, load(&f, "{" LLAMA "}"));
   ck_assert(f.model->bos == 3 && f.model->n_end == 1 && f.model->end[0] == 4 && f.model->add_bos);
   ck_assert_uint_eq(f.model->n_sources, 5);
   ck_assert_uint_eq(pare_buffer_size(f.model->tokenizer), 69);
   assert_fails(&f.ctx, load(&f, WITH("\"eos_token_id\":\"x\"")), PARE_INPUT,
                "\"eos_token_id\" is not a token id");
   assert_fails(&f.ctx, load(&f, WITH("\"bos_token_id\":1.5")), PARE_INPUT,
                "\"bos_token_id\" is not a token id");
   folder_text(&f.folder, "generation_config.json", "{");
   assert_fails(&f.ctx, load(&f, "{" LLAMA "}"), PARE_INPUT, "line 1");
   end(&f);
}
END_TEST

/* More than a model keeps: the first ones, and a warning for each other. */
START_TEST(keeps_the_first_end_tokens)
{
   fixture f;
   pare_json *json;
   pare_model model = { .path = "here", .vocab = 100 };
   const char *text = "{\"eos_token_id\":[20,19,18,17,16,15,14,13,12,11,10,9,8,7,6,5,20,4,3]}";
   begin(&f, llama_tensors);
   assert_ok(&f.ctx, pare_json_parse(&f.ctx, text, strlen(text), "test", &json));
   assert_ok(&f.ctx, pare_hf_tokens(&f.ctx, NULL, json, NULL, &model));
   ck_assert_uint_eq(model.n_end, PARE_MAX_END_TOKENS);
   ck_assert(model.end[0] == 20 && model.end[15] == 5);
   ck_assert_str_eq(f.notes, "end_tokens: end token 4 is left out, at most 16 are kept\n"
                             "end_tokens: end token 3 is left out, at most 16 are kept\n");
   pare_json_free(json);
   end(&f);
}
END_TEST

START_TEST(finds_templates)
{
   fixture f;
   begin(&f, llama_tensors);
   folder_text(&f.folder, "tokenizer_config.json", "{\"chat_template\":\"{{ a }}\"}");
   assert_ok(&f.ctx, load(&f, "{" LLAMA "}"));
   ck_assert_str_eq(f.model->chat_template, "{{ a }}");
   folder_text(&f.folder, "tokenizer_config.json",
               "{\"chat_template\":[{\"name\":\"rag\",\"template\":\"r\"},"
               "{\"name\":\"default\",\"template\":\"d\"}]}");
   assert_ok(&f.ctx, load(&f, "{" LLAMA "}"));
   ck_assert_str_eq(f.model->chat_template, "d");
   folder_text(&f.folder, "chat_template.jinja", "from the file\n");
   assert_ok(&f.ctx, load(&f, "{" LLAMA "}"));
   ck_assert_str_eq(f.model->chat_template, "from the file\n");
   folder_write(&f.folder, "chat_template.jinja", "a\0b", 3);
   assert_fails(&f.ctx, load(&f, "{" LLAMA "}"), PARE_INPUT, "zero byte");
   end(&f);
}
END_TEST

START_TEST(reads_cards)
{
   static const struct { const char *text, *licence, *base; } cases[] = {
      { "---\nlicense: apache-2.0\nbase_model: \"org/name\"\n---\nlicense: no\n", "apache-2.0", "org/name" },
      { "---\r\ntags:\r\n- license: x\r\nlicense:   mit  \r\n"
        "base_model:\r\n  - 'a/b'\r\n  - c/d\r\n---\r\n", "mit", "a/b" },
      { "# license: mit\n", NULL, NULL },
      { "---\nlicense:\nbase_model:\n", NULL, NULL },
      { "---\n---\nlicense: mit\n", NULL, NULL },
      { "---", NULL, NULL },
      { "", NULL, NULL },
   };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_model *model;
      assert_ok(&ctx, pare_model_create(&ctx, &model));
      assert_ok(&ctx, pare_hf_card(&ctx, cases[i].text, strlen(cases[i].text), model));
      ck_assert_pstr_eq(model->licence, cases[i].licence);
      ck_assert_pstr_eq(model->base_model, cases[i].base);
      pare_model_destroy(&ctx, model);
   }
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(names_what_it_cannot_load)
{
   char path[FOLDER_PATH];
   fixture f;
   begin(&f, llama_tensors);
   assert_fails(&f.ctx, pare_model_load(&f.ctx, "/nowhere/at/all", &f.model), PARE_INPUT, "No such file");
   assert_fails(&f.ctx, pare_model_load(&f.ctx, f.folder.path, &f.model), PARE_INPUT,
                "a directory without config.json");
   static const struct { const char *name, *bytes; pare_status status; const char *text; } cases[] = {
      { "m.gguf", "GGUF\3", PARE_UNSUPPORTED, "GGUF files are not supported" },
      { "m", "GGUF\3", PARE_UNSUPPORTED, "GGUF files are not supported" },
      { "m.onnx", "\10\7", PARE_UNSUPPORTED, "ONNX files are not supported" },
      { "m.bin", "PK\3\4", PARE_UNSUPPORTED, "PyTorch pickle files are not supported" },
      { "m.txt", "hello", PARE_INPUT, "neither a Hugging Face directory nor a pare artifact" },
      { "empty", "", PARE_INPUT, "neither a Hugging Face directory nor a pare artifact" },
      { "m.safetensors", "", PARE_INPUT, "expected the directory" },
   };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      folder_text(&f.folder, cases[i].name, cases[i].bytes);
      snprintf(path, sizeof path, "%s/%s", f.folder.path, cases[i].name);
      assert_fails(&f.ctx, pare_model_load(&f.ctx, path, &f.model), cases[i].status, cases[i].text);
   }
   snprintf(path, sizeof path, "%s/model.safetensors", f.folder.path);
   unlink(path);
   assert_fails(&f.ctx, load(&f, "{" LLAMA "}"), PARE_INPUT, "neither model.safetensors nor");
   folder_text(&f.folder, "pytorch_model.bin", "");
   assert_fails(&f.ctx, load(&f, "{" LLAMA "}"), PARE_UNSUPPORTED, "PyTorch pickle");
   end(&f);
}
END_TEST

/* Only allocations through the context fail here; cJSON has its own. */
static void fail_each_allocation(const tensor_spec *specs, const char *config)
{
   fixture f;
   begin(&f, specs);
   folder_text(&f.folder, "config.json", config);
   folder_text(&f.folder, "README.md", "---\nlicense: mit\nbase_model: a/b\n---\n");
   folder_text(&f.folder, "chat_template.jinja", "x");
   folder_text(&f.folder, "tokenizer.json", "{}");
   folder_text(&f.folder, "generation_config.json", "{}");
   for (long at = 1;; at++) {
      f.heap = (unit_heap){ .fail_at = at };
      pare_status status = pare_model_load(&f.ctx, f.folder.path, &f.model);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
      ck_assert_int_eq(f.heap.blocks, 0);
      pare_ctx_clear(&f.ctx);
   }
   f.heap.fail_at = 0;
   end(&f);
}

START_TEST(survives_failing_allocations)
{
   fail_each_allocation(gpt2_tensors, "{" GPT2 "}");
   fail_each_allocation(llama_tensors, SCALED("\"type\":\"su\",\"short_factor\":[1.5],\"long_factor\":[3]"));
}
END_TEST

UNIT_MAIN("formats_hf", builds_llama, builds_gpt2, names_without_prefix, refuses_strangers,
          refuses_llama_configs, refuses_rope_scaling, reads_rope_scaling, refuses_gpt2_configs,
          refuses_a_useless_dtype, accepts_what_changes_nothing, finds_tokens, keeps_the_first_end_tokens,
          finds_templates, reads_cards, names_what_it_cannot_load, survives_failing_allocations)
