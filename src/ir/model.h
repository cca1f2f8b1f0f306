/* model: a graph and everything beside it that a user of the model needs: tokenizer, limits, end tokens, chat
 * template, licence, where it came from. Owns its graph, arena and buffers. */
#ifndef PARE_IR_MODEL_H
#define PARE_IR_MODEL_H

#include "ir/graph.h"

enum { PARE_MAX_END_TOKENS = 16 };

typedef struct pare_source_file {
   const char *name;   /* relative to the model's path */
   pare_buffer *bytes; /* NULL when read from an artifact's provenance */
   uint64_t size;
   const char *sha256; /* NULL until pare_model_hash */
} pare_source_file;

typedef struct pare_model {
   pare_arena *arena;
   pare_graph *graph;
   const char *path;
   const char *format;  /* "hf", "pare" */
   const char *arch;    /* "llama", "gpt2" */
   int64_t context;     /* positions the model was made for */
   int64_t vocab;       /* rows of the logits */
   int64_t bos;         /* -1 when there is none */
   int64_t end[PARE_MAX_END_TOKENS];
   size_t n_end;
   bool add_bos;        /* prompts start with bos when the tokenizer's own template says nothing */
   pare_buffer *tokenizer;        /* text of tokenizer.json, or NULL */
   const char *config;            /* JSON text of config.json as the source has it */
   const char *generation_config; /* JSON text, or NULL */
   const char *chat_template;     /* Jinja text, or NULL */
   const char *licence, *base_model; /* as the source states them, or NULL */
   const char *provenance;        /* JSON text: how an artifact was made; NULL for a source model */
   pare_source_file *sources;     /* files the weights came from */
   size_t n_sources, sources_capacity;
} pare_model;

pare_status pare_model_create(pare_ctx *ctx, pare_model **out);
void pare_model_destroy(pare_ctx *ctx, pare_model *model); /* NULL is fine */
/* Takes over the caller's reference on bytes, in failure too. */
pare_status pare_model_add_source(pare_ctx *ctx, pare_model *model, const char *name, pare_buffer *bytes);
/* SHA-256 of each source file (reads them) into sources[i].sha256. */
pare_status pare_model_hash(pare_ctx *ctx, pare_model *model);
/* A copy that shares buffers and has its own graph: what a compression works on. */
pare_status pare_model_clone(pare_ctx *ctx, const pare_model *model, pare_model **out);

typedef struct pare_model_totals {
   int64_t params;               /* weights counted once each, ties once */
   uint64_t tensor_bytes;        /* of all tensors as stored */
   double macs_per_token;        /* empty context */
   int64_t kv_bytes_per_token;
} pare_model_totals;
pare_model_totals pare_model_count(const pare_model *model);

#endif
