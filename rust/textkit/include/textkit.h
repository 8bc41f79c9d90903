#ifndef TEXTKIT_H
#define TEXTKIT_H
/* Tokenizers, chat templates and constrained decoding: the C face of the Rust crate textkit.
 *
 * Promises, for every function here:
 * - No panic crosses. A call gives a status; what went wrong is in `error` (UTF-8, one line), which
 *   may be null. After a status other than TK_OK the outputs are untouched.
 * - Text is pointer and length, UTF-8, never NUL-terminated. What is passed in is only borrowed for
 *   the call. What comes out in a tk_buffer or tk_ids belongs to the caller, who frees it with
 *   tk_buffer_free or tk_ids_free.
 * - Handles: a tokenizer, a template and a set of grammars may be used by many threads at once; a
 *   stream and a constraint by one at a time. free(null) does nothing.
 * - Sizes, depth, steps and output are capped (rust/textkit/src/error.rs). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t tk_status;
enum {
  TK_OK = 0,
  TK_INVALID = 1, /* the input is not usable */
  TK_REFUSED = 2, /* the chat template called raise_exception; `error` is its message alone */
  TK_LIMIT = 3,   /* a cap on size, depth, steps or output */
  TK_INTERNAL = 4 /* a library failed; the call had no effect */
};

typedef struct tk_text {
  const char* ptr;
  size_t len;
} tk_text;

typedef struct tk_buffer {
  char* ptr;
  size_t len;
} tk_buffer;

typedef struct tk_ids {
  uint32_t* ptr;
  size_t len;
} tk_ids;

void tk_buffer_free(tk_buffer* buffer);
void tk_ids_free(tk_ids* ids);

/* ---- Tokenizers ---- */
typedef struct tk_tokenizer tk_tokenizer;

/* `json`: a tokenizer.json. `control`: further spellings of control tokens, from the checkpoint's
 * other files. Truncation and padding of the file are not applied. */
tk_status tk_tokenizer_load(tk_text json, const tk_text* control, size_t control_count, tk_tokenizer** out,
                            tk_buffer* error);
void tk_tokenizer_free(tk_tokenizer* tokenizer);

enum {
  TK_ADD_SPECIAL = 1,   /* add what the post-processor adds (bos, eos, [CLS], ...) */
  TK_PARSE_SPECIAL = 2, /* spellings of control tokens in the text become these tokens */
  TK_SHIELDED = 4       /* as TK_PARSE_SPECIAL, except for spellings that tk_tokenizer_shield broke */
};
/* Without TK_PARSE_SPECIAL and TK_SHIELDED no control token comes out of the text, not even where
 * the model could spell it; added tokens that are no control tokens are matched always. */
tk_status tk_tokenizer_encode(const tk_tokenizer* tokenizer, tk_text text, uint32_t flags, tk_ids* out,
                              tk_buffer* error);
/* The text with U+FDD0 inside each spelling of a control token: what a user wrote, made safe for a
 * chat template whose output is then encoded with TK_SHIELDED. */
tk_status tk_tokenizer_shield(const tk_tokenizer* tokenizer, tk_text text, tk_buffer* out, tk_buffer* error);
tk_status tk_tokenizer_decode(const tk_tokenizer* tokenizer, const uint32_t* ids, size_t count,
                              bool skip_special, tk_buffer* out, tk_buffer* error);
/* The token as the vocabulary spells it, or the bytes that it stands for inside a text. */
tk_status tk_tokenizer_piece(const tk_tokenizer* tokenizer, uint32_t id, bool as_bytes, tk_buffer* out,
                             tk_buffer* error);
/* -1: there is no such token. */
int64_t tk_tokenizer_id(const tk_tokenizer* tokenizer, tk_text token);
/* One more than the largest id. */
uint32_t tk_tokenizer_vocab_size(const tk_tokenizer* tokenizer);
size_t tk_tokenizer_added_count(const tk_tokenizer* tokenizer);
tk_status tk_tokenizer_added(const tk_tokenizer* tokenizer, size_t index, uint32_t* id, bool* is_special,
                             bool* is_control, tk_buffer* content);

/* ---- Streams: text that grows token by token, never by half a character ---- */
typedef struct tk_stream tk_stream;
tk_stream* tk_stream_new(bool skip_special);
void tk_stream_free(tk_stream* stream);
tk_stream* tk_stream_clone(const tk_stream* stream);
tk_status tk_stream_push(const tk_tokenizer* tokenizer, tk_stream* stream, uint32_t id, tk_buffer* out,
                         tk_buffer* error);
tk_status tk_stream_finish(const tk_tokenizer* tokenizer, tk_stream* stream, tk_buffer* out,
                           tk_buffer* error);

/* ---- Chat templates ---- */
typedef struct tk_template tk_template;
tk_status tk_template_compile(tk_text source, tk_template** out, tk_buffer* error);
void tk_template_free(tk_template* chat_template);
/* `context`: a JSON object, its members are the variables. The clock is what strftime_now shows. */
tk_status tk_template_render(const tk_template* chat_template, tk_text context, int64_t epoch_seconds,
                             int32_t utc_offset_seconds, tk_buffer* out, tk_buffer* error);

/* ---- Grammars ---- */
typedef struct tk_grammars tk_grammars;
typedef struct tk_constraint tk_constraint;
enum { TK_JSON_SCHEMA = 0, TK_REGEX = 1, TK_LARK = 2, TK_JSON_OBJECT = 3 };
/* Once per tokenizer: `vocab_size` is the width of the logits, `end_ids` end an answer. */
tk_status tk_grammars_new(const tk_tokenizer* tokenizer, uint32_t vocab_size, const uint32_t* end_ids,
                          size_t end_count, tk_grammars** out, tk_buffer* error);
void tk_grammars_free(tk_grammars* grammars);
tk_status tk_grammars_compile(const tk_grammars* grammars, int32_t kind, tk_text text, tk_constraint** out,
                              tk_buffer* error);
void tk_constraint_free(tk_constraint* constraint);
tk_status tk_constraint_clone(const tk_constraint* constraint, tk_constraint** out, tk_buffer* error);
size_t tk_constraint_mask_words(const tk_constraint* constraint);
/* Bit i % 32 of word i / 32 says whether token i may come next. */
tk_status tk_constraint_mask(tk_constraint* constraint, uint32_t* words, size_t count, tk_buffer* error);
/* A token that the grammar does not allow is an error and changes nothing. */
tk_status tk_constraint_consume(tk_constraint* constraint, uint32_t id, tk_buffer* error);
tk_status tk_constraint_rollback(tk_constraint* constraint, size_t count, tk_buffer* error);
/* stopped: only an end token may follow; accepting: the text is complete, but may go on. */
tk_status tk_constraint_state(tk_constraint* constraint, bool* is_stopped, bool* is_accepting,
                              tk_buffer* error);

#ifdef __cplusplus
}
#endif
#endif
