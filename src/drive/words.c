#include "drive/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    WORDS_MOST = 4096,
    WORDS_LEAST = 64, /* fewer would make prompts that repeat themselves */
    WORD_BYTES = 16,
};

static const char common[] =
    "time people year day man thing world life hand part child eye woman place work "
    "week case point company number group problem fact water room mother area money "
    "story month lot right study book word business issue side kind head house "
    "service friend father power hour game line end member law car city name team "
    "minute body back parent face level office door health person art war history "
    "party result change morning reason research girl guy air force education foot "
    "boy age policy music market sense nation plan college interest death effect use "
    "class control field development role rate heart drug show leader light voice "
    "wife police mind price report son view town road arm value building action "
    "season tax director position player record paper space ground form event matter "
    "center table site project activity star need court oil cost figure street image "
    "phone data picture practice piece land product doctor wall patient worker news "
    "test movie north love step support technology baby computer type film source "
    "race tree second green blue black white small large long short high low good "
    "great little early young important public bad same able open full special easy "
    "clear recent certain personal red available likely single medical current wrong "
    "private past foreign fine common poor natural significant similar hot dead "
    "central happy serious ready simple left physical general financial final main";

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompts: no memory");
}

static void add(ifm_wordlist *self, const char *word, size_t n)
{
    memcpy(self->items[self->n], word, n);
    self->items[self->n++][n] = '\0';
}

static void take_common(ifm_wordlist *self)
{
    for (const char *at = common; *at != '\0';) {
        const size_t n = strcspn(at, " ");
        add(self, at, n);
        at += n + (at[n] == ' ');
    }
}

static ifm_status is_one_token(ifm_tokenizer *tokenizer, const char *text, size_t n,
                               bool *one, ifm_error *err)
{
    int32_t *ids = NULL;
    size_t n_ids = 0;
    const ifm_status st =
        ifm_tokenizer_encode(tokenizer, text, n, IFM_ENCODE_PLAIN, &ids, &n_ids, err);
    free(ids);
    *one = *one && n_ids == 1;
    return st;
}

/* " word", in small letters of ASCII. */
static bool looks_like_word(const char *bytes, size_t n)
{
    if (bytes == NULL || n < 3 || n > WORD_BYTES - 1 || bytes[0] != ' ')
        return false;
    for (size_t i = 1; i < n; i++)
        if (bytes[i] < 'a' || bytes[i] > 'z')
            return false;
    return true;
}

/* Vocabularies begin with what is common: the first words that fit are taken. */
static ifm_status take_from(ifm_wordlist *self, ifm_tokenizer *tokenizer, ifm_error *err)
{
    const int32_t size = ifm_tokenizer_size(tokenizer);
    ifm_status st = IFM_OK;
    for (int32_t id = 0; st == IFM_OK && id < size && self->n < WORDS_MOST; id++) {
        size_t n = 0;
        const char *bytes = ifm_tokenizer_bytes(tokenizer, id, &n);
        bool one = looks_like_word(bytes, n) && !ifm_tokenizer_is_special(tokenizer, id);
        if (one)
            st = is_one_token(tokenizer, bytes, n, &one, err);
        if (st == IFM_OK && one)
            st = is_one_token(tokenizer, bytes + 1, n - 1, &one, err);
        if (st == IFM_OK && one)
            add(self, bytes + 1, n - 1);
    }
    if (st == IFM_OK && self->n < WORDS_LEAST)
        return ifm_fail(
            err, IFM_ERR_UNSUPPORTED,
            "--tokenizer: its vocabulary has only %zu whole words, too few to "
            "make prompts of: take --tokenizer none or --prompts FILE",
            self->n);
    return st;
}

ifm_status ifm_wordlist_init(ifm_wordlist *self, ifm_tokenizer *tokenizer, ifm_error *err)
{
    *self = (ifm_wordlist){.items = malloc(WORDS_MOST * sizeof *self->items)};
    if (self->items == NULL)
        return no_memory(err);
    if (tokenizer == NULL) {
        take_common(self);
        return IFM_OK;
    }
    const ifm_status st = take_from(self, tokenizer, err);
    if (st != IFM_OK)
        ifm_wordlist_deinit(self);
    return st;
}

void ifm_wordlist_deinit(ifm_wordlist *self)
{
    free(self->items);
    *self = (ifm_wordlist){0};
}

void ifm_wordlist_append(const ifm_wordlist *self, size_t word, ifm_buffer *text)
{
    if (text->length > 0)
        ifm_buffer_append(text, " ", 1);
    ifm_buffer_append(text, self->items[word], strlen(self->items[word]));
}

void ifm_wordlist_draw(const ifm_wordlist *self, ifm_random *random, int64_t n,
                       ifm_buffer *text)
{
    for (int64_t i = 0; i < n; i++)
        ifm_wordlist_append(self, (size_t)ifm_random_below(random, self->n), text);
}

int64_t ifm_wordlist_number(const ifm_wordlist *self, uint64_t number, uint64_t seed,
                            int64_t n, ifm_buffer *text)
{
    enum { DIGITS_LEAST = 6 }; /* 64^6: 7 · 10^10 numbers */
    ifm_random random;
    ifm_random_init(&random, seed);
    int64_t i = 0;
    for (; i < n && (number > 0 || i < DIGITS_LEAST); i++) {
        const uint64_t moved = number % self->n + ifm_random_below(&random, self->n);
        ifm_wordlist_append(self, (size_t)(moved % self->n), text);
        number /= self->n;
    }
    return i;
}
