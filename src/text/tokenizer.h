/* tokenizer: text to token ids and back, as a Hugging Face tokenizer.json says.
 *
 *    pare_tokenizer *tok;
 *    PARE_TRY(pare_tokenizer_load(ctx, json, size, "tokenizer.json", &tok));
 *    pare_ids ids = { 0 };
 *    PARE_TRY(pare_tokenizer_encode(ctx, tok, "Once upon a time", 16, true, &ids));
 *    pare_str text = { 0 };
 *    PARE_TRY(pare_tokenizer_decode(ctx, tok, ids.data, ids.size, true, &text));
 *
 * A loaded tokenizer is immutable: several threads may use it, each with its own context. Results are
 * those of the `tokenizers` package (0.23): models BPE, WordLevel, WordPiece and what those of the Llama,
 * Mistral, Qwen, GPT-2 and BERT families put around them. Whatever else a file asks for is
 * PARE_UNSUPPORTED, by name. The file's truncation and padding settings are ignored, with a warning. */
#ifndef PARE_TEXT_TOKENIZER_H
#define PARE_TEXT_TOKENIZER_H

#include "base/str.h"
#include "text/ids.h"

typedef struct pare_tokenizer pare_tokenizer;

/* `json` is the text of a tokenizer.json; `where` names it in messages. PARE_INPUT when it is damaged. The
 * allocator of `ctx` must outlive the tokenizer. */
pare_status pare_tokenizer_load(pare_ctx *ctx, const char *json, size_t size, const char *where,
                                pare_tokenizer **out);
void pare_tokenizer_destroy(pare_ctx *ctx, pare_tokenizer *tokenizer); /* NULL is fine */

/* Appends the ids of a text of less than 4 GiB. add_special puts the tokens of the template (<s>, [CLS])
 * around it; special tokens written out in the text become their ids either way. Invalid UTF-8 reads as
 * U+FFFD. A character the vocabulary lacks becomes byte tokens, the unknown token, or nothing, as the
 * model has it; PARE_INPUT naming it when the model names an unknown token that does not exist. After a
 * failure `out` is as it was. */
pare_status pare_tokenizer_encode(pare_ctx *ctx, const pare_tokenizer *tokenizer, const char *text,
                                  size_t size, bool add_special, pare_ids *out);

/* Appends the text, always valid UTF-8. Ids without a token give nothing; skip_special leaves special
 * tokens out. */
pare_status pare_tokenizer_decode(pare_ctx *ctx, const pare_tokenizer *tokenizer, const uint32_t *ids,
                                  size_t count, bool skip_special, pare_str *out);

/* Decoding as ids come. What the pushes and the finish append is together what pare_tokenizer_decode
 * gives; each push appends all that no later id can change, in whole characters. One stream, one thread. */
typedef struct pare_detokenizer pare_detokenizer;
pare_status pare_detokenizer_create(pare_ctx *ctx, const pare_tokenizer *tokenizer, bool skip_special,
                                    pare_detokenizer **out);
pare_status pare_detokenizer_push(pare_ctx *ctx, pare_detokenizer *detokenizer, uint32_t id, pare_str *out);
pare_status pare_detokenizer_finish(pare_ctx *ctx, pare_detokenizer *detokenizer,
                                    pare_str *out);                          /* once, at the end */
void pare_detokenizer_destroy(pare_ctx *ctx, pare_detokenizer *detokenizer); /* NULL is fine */

/* Highest id + 1; some ids below may have no token. */
size_t pare_tokenizer_size(const pare_tokenizer *tokenizer);
/* The id of exactly this token, or -1. */
int64_t pare_tokenizer_id(const pare_tokenizer *tokenizer, const char *text);
/* The token as the file spells it, or NULL. */
const char *pare_tokenizer_token(const pare_tokenizer *tokenizer, uint32_t id);
/* Whether the id is an added token marked special. */
bool pare_tokenizer_is_special(const pare_tokenizer *tokenizer, uint32_t id);
/* Appends "BPE byte-level, 8192 tokens, 1 added". */
pare_status pare_tokenizer_describe(pare_ctx *ctx, const pare_tokenizer *tokenizer, pare_str *out);

#endif
