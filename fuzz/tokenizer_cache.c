/* Fuzzes the compiled cache: a block with a right checksum, else as it comes. */
#include <stdint.h>

#include "fuzz/fuzz.h"
#include "fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a ab <s> abc  cab\n\xc3\xa9<x>word 's b";
    ifm_tables_header *block = malloc(size > 0 ? size : 1);
    ifm_tables tables;
    if (block == NULL)
        return 0;
    memcpy(block, data, size);
    if (size >= sizeof *block && ifm_tables_size(block) == size)
        ifm_tables_seal(block); /* past the checksum, which no fuzzer guesses */
    if (!ifm_tables_attach(&tables, block, size)) {
        free(block);
        return 0;
    }
    ifm_tokenizer *tokenizer = NULL;
    if (ifm_tokenizer_from_block(block, &tokenizer, NULL) == IFM_OK)
        use_tokenizer(tokenizer, text, sizeof text - 1);
    ifm_tokenizer_close(tokenizer);
    return 0;
}
