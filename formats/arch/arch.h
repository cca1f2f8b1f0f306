/* arch: architecture families: each turns a config.json and named tensors into a graph of ordinary ops. The
 * list is arch.def; a family is one file, which defines one descriptor a model type and builds with the
 * builder below.
 *
 * Every builder call after the first failure does nothing and gives NULL or 0, so that a family reads as the
 * list of its parts; the status is looked at once, at the end:
 *
 *    pare_builder b = pare_builder_on(ctx, source, "model.");
 *    int64_t hidden = pare_config_int(&b, "hidden_size", 1, PARE_CONFIG_MAX_DIM, PARE_REQUIRED);
 *    pare_builder_begin(&b, "llama");
 *    pare_weight *table = pare_build_weight(&b, "embed_tokens.weight", vocab, hidden);
 *    pare_value *x = pare_build_embed(&b, "embed_tokens", b.tokens, table);
 *    ...
 *    return b.status;
 *
 * Node names are the same in all families: "embed_tokens", "layers.N.self_attn.q_proj",
 * "layers.N.mlp.down_proj", "norm", "lm_head". Weights keep the names of the source. */
#ifndef PARE_FORMATS_ARCH_H
#define PARE_FORMATS_ARCH_H

#include "base/json.h"
#include "formats/safetensors.h"
#include "ir/model.h"
#include "ops/ops.h"

typedef struct pare_arch_source {
   const pare_json *config;   /* the object in config.json */
   const char *where;         /* its path, for messages */
   pare_safetensors *tensors; /* those taken are marked used */
   pare_model *model;         /* gets graph, context and vocab */
} pare_arch_source;

typedef struct pare_arch {
   const char *model_type;      /* config.json "model_type": "llama"; also model->arch */
   const char *class_name;      /* config.json "architectures": "LlamaForCausalLM" */
   const char *const *leftover; /* ends of names of stored tensors that are no weights, NULL last; or NULL */
   /* PARE_INPUT when config and tensors do not fit together, PARE_UNSUPPORTED, naming the key, for a valid
    * config that needs something that is not there yet. */
   pare_status (*build)(pare_ctx *ctx, const pare_arch_source *source);
} pare_arch;

#define ARCH(name) extern const pare_arch pare_arch_##name;
#include "formats/arch/arch.def"
#undef ARCH

/* Every architecture, NULL at the end. */
extern const pare_arch *const pare_archs[];

/* The architecture that "architectures" and "model_type" name. PARE_UNSUPPORTED, listing what is known, when
 * there is none; PARE_INPUT when the two contradict each other or both are missing. */
pare_status pare_arch_find(pare_ctx *ctx, const pare_json *config, const char *where, const pare_arch **out);

/* ---- builder ---- */
enum { PARE_SCOPE_SIZE = 64 };

typedef struct pare_builder {
   pare_ctx *ctx;
   const pare_arch_source *source;
   pare_status status;
   const char *prefix;         /* of all stored names, "model."; names without it are found too */
   char scope[PARE_SCOPE_SIZE];       /* put before node names: "layers.3." or "" */
   char store_scope[PARE_SCOPE_SIZE]; /* put before stored names: "h.3." or "" */
   pare_graph *graph;
   pare_value *tokens, *positions, *sequences, *rows;
} pare_builder;

pare_builder pare_builder_on(pare_ctx *ctx, const pare_arch_source *source, const char *prefix);
/* Makes model->graph and its inputs. */
void pare_builder_begin(pare_builder *b, const char *graph_name);
/* Names from now on are inside layer `layer`, whose stored names begin with "<stored>.<layer>."; or outside
 * all. */
void pare_builder_enter(pare_builder *b, const char *stored, int64_t layer);
void pare_builder_leave(pare_builder *b);

/* ---- config values (arch_config.c) ----
 * A key that is absent or null has the fallback; PARE_REQUIRED as fallback makes its absence an error. */
#define PARE_REQUIRED INT64_MIN
#define PARE_CONFIG_MAX_DIM ((int64_t)1 << 24)
#define PARE_CONFIG_MAX_LAYERS 10000
#define PARE_CONFIG_MAX_HEADS 65536

int64_t pare_config_int(pare_builder *b, const char *key, int64_t min, int64_t max, int64_t fallback);
double pare_config_number(pare_builder *b, const char *key, double min, double max, double fallback);
bool pare_config_bool(pare_builder *b, const char *key, bool fallback);
/* The activation op's kind for the name that transformers uses ("gelu_new"). */
int pare_config_activation(pare_builder *b, const char *key, const char *fallback);
/* Records a failure in the builder, with the config as place. */
void pare_config_fail(pare_builder *b, pare_status status, const char *fmt, ...) PARE_PRINTF(3, 4);
/* Refuses what no family supports: "quantization_config". */
void pare_config_refuse_common(pare_builder *b);

/* ---- rotary positions (arch_rope.c) ---- */
typedef struct pare_rope_rules {
   int64_t head_dim;
   bool partial;       /* the family's code turns a part of each head: "partial_rotary_factor" */
   bool only_longrope; /* every type but "default" means longrope: Phi-3's "su" and "yarn" */
   int64_t original;   /* "original_max_position_embeddings" when absent; 0: max_position_embeddings */
} pare_rope_rules;
/* The attributes of the family's rope nodes, from "rope_scaling" (transformers 4) or "rope_parameters" (5) and
 * the keys beside them; and the positions that the model is made for, stretching included. After
 * pare_builder_begin: lists of factors live in the graph. PARE_UNSUPPORTED for a type that is not known or
 * parameters for single layer types; PARE_INPUT for values that no model can have. */
void pare_config_rope(pare_builder *b, const pare_rope_rules *rules, pare_rope_attrs *rope, int64_t *context);

/* ---- weights ---- */
/* The tensor of that name, [n, k] or, when k is 0, [n]; added to the graph on its first use. */
pare_weight *pare_build_weight(pare_builder *b, const char *name, int64_t n, int64_t k);
/* Stored as [k, n]; the weight is [n, k] all the same. */
pare_weight *pare_build_transposed(pare_builder *b, const char *name, int64_t n, int64_t k);
/* Embedding table and head (whose name has no prefix), both [vocab, hidden]: one weight when tied, under
 * whichever name it is stored; the embedding's when both are. */
void pare_build_tables(pare_builder *b, const char *embed_name, const char *head_name, int64_t vocab,
                       int64_t hidden, bool tied, pare_weight **embed, pare_weight **head);

/* ---- nodes; names are put behind the scope, weights that may be absent may be NULL ---- */
pare_value *pare_build_embed(pare_builder *b, const char *name, pare_value *ids, pare_weight *table);
pare_value *pare_build_linear(pare_builder *b, const char *name, pare_value *x, pare_weight *w,
                              pare_weight *bias);
pare_value *pare_build_rms_norm(pare_builder *b, const char *name, pare_value *x, pare_weight *w, double eps);
pare_value *pare_build_layer_norm(pare_builder *b, const char *name, pare_value *x, pare_weight *w,
                                  pare_weight *bias, double eps);
pare_value *pare_build_rope(pare_builder *b, const char *name, pare_value *x, const pare_rope_attrs *rope);
pare_value *pare_build_activation(pare_builder *b, const char *name, pare_value *x, int kind);
pare_value *pare_build_add(pare_builder *b, const char *name, pare_value *x, pare_value *y);
pare_value *pare_build_mul(pare_builder *b, const char *name, pare_value *x, pare_value *y);
pare_value *pare_build_slice(pare_builder *b, const char *name, pare_value *x, int64_t from, int64_t to);
pare_value *pare_build_select(pare_builder *b, const char *name, pare_value *x);

typedef struct pare_heads {
   int64_t heads, kv_heads, head_dim;
   double scale; /* of the scores */
} pare_heads;
/* Causal attention over the layer's cache, which becomes the state "kv.<layer>". */
pare_value *pare_build_attention(pare_builder *b, const char *name, pare_value *q, pare_value *k,
                                 pare_value *v, int64_t layer, const pare_heads *heads);
void pare_build_output(pare_builder *b, pare_value *x);

#endif
