/* text: the heap merges exactly what the definition of BPE merges, and long words take no
 * quadratic time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "text/bpe.h"
#include "text/lexicon.h"
#include "text/tokenizer.h"

enum { LETTERS = 3, MOST_TOKENS = 64, LONGEST = 16 };

/* A random vocabulary over a few letters, and its merges as they were added. */
typedef struct toy {
    char tokens[MOST_TOKENS][LONGEST + 1];
    int n_tokens;
    int merges[MOST_TOKENS * 2][3]; /* left, right, made */
    int n_merges;
    ifm_tables_header *block;
    ifm_tables tables;
} toy;

static int find(const toy *t, const char *token)
{
    for (int i = 0; i < t->n_tokens; i++)
        if (strcmp(t->tokens[i], token) == 0)
            return i;
    return -1;
}

/* Merges any two tokens so far, now and then a pair that was merged before. */
static void grow(toy *t, ifm_random *random)
{
    int left = (int)ifm_random_below(random, (uint64_t)t->n_tokens);
    int right = (int)ifm_random_below(random, (uint64_t)t->n_tokens);
    char made[2 * LONGEST + 1];
    snprintf(made, sizeof made, "%s%s", t->tokens[left], t->tokens[right]);
    if (strlen(made) > LONGEST)
        return;
    int id = find(t, made);
    if (id < 0) {
        id = t->n_tokens++;
        memcpy(t->tokens[id], made, strlen(made) + 1);
    }
    int *merge = t->merges[t->n_merges++];
    merge[0] = left;
    merge[1] = right;
    merge[2] = id;
}

static void make(toy *t, uint64_t seed)
{
    ifm_random random;
    ifm_lexicon lexicon;
    ifm_random_init(&random, seed);
    *t = (toy){.n_tokens = LETTERS};
    for (int i = 0; i < LETTERS; i++)
        t->tokens[i][0] = (char)('a' + i);
    int wanted = 1 + (int)ifm_random_below(&random, MOST_TOKENS - LETTERS);
    for (int i = 0; i < 2 * MOST_TOKENS && t->n_tokens < wanted; i++)
        grow(t, &random);
    ifm_lexicon_init(&lexicon);
    for (int i = 0; i < t->n_tokens; i++)
        assert_int_equal(
            ifm_lexicon_add_token(&lexicon, i, t->tokens[i], strlen(t->tokens[i]), NULL),
            IFM_OK);
    assert_int_equal(ifm_lexicon_index(&lexicon, NULL), IFM_OK);
    for (int i = 0; i < t->n_merges; i++) {
        const char *left = t->tokens[t->merges[i][0]],
                   *right = t->tokens[t->merges[i][1]];
        assert_int_equal(ifm_lexicon_add_merge(&lexicon, left, strlen(left), right,
                                               strlen(right), NULL),
                         IFM_OK);
    }
    assert_int_equal(ifm_lexicon_compile(&lexicon, NULL, 0, &t->block, NULL), IFM_OK);
    ifm_tables_view(&t->tables, t->block);
    ifm_lexicon_deinit(&lexicon);
}

/* The rank of a pair: the last time that it was listed. */
static int rank_of(const toy *t, int left, int right)
{
    for (int i = t->n_merges; i-- > 0;)
        if (t->merges[i][0] == left && t->merges[i][1] == right)
            return i;
    return t->n_merges;
}

/* BPE by its definition: the leftmost pair of the lowest rank, again and again. */
static size_t merge_by_definition(const toy *t, const char *word, size_t n, int *ids)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = word[i] - 'a';
    for (;;) {
        int best = t->n_merges;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            int rank = rank_of(t, ids[i], ids[i + 1]);
            if (rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == t->n_merges)
            return n;
        ids[at] = t->merges[best][2];
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void words_merge_by_the_definition(void **state)
{
    (void)state;
    enum { TOYS = 60, WORDS = 60, LETTERS_MOST = 40 };
    ifm_bpe bpe = {0};
    ifm_ids ids = {0};
    for (uint64_t seed = 0; seed < TOYS; seed++) {
        toy t;
        ifm_random random;
        make(&t, seed);
        ifm_random_init(&random, seed + 1000);
        for (int k = 0; k < WORDS; k++) {
            char word[LETTERS_MOST];
            int expected[LETTERS_MOST];
            size_t n = 1 + ifm_random_below(&random, LETTERS_MOST);
            for (size_t i = 0; i < n; i++)
                word[i] = (char)('a' + ifm_random_below(&random, LETTERS));
            size_t n_expected = merge_by_definition(&t, word, n, expected);
            ids.n = 0;
            assert_int_equal(ifm_bpe_merge(&bpe, &t.tables, word, n, &ids, NULL), IFM_OK);
            assert_int_equal(ids.n, n_expected);
            assert_memory_equal(ids.data, expected, n_expected * sizeof *expected);
            int32_t whole = ifm_bpe_find_whole(&t.tables, word, n);
            assert_int_equal(whole, n_expected == 1 ? expected[0] : -1);
        }
        free(t.block);
    }
    free(ids.data);
    ifm_bpe_deinit(&bpe);
}

/* The token of each token's bytes is itself, exactly when it is marked so. */
static void whole_tokens_are_marked(void **state)
{
    (void)state;
    int marked = 0, unmarked = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        toy t;
        int ids[LONGEST];
        make(&t, seed);
        for (int i = 0; i < t.n_tokens; i++) {
            size_t n = merge_by_definition(&t, t.tokens[i], strlen(t.tokens[i]), ids);
            bool whole = (ifm_tables_flags(&t.tables, i) & IFM_TOKEN_WHOLE) != 0;
            assert_int_equal(whole, n == 1);
            marked += whole;
            unmarked += !whole;
        }
        free(t.block);
    }
    assert_true(marked > 500 && unmarked > 50); /* both happen */
}

/* Quadratic time would be 10^12 steps here: hours. */
static void a_word_of_a_million_letters_is_merged(void **state)
{
    (void)state;
    enum { LONG = 1000000 };
    toy t;
    ifm_bpe bpe = {0};
    ifm_ids ids = {0};
    make(&t, 7);
    char *word = malloc(LONG);
    ifm_random random;
    ifm_random_init(&random, 1);
    for (int i = 0; i < LONG; i++)
        word[i] = (char)('a' + ifm_random_below(&random, LETTERS));
    assert_int_equal(ifm_bpe_merge(&bpe, &t.tables, word, LONG, &ids, NULL), IFM_OK);
    size_t at = 0;
    for (size_t i = 0; i < ids.n; i++) {
        size_t n;
        const char *bytes = ifm_tables_bytes(&t.tables, ids.data[i], &n);
        assert_true(n <= LONG - at);
        assert_memory_equal(bytes, word + at, n);
        at += n;
    }
    assert_int_equal(at, LONG);
    free(word);
    free(t.block);
    free(ids.data);
    ifm_bpe_deinit(&bpe);
}

/* A damaged table may hold an added token that is half a character: it must not cut one. */
static void an_added_token_never_cuts_a_character(void **state)
{
    (void)state;
    static const char text[] = "\xf0\x9f\x98\x80";
    ifm_lexicon lexicon;
    ifm_tables_header *block;
    ifm_tokenizer *tokenizer;
    int32_t *ids;
    size_t n;
    ifm_lexicon_init(&lexicon);
    assert_int_equal(ifm_lexicon_add_token(&lexicon, 0, "a", 1, NULL), IFM_OK);
    assert_int_equal(ifm_lexicon_index(&lexicon, NULL), IFM_OK);
    lexicon.rules.unknown = 0;
    static const char *const halves[] = {"\xf0\x9f", "\x9f", "\x98\x80", "\x80"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ifm_lexicon_add_added(&lexicon, -1, halves[i], strlen(halves[i]),
                                               0, false, NULL),
                         IFM_OK);
    assert_int_equal(ifm_lexicon_compile(&lexicon, NULL, 0, &block, NULL), IFM_OK);
    assert_int_equal(ifm_tokenizer_from_block(block, &tokenizer, NULL), IFM_OK);
    assert_int_equal(
        ifm_tokenizer_encode(tokenizer, text, 4, IFM_ENCODE_SPECIAL, &ids, &n, NULL),
        IFM_OK);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], 0);
    free(ids);
    ifm_tokenizer_close(tokenizer);
    ifm_lexicon_deinit(&lexicon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_merge_by_the_definition),
        cmocka_unit_test(whole_tokens_are_marked),
        cmocka_unit_test(an_added_token_never_cuts_a_character),
        cmocka_unit_test(a_word_of_a_million_letters_is_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
