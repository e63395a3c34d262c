/* Fuzzes encoding: of any valid text, the tokens' bytes are the text again. */
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

/* All bytes, a few merges, added tokens. */
static ifm_tokenizer *make(void)
{
    static const char *const merged[][2] = {
        {"t", "h"}, {"th", "e"}, {"a", "a"}, {"aa", "aa"}, {"\xc4\xa0", "the"}};
    ifm_lexicon lexicon;
    ifm_tables_header *block;
    ifm_tokenizer *tokenizer = NULL;
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
    must(ifm_lexicon_add_added(&lexicon, -1, "<s>", 3, 0, true, NULL));
    must(ifm_lexicon_add_added(&lexicon, -1, "<s><", 4, IFM_ADDED_SINGLE_WORD, true,
                               NULL));
    must(
        ifm_lexicon_add_added(&lexicon, -1, "the", 3, IFM_ADDED_NORMALIZED, false, NULL));
    must(ifm_lexicon_add_split(&lexicon, ifm_pattern_gpt2, NULL));
    must(ifm_lexicon_compile(&lexicon, NULL, 0, &block, NULL));
    must(ifm_tokenizer_from_block(block, &tokenizer, NULL));
    ifm_lexicon_deinit(&lexicon);
    return tokenizer;
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ifm_tokenizer *tokenizer;
    if (tokenizer == NULL)
        tokenizer = make();
    check_round_trip(tokenizer, (const char *)data, size, IFM_ENCODE_PLAIN);
    check_round_trip(tokenizer, (const char *)data, size, IFM_ENCODE_DEFAULT);
    use_tokenizer(tokenizer, (const char *)data, size);
    return 0;
}
