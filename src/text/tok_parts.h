/* tok_parts: the stations a text passes on its way to token ids and back, shared by the tok_*.c files only.
 *
 * encode:  text -> added tokens cut out -> normalizer -> added tokens cut out -> pre-tokenizer -> model
 *          -> template
 * decode:  ids -> token texts -> decoder
 *
 * Source: the `tokenizers` package, version 0.23; a detail that looks odd here is how the package does it. */
#ifndef PARE_TEXT_TOK_PARTS_H
#define PARE_TEXT_TOK_PARTS_H

#include "base/arena.h"
#include "base/json.h"
#include "text/ids.h"
#include "text/regex.h"
#include "text/strmap.h"

/* ---- what a loaded tokenizer owns ---- */

/* Where the parts keep strings and patterns while `where` is loaded. */
typedef struct pare_tok_store {
   const char *where; /* the file, for messages; valid while loading */
   pare_arena *arena;
   pare_regex **regexes;
   size_t regex_count, regex_capacity;
} pare_tok_store;

typedef struct pare_tok_text {
   const char *data;
   size_t size;
} pare_tok_text;

/* A copy in the arena. */
pare_status pare_tok_keep(pare_ctx *ctx, pare_tok_store *store, const char *text, size_t size,
                          pare_tok_text *out);
/* A string member of an object, kept; PARE_INPUT naming `part` and the key when it is absent or no string. */
pare_status pare_tok_string(pare_ctx *ctx, pare_tok_store *store, const pare_json *object, const char *part,
                            const char *key, pare_tok_text *out);
/* A boolean member; absent or null gives `fallback`. */
pare_status pare_tok_bool(pare_ctx *ctx, const pare_tok_store *store, const pare_json *object,
                          const char *part, const char *key, bool fallback, bool *out);
/* The "type" of a part; PARE_INPUT when there is none. */
pare_status pare_tok_type(pare_ctx *ctx, const pare_tok_store *store, const pare_json *object,
                          const char *part, const char **out);
pare_status pare_tok_unsupported(pare_ctx *ctx, const pare_tok_store *store, const char *part,
                                 const char *type);
pare_status pare_tok_bad(pare_ctx *ctx, const pare_tok_store *store, const char *part, const char *key,
                         const char *expected);
/* A member that is one character: its code point. */
pare_status pare_tok_char(pare_ctx *ctx, const pare_tok_store *store, const pare_json *object,
                          const char *part, const char *key, uint32_t *out);

/* Calls `load` for every part, going into Sequences ("type": "Sequence", with its parts under `list`) in
 * order. */
typedef pare_status (*pare_tok_loader)(pare_ctx *ctx, pare_tok_store *store, const pare_json *part,
                                       void *into);
pare_status pare_tok_flatten(pare_ctx *ctx, pare_tok_store *store, const pare_json *part, const char *name,
                             const char *list, pare_tok_loader load, void *into);

/* ---- patterns ---- */

/* A string or, when regex is not NULL, a regular expression. */
typedef struct pare_tok_pattern {
   pare_tok_text text;
   const pare_regex *regex;
} pare_tok_pattern;

/* A regular expression. */
pare_status pare_tok_regex(pare_ctx *ctx, pare_tok_store *store, const char *pattern, pare_tok_pattern *out);
/* The "pattern" member of an object: {"String": ...} or {"Regex": ...}. */
pare_status pare_tok_pattern_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *object,
                                  const char *part, pare_tok_pattern *out);

/* A stretch of text that did or did not match; stretches follow one another and cover the text. */
typedef struct pare_tok_match {
   size_t start, end;
   bool hit;
} pare_tok_match;

typedef struct pare_tok_matches {
   pare_tok_match *items;
   size_t count, capacity;
} pare_tok_matches;

typedef bool (*pare_tok_class)(uint32_t c);

/* ---- text on its way to ids ---- */

enum { PARE_TOK_TEXT = 0xffffffffu }; /* id of a piece that is not a token yet */

typedef struct pare_tok_piece {
   size_t start, size; /* in the text of its list; nothing for a token, else never empty */
   uint32_t id;        /* of an added token, or PARE_TOK_TEXT */
   uint32_t
      first; /* how many of its first bytes come from the very first character of the input (saturating) */
} pare_tok_piece;

typedef struct pare_tok_pieces {
   pare_str text;
   pare_tok_piece *items;
   size_t count, capacity;
} pare_tok_pieces;

/* Everything one call of encode or decode writes to. */
typedef struct pare_tok_work {
   pare_ctx *ctx;
   pare_tok_pieces now, next; /* a station reads `now` and fills `next` */
   pare_tok_matches matches;
   pare_matcher *matcher;     /* made on first use */
   pare_str a, b;             /* scratch */
   size_t limit;              /* bytes that the input may grow to; 0: any */
} pare_tok_work;

void pare_tok_work_finish(pare_tok_work *work);
/* What was `next` becomes `now`; keep_text when the station only cut and left next.text alone. */
void pare_tok_turn(pare_tok_work *work, bool keep_text);
pare_status pare_tok_add_piece(pare_tok_work *work, pare_tok_piece piece); /* drops an empty text */
pare_status pare_tok_add_token(pare_tok_work *work, uint32_t id);
/* PARE_UNSUPPORTED when a text of `size` bytes has outgrown work->limit. */
pare_status pare_tok_check_size(pare_tok_work *work, size_t size);
/* A part [start, end) of a piece that lies at `base` in the next text. */
pare_tok_piece pare_tok_part(const pare_tok_piece *whole, size_t base, size_t start, size_t end);

/* Fill work->matches for this text. */
pare_status pare_tok_find(pare_tok_work *work, const pare_tok_pattern *pattern, const char *text,
                          size_t size);
pare_status pare_tok_find_class(pare_tok_work *work, pare_tok_class belongs, const char *text, size_t size);
pare_status pare_tok_find_char(pare_tok_work *work, uint32_t c, const char *text, size_t size);

/* What becomes of matches when a text is cut at them. */
typedef enum pare_tok_behavior {
   PARE_TOK_REMOVED,
   PARE_TOK_ISOLATED,
   PARE_TOK_MERGED_WITH_PREVIOUS,
   PARE_TOK_MERGED_WITH_NEXT,
   PARE_TOK_CONTIGUOUS
} pare_tok_behavior;
/* Turns work->matches into the pieces to keep: `hit` of a stretch then says that it is dropped. */
void pare_tok_behave(pare_tok_matches *matches, pare_tok_behavior behavior);

/* ---- normalizer (tok_normalize.c) ---- */

typedef struct pare_tok_normalizer {
   struct pare_tok_norm_step *steps;
   size_t count, capacity;
} pare_tok_normalizer;

pare_status pare_tok_normalizer_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                     pare_tok_normalizer *out);
void pare_tok_normalizer_finish(pare_ctx *ctx, pare_tok_normalizer *normalizer);
/* Normalizes text into work->a. *first (see pare_tok_piece) is carried along. */
pare_status pare_tok_normalize(pare_tok_work *work, const pare_tok_normalizer *normalizer, const char *text,
                               size_t size, uint32_t *first);
bool pare_tok_normalizer_is_byte_level(const pare_tok_normalizer *normalizer);

/* ---- pre-tokenizer (tok_pretokenize.c) ---- */

typedef struct pare_tok_pretokenizer {
   struct pare_tok_pre_step *steps;
   size_t count, capacity;
} pare_tok_pretokenizer;

pare_status pare_tok_pretokenizer_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                       pare_tok_pretokenizer *out);
void pare_tok_pretokenizer_finish(pare_ctx *ctx, pare_tok_pretokenizer *pretokenizer);
pare_status pare_tok_pretokenize(pare_tok_work *work, const pare_tok_pretokenizer *pretokenizer);
bool pare_tok_pretokenizer_is_byte_level(const pare_tok_pretokenizer *pretokenizer);

/* The printable character that stands for each byte in byte-level vocabularies, and the way back (-1:
 * none). */
uint32_t pare_tok_byte_char(uint8_t byte);
int pare_tok_char_byte(uint32_t c);

/* ---- added tokens (tok_added.c) ---- */

typedef struct pare_tok_added_token {
   pare_tok_text content,
      normal; /* as written; as it reads normalized, which is what is matched and decoded */
   uint32_t id;
   bool special, normalized, single_word, lstrip, rstrip;
} pare_tok_added_token;

typedef struct pare_tok_trie {
   struct pare_tok_trie_node *nodes; /* node 0 is the root; none when the trie is empty */
   size_t count, capacity;
   uint32_t root[256];
} pare_tok_trie;

typedef struct pare_tok_added {
   pare_tok_added_token *items;
   size_t count, capacity;
   pare_strmap by_content; /* to the index */
   pare_tok_trie raw, normal;
} pare_tok_added;

struct pare_tok_model;
/* Ids are given as the package gives them: the model's, else the next free one; one that differs from what
 * the file says is a warning. */
pare_status pare_tok_added_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                const struct pare_tok_model *model, const pare_tok_normalizer *normalizer,
                                pare_tok_added *out);
void pare_tok_added_finish(pare_ctx *ctx, pare_tok_added *added);
/* Cuts a text piece at the added tokens of one trie into work->next: `raw` before normalization, `normal`
 * after. `text` is the piece's text, which lies at `base` in the next text. */
pare_status pare_tok_added_split(pare_tok_work *work, const pare_tok_added *added, const pare_tok_trie *trie,
                                 const pare_tok_piece *piece, const char *text, size_t base);

/* ---- model (tok_model.c, tok_bpe.c, tok_word.c) ---- */

typedef struct pare_tok_vocab {
   pare_strmap ids;
   pare_tok_text *tokens; /* by id; data NULL where no token has the id */
   size_t size;           /* highest id + 1 */
} pare_tok_vocab;

typedef enum pare_tok_kind { PARE_TOK_BPE, PARE_TOK_WORDLEVEL, PARE_TOK_WORDPIECE } pare_tok_kind;

typedef struct pare_tok_model {
   pare_tok_kind kind;
   pare_tok_vocab vocab;
   bool has_unk;
   pare_tok_text unk;
   pare_tok_text prefix, suffix; /* continuing_subword_prefix, end_of_word_suffix; size 0: none */
   bool fuse_unk, byte_fallback, ignore_merges;
   uint32_t byte_ids[256];       /* of <0x00>..<0xFF>, PARE_TOK_TEXT when absent */
   struct pare_tok_merges *merges;
   int64_t longest_word;         /* WordPiece: characters */
} pare_tok_model;

pare_status pare_tok_model_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                pare_tok_model *out);
void pare_tok_model_finish(pare_ctx *ctx, pare_tok_model *model);

pare_status pare_tok_bpe_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                              pare_tok_model *model);
void pare_tok_bpe_finish(pare_ctx *ctx, struct pare_tok_merges *merges);

/* Scratch of one call. */
typedef struct pare_tok_bpe_work {
   struct pare_tok_symbol *symbols;
   size_t count, capacity;
   uint64_t *heap;
   size_t heap_count, heap_capacity;
   pare_str text;
} pare_tok_bpe_work;
void pare_tok_bpe_work_finish(pare_ctx *ctx, pare_tok_bpe_work *work);

/* Append the ids of one word, not empty. */
pare_status pare_tok_bpe_word(pare_ctx *ctx, const pare_tok_model *model, pare_tok_bpe_work *work,
                              const char *word, size_t size, pare_ids *out);
pare_status pare_tok_wordlevel_word(pare_ctx *ctx, const pare_tok_model *model, const char *word, size_t size,
                                    pare_ids *out);
pare_status pare_tok_wordpiece_word(pare_ctx *ctx, const pare_tok_model *model, pare_str *scratch,
                                    const char *word, size_t size, pare_ids *out);
/* All pieces of work->now. */
pare_status pare_tok_model_encode(pare_tok_work *work, const pare_tok_model *model, pare_ids *out);
/* The id of the unknown token; PARE_INPUT naming the word when there is none. */
pare_status pare_tok_unknown(pare_ctx *ctx, const pare_tok_model *model, const char *word, size_t size,
                             uint32_t *id);

/* ---- template (tok_post.c) ---- */

typedef struct pare_tok_template {
   uint32_t *ids; /* PARE_TOK_TEXT stands for the text's own ids */
   size_t count, capacity;
   bool given;
} pare_tok_template;

pare_status pare_tok_template_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                   pare_tok_template *out);
void pare_tok_template_finish(pare_ctx *ctx, pare_tok_template *tmpl);
/* Puts the template around the ids from `from` on. */
pare_status pare_tok_template_apply(pare_ctx *ctx, const pare_tok_template *tmpl, bool add_special,
                                    size_t from, pare_ids *ids);

/* ---- decoder (tok_decode.c) ---- */

typedef struct pare_tok_decoder {
   struct pare_tok_decode_step *steps;
   size_t count, capacity;
} pare_tok_decoder;

pare_status pare_tok_decoder_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                  pare_tok_decoder *out);
void pare_tok_decoder_finish(pare_ctx *ctx, pare_tok_decoder *decoder);

/* One text being decoded. Token texts go in whole; bytes come out at `out` once nothing that follows can
 * change them. */
typedef struct pare_tok_decoding pare_tok_decoding;
pare_status pare_tok_decoding_create(pare_ctx *ctx, const pare_tok_decoder *decoder, pare_tok_decoding **out);
void pare_tok_decoding_destroy(pare_ctx *ctx, pare_tok_decoding *decoding);
pare_status pare_tok_decoding_push(pare_ctx *ctx, pare_tok_decoding *decoding, pare_tok_text token,
                                   pare_str *out);
pare_status pare_tok_decoding_finish(pare_ctx *ctx, pare_tok_decoding *decoding, pare_str *out);

#endif
