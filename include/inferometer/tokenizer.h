/*
 * A tokenizer turns text into token ids and back. Its tables come from a model's
 * tokenizer.json, vocab.json + merges.txt, or GGUF file, once; afterwards from a compiled,
 * checked, memory-mapped cache file, so that opening takes microseconds.
 *
 * Text is bytes: it may hold NUL and need not be valid UTF-8 when decoded.
 */
#ifndef INFEROMETER_TOKENIZER_H
#define INFEROMETER_TOKENIZER_H

#include "inferometer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ifm_tokenizer ifm_tokenizer;

typedef enum ifm_encode_flags {
    IFM_ENCODE_PLAIN = 0,         /* text only: no BOS, special tokens are mere text */
    IFM_ENCODE_BOS = 1u << 0,     /* put BOS in front if this model's rule says so */
    IFM_ENCODE_SPECIAL = 1u << 1, /* recognise added and special tokens in the text */
    IFM_ENCODE_ONCE = 1u << 2,    /* no BOS where the text begins with it already, as the
                                     text of a chat template does (with SPECIAL) */
    IFM_ENCODE_EOS = 1u << 3,     /* put EOS behind if this model's rule says so: not
                                     for a text that the model is to continue */
    /* What a prompt needs. Hugging Face's add_special_tokens is BOS, SPECIAL and EOS. */
    IFM_ENCODE_DEFAULT = IFM_ENCODE_BOS | IFM_ENCODE_SPECIAL | IFM_ENCODE_ONCE,
} ifm_encode_flags;

typedef struct ifm_tokenizer_options {
    bool no_cache;         /* neither read nor write the compiled cache */
    const char *cache_dir; /* NULL: $IFM_CACHE_DIR, else $XDG_CACHE_HOME/inferometer,
                              else ~/.cache/inferometer */
} ifm_tokenizer_options;

/* Opens the tokenizer of `path`: a model's directory, a .gguf file that holds one, or
 * another file of a model (its directory's). `options` may be NULL. The caller closes *out. A cache that cannot be written
 * is no error. docs/tokenizer.md says what is read. Errors: NOT_FOUND, IO, FORMAT,
 * UNSUPPORTED, LIMIT, NO_MEMORY. */
IFM_API ifm_status ifm_tokenizer_open(const char *path,
                                      const ifm_tokenizer_options *options,
                                      ifm_tokenizer **out, ifm_error *err);
IFM_API void ifm_tokenizer_close(ifm_tokenizer *tokenizer);

/* Size of the vocabulary, added tokens included: ids are 0 … size-1. */
IFM_API int32_t ifm_tokenizer_size(const ifm_tokenizer *tokenizer);
/* Ids of special tokens; -1 where the model has none. */
IFM_API int32_t ifm_tokenizer_bos(const ifm_tokenizer *tokenizer);
IFM_API int32_t ifm_tokenizer_eos(const ifm_tokenizer *tokenizer);
/* Whether the tables came from the compiled cache. */
IFM_API bool ifm_tokenizer_cached(const ifm_tokenizer *tokenizer);

/* Encodes text[n_bytes] (UTF-8; invalid bytes are an error that names their offset) into
 * *ids, a heap array of *n_ids that the caller frees with free(). Empty text gives 0 ids
 * (or BOS). A tokenizer may be used by one thread at a time. What the
 * vocabulary has no token for, not even one for what is unknown, is left out, as others do
 * it. Errors: FORMAT (invalid UTF-8), LIMIT (2 GiB of text; a hostile pattern), NO_MEMORY. */
IFM_API ifm_status ifm_tokenizer_encode(ifm_tokenizer *tokenizer, const char *text,
                                        size_t n_bytes, unsigned flags, int32_t **ids,
                                        size_t *n_ids, ifm_error *err);

/* The exact bytes of one token in a text (" the" where the vocabulary writes "▁the"), borrowed from the tokenizer; NULL and 0 for an id outside
 * the vocabulary. Thread-safe. */
IFM_API const char *ifm_tokenizer_bytes(const ifm_tokenizer *tokenizer, int32_t id,
                                        size_t *n_bytes);

/* True for tokens that a reader should not see (<|endoftext|>). */
IFM_API bool ifm_tokenizer_is_special(const ifm_tokenizer *tokenizer, int32_t id);

/* Turns a stream of tokens into text of whole characters: bytes that do not complete a
 * UTF-8 character yet are held back; bytes that never can become U+FFFD. Where the model's
 * decoder strips the space that SentencePiece puts in front of a text, it is stripped from
 * the first token. Plain storage of the caller's, no heap. */
typedef struct ifm_detokenizer {
    const ifm_tokenizer *tokenizer; /* borrowed */
    unsigned char held[4];          /* the beginning of a character */
    uint8_t n_held;
    uint8_t
        strip; /* whether a space is taken away from the next token: the text begins */
} ifm_detokenizer;

/* The most text that one push can give: a token's bytes with every byte replaced, and what
 * was held. A buffer of this size always suffices. */
IFM_API size_t ifm_detokenizer_max_bytes(const ifm_tokenizer *tokenizer);
IFM_API void ifm_detokenizer_init(ifm_detokenizer *self, const ifm_tokenizer *tokenizer);
/* Writes the text that token `id` completes to out[cap], returns its length in bytes
 * (0: nothing complete yet). Special tokens give no text. What does not fit is lost, by
 * whole characters. No allocation. */
IFM_API size_t ifm_detokenizer_push(ifm_detokenizer *self, int32_t id, char *out,
                                    size_t cap);
/* What is left at the end: U+FFFD if half a character is held, else nothing. */
IFM_API size_t ifm_detokenizer_flush(ifm_detokenizer *self, char *out, size_t cap);

/* ---- chat ------------------------------------------------------------------------------
 *
 * A chat model was trained on conversations in a form of its own, which its files describe as
 * a Jinja template. Templates are recognised here, not run: the ones that most models use
 * are known by their text, and by name. */

typedef struct ifm_chat ifm_chat;

typedef struct ifm_chat_message {
    const char *role;    /* "system" (only first), "user", "assistant" */
    const char *content; /* UTF-8 */
    size_t n_content;
} ifm_chat_message;

/* The template `name` (ifm_chat_names), or with NULL the one of the tokenizer's model. The
 * tokenizer, from which the texts of BOS and EOS are taken, may be NULL when a name is given.
 * Both may go away before *out, which the caller closes. Errors: NOT_FOUND (the model has no
 * template), UNSUPPORTED (one that is not known; the message lists those that are), ARGUMENT
 * (no such name), IO, FORMAT, NO_MEMORY. */
IFM_API ifm_status ifm_chat_open(const ifm_tokenizer *tokenizer, const char *name,
                                 ifm_chat **out, ifm_error *err);
IFM_API void ifm_chat_close(ifm_chat *chat);
/* Its name, static. */
IFM_API const char *ifm_chat_name(const ifm_chat *chat);
/* The names of all templates; NULL behind the last. */
IFM_API const char *const *ifm_chat_names(void);

/* Writes messages[n] as the model knows conversations, BOS included where the template has
 * it, ready for ifm_tokenizer_encode with IFM_ENCODE_DEFAULT. With `answer`, it ends where
 * the assistant's next words begin. *text is a heap string of *n_text bytes, terminated, that
 * the caller frees. What the contents say is not checked: a special token in them is one.
 * Thread-safe. Errors: ARGUMENT (a role, or an order of roles, that the template does not
 * have), NO_MEMORY. */
IFM_API ifm_status ifm_chat_format(const ifm_chat *chat, const ifm_chat_message *messages,
                                   size_t n, bool answer, char **text, size_t *n_text,
                                   ifm_error *err);

#ifdef __cplusplus
}
#endif
#endif
