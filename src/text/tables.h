/*
 * A tokenizer's tables as one flat block, the same in memory and in the compiled cache
 * file, so that opening a cached tokenizer is mapping a file:
 *
 *     header │ ends │ words │ added │ flags │ text │ shown ends │ shown │ key
 *            ║ pairs │ merged │ ranks
 *
 * There are no pointers and no offsets in it: every section's place follows from the
 * counts in the header. Two hash tables with linear probing, two thirds full:
 *
 *     words: the bytes of a token → its id         slot: tag (11 bits) │ id (21)
 *     pairs: two neighbouring ids → their merge    slot: left (21) │ right (21) │ rank (21)
 *
 * The block may come from a damaged or hostile file. `ifm_tables_attach` checks the header,
 * the counts and a checksum of all before the merges. Merges are half of the block, and
 * many a text needs none, as most words are tokens: they are checked when the first one is
 * looked for (`ifm_tables_check_merges`), which saves a cold start 60 us. A hostile file can
 * have right checksums, so every accessor here checks what it read before it is used as an
 * index, and every probe sequence is bounded. Such a file gives wrong tokens, never a wrong
 * access.
 */
#ifndef IFM_TEXT_TABLES_H
#define IFM_TEXT_TABLES_H

#include "inferometer/base.h"

/* To be raised with every change of the layout, of the hash functions, of what patterns are
 * translated to, or of what the compiler makes of the same source files. */
enum { IFM_TABLES_VERSION = 4 };

enum {
    IFM_ID_MASK = (1 << 21) - 1,
    IFM_MAX_TOKENS = IFM_ID_MASK, /* so that no slot looks like an empty one */
    IFM_MAX_MERGES = 1 << 21,
    IFM_MAX_ADDED = 1 << 14,
    IFM_MAX_TOKEN_BYTES =
        1 << 16, /* as files write it; merging a token takes 40 bytes each */
    IFM_MAX_STEPS = 12,
    IFM_MAX_AFFIXES = 4,
    IFM_MAX_PROBES = 4096, /* a sound table needs less than 200 */
};

/* What happens to a text before its words are merged, one step after the other: it is
 * rewritten, and it is cut to pieces, each of which the next step gets. */
typedef enum ifm_step_kind {
    IFM_STEP_NFC, /* Unicode normalization forms */
    IFM_STEP_NFD,
    IFM_STEP_NFKC,
    IFM_STEP_NFKD,
    IFM_STEP_REPLACE, /* every match of `pattern` becomes `with` */
    IFM_STEP_PREFIX,  /* `with` comes in front of what is not empty */
    IFM_STEP_SPLIT,   /* at the matches of `pattern` */
    IFM_STEP_KINDS,
} ifm_step_kind;

enum {
    IFM_STEP_LITERAL = 1, /* REPLACE: the pattern is text, not an expression */
    IFM_STEP_UNLESS = 2,  /* PREFIX: unless it is there already */
    IFM_STEP_FIRST = 4,   /* PREFIX: only the piece with which the text begins */
    IFM_STEP_INVERT = 8,  /* SPLIT: what matches and what does not change places */
};

/* What becomes of the matches of a SPLIT; names are those of Hugging Face tokenizers. */
typedef enum ifm_split_behavior {
    IFM_SPLIT_ISOLATED, /* pieces of their own */
    IFM_SPLIT_REMOVED,
    IFM_SPLIT_MERGED_WITH_PREVIOUS,
    IFM_SPLIT_MERGED_WITH_NEXT,
    IFM_SPLIT_CONTIGUOUS, /* neighbours are one piece */
    IFM_SPLIT_BEHAVIORS,
} ifm_split_behavior;

/* Strings lie in the text section. */
typedef struct ifm_text_step {
    uint8_t kind, flags, behavior, unused;
    uint32_t pattern, n_pattern; /* in PCRE2's words: pattern.h */
    uint32_t with, n_with;
} ifm_text_step;

/* What a decoder takes away where a text begins. */
enum {
    IFM_STRIP_NOTHING,
    IFM_STRIP_SPACE,       /* one space */
    IFM_STRIP_TOKENS_SPACE /* all spaces of the first token */
};

/* What a tokenizer does besides looking up. */
typedef struct ifm_text_rules {
    int32_t bos, eos;                /* -1: none */
    int32_t unknown;                 /* for what has no token; -1: it is left out */
    int32_t prefix[IFM_MAX_AFFIXES]; /* put in front with IFM_ENCODE_BOS */
    int32_t suffix[IFM_MAX_AFFIXES]; /* put behind with IFM_ENCODE_EOS */
    uint8_t n_prefix, n_suffix;
    uint8_t by_character;  /* merging begins with characters, else with bytes */
    uint8_t by_score;      /* any two neighbours that make a token merge, by its rank */
    uint8_t byte_fallback; /* a character without a token is spelled in byte tokens */
    uint8_t fuse_unknown;
    uint8_t ignore_merges; /* a word that is a token is that token, whatever merges say */
    uint8_t closed; /* no token has a "▁" behind anything else: a text can be cut there */
    uint8_t strip;             /* IFM_STRIP_… */
    uint8_t n_normal, n_steps; /* added tokens that are normalized come in between */
    ifm_text_step steps[IFM_MAX_STEPS];
} ifm_text_rules;

enum {
    IFM_TOKEN_PRESENT = 1, /* ids may have gaps */
    IFM_TOKEN_SPECIAL = 2,
    IFM_TOKEN_WHOLE = 4, /* merging its bytes gives this token: no need to merge */
    IFM_TOKEN_ADDED = 8, /* recognised in the text, see ifm_added_token */
};

enum {
    IFM_ADDED_NORMALIZED = 1, /* searched second, in what the others left */
    IFM_ADDED_SINGLE_WORD = 2,
    IFM_ADDED_LSTRIP = 4,
    IFM_ADDED_RSTRIP = 8,
};

/* A token that is recognised in the text as it is written. */
typedef struct ifm_added_token {
    uint32_t id;
    uint32_t flags;
    uint32_t start, length; /* of its content, in the text section */
} ifm_added_token;

typedef struct ifm_tables_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint64_t n_bytes;         /* of the whole block */
    uint64_t checksum;        /* of everything behind this field and before the merges */
    uint64_t merges_checksum; /* of pairs, merged and ranks */
    uint32_t n_tokens;
    uint32_t n_words; /* slots */
    uint32_t n_pairs; /* slots */
    uint32_t n_merged;
    uint32_t n_added_raw, n_added_normalized; /* both sorted by content */
    uint32_t n_text;                          /* bytes */
    uint32_t n_key;                           /* bytes */
    uint32_t longest_token;                   /* bytes */
    uint32_t n_ranks;       /* tokens of the vocabulary, or 0: merging is by pairs */
    uint32_t n_shown_ends;  /* tokens, or 0: they are shown as they are */
    uint32_t n_shown;       /* bytes */
    uint32_t longest_shown; /* bytes */
    ifm_text_rules rules;
    int32_t byte_ids[256];     /* of one byte; -1: the vocabulary lacks it */
    int32_t fallback_ids[256]; /* "<0x00>" …; -1: there is none */
    uint64_t begins[2]
                   [4]; /* bit sets: bytes that begin a raw, a normalized added token */
} ifm_tables_header;

/* A view of a block; borrows it. */
typedef struct ifm_tables {
    const ifm_tables_header *header;
    const uint32_t *ends;         /* [n_tokens] where each token's bytes end */
    const uint32_t *words;        /* [n_words] */
    const ifm_added_token *added; /* [n_added_raw + n_added_normalized] */
    const uint8_t *flags;         /* [n_tokens] */
    const char *text; /* [n_text] the tokens' bytes by id, contents, strings of steps */
    const uint32_t *shown_ends; /* [n_shown_ends] as `ends`, of `shown` */
    const char *shown;          /* [n_shown] what a reader sees of the tokens, by id */
    const unsigned char *key;   /* [n_key] what the block was made from: cache.h */
    const uint64_t *pairs;      /* [n_pairs] */
    const uint32_t *merged;     /* [n_merged] the token that a merge makes, by rank */
    const uint32_t *ranks;      /* [n_ranks] of a token, the lower, the earlier */
} ifm_tables;

/* How many bytes a block with these counts has; 0 if that is absurd. */
size_t ifm_tables_size(const ifm_tables_header *header);
/* Sets the view's pointers by the counts of block's header, checking nothing. */
void ifm_tables_view(ifm_tables *self, const void *block);
/* How many bytes at its beginning ifm_tables_attach is going to read. */
size_t ifm_tables_first_bytes(const void *block, size_t n_bytes);
/* The same for a block from outside, checked. False if it is not sound. */
bool ifm_tables_attach(ifm_tables *self, const void *block, size_t n_bytes);
/* Whether the merges are what was written; to be asked before the first is looked for. */
bool ifm_tables_check_merges(const ifm_tables *self);
/* Writes magic, version, size and checksums into a finished block. */
void ifm_tables_seal(ifm_tables_header *block);

/* The bytes of a token; NULL and 0 for an id that does not exist. */
const char *ifm_tables_bytes(const ifm_tables *self, int32_t id, size_t *n_bytes);
/* The bytes that a reader sees of it: " the" where the vocabulary writes "▁the". */
const char *ifm_tables_shown(const ifm_tables *self, int32_t id, size_t *n_bytes);
/* IFM_TOKEN_… of an id; 0 for one that does not exist. */
unsigned ifm_tables_flags(const ifm_tables *self, int32_t id);
/* The token with exactly these bytes; -1 if there is none. */
int32_t ifm_tables_find_word(const ifm_tables *self, const char *bytes, size_t n);
/* The merge of two neighbours: its rank (the lower, the earlier) and the token that it
 * makes. False if they do not merge. */
bool ifm_tables_find_pair(const ifm_tables *self, int32_t left, int32_t right,
                          uint32_t *rank, int32_t *merged);
/* The token that bytes[n] are, and its rank. False if they are none. */
bool ifm_tables_find_scored(const ifm_tables *self, const char *bytes, size_t n,
                            uint32_t *rank, int32_t *merged);
/* Content of the i-th added token; NULL if it lies outside the text. */
const char *ifm_tables_content(const ifm_tables *self, size_t i, size_t *n_bytes);

/* What compiler and accessors must agree on. */
uint64_t ifm_tables_hash(const void *bytes, size_t n);

static inline uint64_t ifm_pair_hash(uint64_t pair)
{
    pair *= 0x9e3779b97f4a7c15u; /* Fibonacci hashing (Knuth, vol. 3, 6.4) */
    return pair ^ pair >> 29;
}

/* Where a hash's probing begins in a table of n ≤ 2^32 slots. */
static inline uint32_t ifm_slot_of(uint64_t hash, uint32_t n)
{
    return (uint32_t)((hash >> 32) * n >> 32);
}

#define IFM_EMPTY_WORD UINT32_MAX
#define IFM_EMPTY_PAIR UINT64_MAX

static inline uint32_t ifm_word_slot(uint64_t hash, uint32_t id)
{
    return (uint32_t)(hash & 0x7ff) << 21 | id;
}

static inline uint64_t ifm_pair_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 21 | right;
}

#endif
