/* hf: reads a Hugging Face model directory:
 *
 *    config.json                    architecture and sizes
 *    model.safetensors              weights, or model.safetensors.index.json and its shards
 *    generation_config.json         optional: first and end tokens
 *    tokenizer.json                 optional, kept as bytes
 *    tokenizer_config.json          optional: chat template, add_bos_token, names of first and end token
 *    chat_template.jinja            optional, goes before the one in tokenizer_config.json
 *    README.md                      optional: licence and base model in its front matter
 *
 * Weights are mapped and read when touched. Errors name the file or the tensor. */
#ifndef PARE_FORMATS_HF_H
#define PARE_FORMATS_HF_H

#include "base/json.h"
#include "ir/model.h"

/* The format itself is pare_format_hf (format.h); these are its parts, each filling fields of model. */

/* A file of the directory in the heap; *out is NULL when there is none. */
pare_status pare_hf_read(pare_ctx *ctx, const char *dir, const char *name, pare_buffer **out);
/* bos, end, add_bos; model->vocab and model->tokenizer are set. The JSON values may be NULL. (hf_tokens.c) */
pare_status pare_hf_tokens(pare_ctx *ctx, const pare_json *config, const pare_json *generation,
                           const pare_json *tokenizer_config, pare_model *model);
/* chat_template. (hf_template.c) */
pare_status pare_hf_template(pare_ctx *ctx, const char *dir, const pare_json *tokenizer_config,
                             pare_model *model);
/* licence and base_model, from the text of README.md. (hf_card.c) */
pare_status pare_hf_card(pare_ctx *ctx, const char *text, size_t size, pare_model *model);

#endif
