#include "drive/synthetic.h"

#include <stdlib.h>

#include "base/error.h"

enum {
    CHECKED_FIRST = 64, /* prompts that are all checked */
    CHECKED_THEN = 16,  /* of which then one is */
    TRIES = 8,
    SHARED = 1, /* seeds of things that are no prompt's */
    NUMBERS = 2,
};

/* Not the constant by which splitmix steps, or neighbours would share their states. */
uint64_t ifm_synthetic_seed(uint64_t seed, uint64_t number)
{
    uint64_t z = seed ^ (number * 0xd1342543de82ef95u + 0x2545f4914f6cdd1du);
    z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
    return z ^ (z >> 32);
}

static ifm_status count(const ifm_synthetic *self, const ifm_buffer *text, int64_t *n,
                        ifm_error *err)
{
    int32_t *ids = NULL;
    size_t n_ids = 0;
    const ifm_status st =
        ifm_tokenizer_encode(self->tokenizer, ifm_buffer_text(text), text->length,
                             self->flags, &ids, &n_ids, err);
    free(ids);
    *n = (int64_t)n_ids;
    return st;
}

ifm_status ifm_synthetic_init(ifm_synthetic *self, ifm_tokenizer *tokenizer, bool chat,
                              int64_t shared_tokens, uint64_t seed, ifm_error *err)
{
    *self = (ifm_synthetic){
        .tokenizer = tokenizer,
        .seed = seed,
        .flags = chat ? IFM_ENCODE_PLAIN : IFM_ENCODE_DEFAULT,
        .shared_tokens = shared_tokens,
    };
    ifm_status st = ifm_wordlist_init(&self->words, tokenizer, err);
    if (st == IFM_OK && tokenizer != NULL)
        st = count(self, &(ifm_buffer){0}, &self->overhead, err);
    if (st != IFM_OK)
        ifm_synthetic_deinit(self);
    return st;
}

void ifm_synthetic_deinit(ifm_synthetic *self)
{
    ifm_wordlist_deinit(&self->words);
}

/* Words that are left for the text itself; one at least. */
static int64_t room(const ifm_synthetic *self, int64_t n)
{
    const int64_t words = n - self->overhead;
    return words > 0 ? words : 1;
}

/* The text for one try; a hash_ids of NULL: none. */
typedef void writer(const ifm_synthetic *self, const json_t *hashes, uint64_t number,
                    uint64_t try, int64_t words, ifm_buffer *text);

static void write_unique(const ifm_synthetic *self, const json_t *hashes, uint64_t number,
                         uint64_t try, int64_t words, ifm_buffer *text)
{
    (void)hashes;
    ifm_random random;
    int64_t left = words;
    if (self->shared_tokens > 0) {
        const int64_t shared =
            self->shared_tokens < left ? self->shared_tokens : left - 1;
        ifm_random_init(&random, ifm_synthetic_seed(self->seed, SHARED));
        ifm_wordlist_draw(&self->words, &random, shared, text);
        left -= shared;
    }
    left -= ifm_wordlist_number(&self->words, number,
                                ifm_synthetic_seed(self->seed, NUMBERS), left, text);
    ifm_random_init(&random, ifm_synthetic_seed(self->seed + try, ~number));
    ifm_wordlist_draw(&self->words, &random, left, text);
}

static void write_blocks(const ifm_synthetic *self, const json_t *hashes, uint64_t number,
                         uint64_t try, int64_t words, ifm_buffer *text)
{
    size_t i;
    const json_t *hash;
    ifm_random random;
    json_array_foreach(hashes, i, hash)
    {
        const int64_t n = words < IFM_SYNTHETIC_BLOCK ? words : IFM_SYNTHETIC_BLOCK;
        const uint64_t id = (uint64_t)json_integer_value(hash);
        ifm_random_init(&random, ifm_synthetic_seed(self->seed ^ SHARED, id));
        ifm_wordlist_draw(&self->words, &random, n, text);
        words -= n;
    }
    const int64_t numbered = ifm_wordlist_number(
        &self->words, number, ifm_synthetic_seed(self->seed, NUMBERS), words, text);
    ifm_random_init(&random, ifm_synthetic_seed(self->seed + try, ~number));
    ifm_wordlist_draw(&self->words, &random, words - numbered, text);
}

static bool is_checked(const ifm_synthetic *self)
{
    return self->tokenizer != NULL &&
           (self->redrawn > 0 || self->checks < CHECKED_FIRST ||
            self->checks % CHECKED_THEN == 0);
}

/* A block has the words that it has: only what is unique can be drawn again. */
static ifm_status make(ifm_synthetic *self, writer *write, const json_t *hashes,
                       uint64_t number, int64_t n, ifm_buffer *text, ifm_error *err)
{
    const int64_t least = self->overhead + 1;
    const bool check = is_checked(self);
    self->checks++;
    for (uint64_t try = 0; try < TRIES; try++) {
        int64_t got = n;
        ifm_buffer_clear(text);
        write(self, hashes, number, try, room(self, n), text);
        if (text->failed)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompts: no memory");
        if (!check)
            return IFM_OK;
        const ifm_status st = count(self, text, &got, err);
        if (st != IFM_OK || got == n || (n < least && got == least))
            return st;
        self->redrawn++;
    }
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "--input-len: this tokenizer does not come to exactly %lld tokens, "
                    "however the words are drawn: take --tokenizer none",
                    (long long)n);
}

ifm_status ifm_synthetic_make(ifm_synthetic *self, uint64_t number, int64_t n,
                              ifm_buffer *text, ifm_error *err)
{
    return make(self, write_unique, NULL, number, n, text, err);
}

ifm_status ifm_synthetic_blocks(ifm_synthetic *self, const json_t *hashes,
                                uint64_t number, int64_t n, ifm_buffer *text,
                                ifm_error *err)
{
    return make(self, write_blocks, hashes, number, n, text, err);
}
