/* Fuzzes the tokenizer in a GGUF file: what is accepted is compiled and used. */
#include <stdint.h>

#include "format/gguf.h"
#include "fuzz/fuzz.h"
#include "fuzz/tokenizer_use.h"
#include "text/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a ab <s> abc  cab\n\xc3\xa9<x>word \xe2\x96\x81 12's b";
    const ifm_mapping mapping = {.data = data, .size = size};
    ifm_gguf *gguf = NULL;
    ifm_error err = {0};
    if (ifm_gguf_parse(&mapping, "x", &gguf, &err) != IFM_OK)
        return 0;
    ifm_lexicon lexicon;
    ifm_tables_header *block = NULL;
    ifm_tokenizer *tokenizer = NULL;
    ifm_lexicon_init(&lexicon);
    ifm_status st = ifm_source_read_gguf(gguf, &lexicon, &err);
    if (st == IFM_OK)
        st = ifm_lexicon_compile(&lexicon, NULL, 0, &block, &err);
    if (st == IFM_OK)
        st = ifm_tokenizer_from_block(block, &tokenizer, &err);
    if (st == IFM_OK)
        use_tokenizer(tokenizer, text, sizeof text - 1);
    else if (err.message[0] == '\0')
        abort();
    ifm_tokenizer_close(tokenizer);
    ifm_lexicon_deinit(&lexicon);
    ifm_gguf_free(gguf);
    return 0;
}
