/* Fuzzes encoding: of any valid text, the tokens' bytes are the text again, over bytes with
 * Llama 3's pattern or GPT-2's, and over characters with byte fallback, by pairs and by
 * score. */
#include <stdint.h>
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "fuzz/tokenizer_use.h"
#include "text/lexicon.h"
#include "text/pattern.h"

/* The byte alphabet as files write it. */
static size_t written(unsigned byte, char *out)
{
    bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    unsigned c = byte;
    if (!itself)
        c = byte <= 32 ? 0x100 + byte : byte <= 160 ? 0x121 + byte - 127 : 0x143;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(unsigned char)(0xc0 | c >> 6);
    out[1] = (char)(unsigned char)(0x80 | (c & 0x3f));
    return 2;
}

static void must(ifm_status st)
{
    if (st != IFM_OK)
        abort();
}

static ifm_tokenizer *finish(ifm_lexicon *lexicon)
{
    ifm_tables_header *block;
    ifm_tokenizer *tokenizer = NULL;
    must(ifm_lexicon_add_added(lexicon, -1, "<s>", 3, 0, true, NULL));
    must(
        ifm_lexicon_add_added(lexicon, -1, "<s><", 4, IFM_ADDED_SINGLE_WORD, true, NULL));
    must(ifm_lexicon_add_added(lexicon, -1, "the", 3, IFM_ADDED_NORMALIZED, false, NULL));
    must(ifm_lexicon_compile(lexicon, NULL, 0, &block, NULL));
    must(ifm_tokenizer_from_block(block, &tokenizer, NULL));
    ifm_lexicon_deinit(lexicon);
    return tokenizer;
}

#define MARK "\xe2\x96\x81"

/* Byte tokens, a few characters, and what they merge to. */
static ifm_tokenizer *make_characters(bool by_score)
{
    static const char *const tokens[] = {
        "t", "h", "e", "a", MARK, "th", "aa", "he", "the", "aaaa", MARK "the", MARK MARK};
    static const char *const merged[][2] = {{"t", "h"},  {"a", "a"},   {"h", "e"},
                                            {"th", "e"}, {"aa", "aa"}, {MARK, "the"},
                                            {MARK, MARK}};
    static const ifm_lexicon_step prefix = {
        .kind = IFM_STEP_PREFIX, .with = MARK, .n_with = 3};
    static const ifm_lexicon_step spaces = {.kind = IFM_STEP_REPLACE,
                                            .flags = IFM_STEP_LITERAL,
                                            .pattern = " ",
                                            .n_pattern = 1,
                                            .with = MARK,
                                            .n_with = 3};
    ifm_lexicon lexicon;
    float scores[256 + 12];
    char token[16];
    ifm_lexicon_init(&lexicon);
    lexicon.alphabet = false;
    lexicon.rules.by_character = lexicon.rules.byte_fallback = true;
    lexicon.show = (ifm_lexicon_show){
        .bytes = true, .replace = true, .from = MARK, .to = " ", .n_from = 3, .n_to = 1};
    must(ifm_lexicon_add_step(&lexicon, &prefix, NULL));
    must(ifm_lexicon_add_step(&lexicon, &spaces, NULL));
    lexicon.rules.n_normal = lexicon.rules.n_steps;
    for (int i = 0; i < 256 + 12; i++) {
        snprintf(token, sizeof token, "<0x%02X>", (unsigned)i & 0xffu);
        const char *name = i < 256 ? token : tokens[i - 256];
        must(ifm_lexicon_add_token(&lexicon, i, name, strlen(name), NULL));
        scores[i] = (float)-(i / 3);
    }
    must(ifm_lexicon_index(&lexicon, NULL));
    if (by_score)
        must(ifm_lexicon_set_scores(&lexicon, scores, NULL));
    for (int i = 0; !by_score && i < 7; i++)
        must(ifm_lexicon_add_merge(&lexicon, merged[i][0], strlen(merged[i][0]),
                                   merged[i][1], strlen(merged[i][1]), NULL));
    return finish(&lexicon);
}

/* What is shown of a text that begins with a space and has them written as "▁". */
static char *as_shown(const char *text, size_t *n)
{
    char *out = malloc(*n + 1);
    size_t made = 0;
    if (out == NULL)
        abort();
    if (*n > 0)
        out[made++] = ' ';
    for (size_t i = 0; i < *n; i++) {
        bool mark = *n - i >= 3 && memcmp(text + i, MARK, 3) == 0;
        out[made++] = mark ? ' ' : text[i];
        i += mark ? 2 : 0;
    }
    *n = made;
    return out;
}

/* Without added tokens, each of whose neighbours would begin with a space as well. */
static void check_shown(ifm_tokenizer *tokenizer, const char *text, size_t n)
{
    int32_t *ids;
    size_t n_ids, at = 0;
    if (ifm_tokenizer_encode(tokenizer, text, n, IFM_ENCODE_PLAIN, &ids, &n_ids, NULL) !=
        IFM_OK)
        return;
    char *expected = as_shown(text, &n);
    for (size_t i = 0; i < n_ids; i++) {
        size_t length;
        const char *bytes = ifm_tokenizer_bytes(tokenizer, ids[i], &length);
        if (bytes == NULL || length > n - at || memcmp(bytes, expected + at, length) != 0)
            abort();
        at += length;
    }
    if (at != n)
        abort();
    free(expected);
    free(ids);
}

/* All bytes, a few merges, added tokens. */
static ifm_tokenizer *make(const char *pattern)
{
    static const char *const merged[][2] = {
        {"t", "h"}, {"th", "e"}, {"a", "a"}, {"aa", "aa"}, {"\xc4\xa0", "the"}};
    ifm_lexicon lexicon;
    ifm_lexicon_init(&lexicon);
    char token[16];
    for (unsigned byte = 0; byte < 256; byte++)
        must(ifm_lexicon_add_token(&lexicon, byte, token, written(byte, token), NULL));
    for (int i = 0; i < 5; i++) {
        int n = snprintf(token, sizeof token, "%s%s", merged[i][0], merged[i][1]);
        must(ifm_lexicon_add_token(&lexicon, 256 + i, token, (size_t)n, NULL));
    }
    must(ifm_lexicon_index(&lexicon, NULL));
    for (int i = 0; i < 5; i++)
        must(ifm_lexicon_add_merge(&lexicon, merged[i][0], strlen(merged[i][0]),
                                   merged[i][1], strlen(merged[i][1]), NULL));
    must(ifm_lexicon_add_split(&lexicon, pattern, NULL));
    return finish(&lexicon);
}

static void check_round_trip(ifm_tokenizer *tokenizer, const char *text, size_t n,
                             unsigned flags)
{
    int32_t *ids;
    size_t n_ids, at = 0;
    ifm_status st = ifm_tokenizer_encode(tokenizer, text, n, flags, &ids, &n_ids, NULL);
    if ((st == IFM_OK) != (ifm_utf8_check(text, n) == n))
        abort();
    if (st != IFM_OK)
        return;
    for (size_t i = 0; i < n_ids; i++) {
        size_t length;
        const char *bytes = ifm_tokenizer_bytes(tokenizer, ids[i], &length);
        if (bytes == NULL || length > n - at || memcmp(bytes, text + at, length) != 0)
            abort();
        at += length;
    }
    if (at != n)
        abort();
    free(ids);
}

/* Llama 3's. */
#define LLAMA3                                                                           \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "           \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ifm_tokenizer *bytes[2], *characters[2];
    const char *text = (const char *)data;
    for (int i = 0; i < 2 && bytes[i] == NULL; i++) {
        bytes[i] = make(i == 0 ? ifm_pattern_gpt2 : LLAMA3);
        characters[i] = make_characters(i == 0);
    }
    for (int i = 0; i < 2; i++) {
        check_round_trip(bytes[i], text, size, IFM_ENCODE_PLAIN);
        check_round_trip(bytes[i], text, size, IFM_ENCODE_DEFAULT);
        use_tokenizer(bytes[i], text, size);
        check_shown(characters[i], text, size);
        use_tokenizer(characters[i], text, size);
    }
    return 0;
}
