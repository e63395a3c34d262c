/* Everything that a tokenizer can do, and what must hold of it whatever its tables say. */
#ifndef IFM_FUZZ_TOKENIZER_USE_H
#define IFM_FUZZ_TOKENIZER_USE_H

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

static inline void use_tokenizer(ifm_tokenizer *t, const char *text, size_t n)
{
    char out[512];
    ifm_detokenizer detokenizer;
    ifm_detokenizer_init(&detokenizer, t);
    for (unsigned flags = 0; flags < 4; flags++) {
        int32_t *ids = NULL;
        size_t n_ids = 0, length;
        ifm_error err = {0};
        ifm_status st = ifm_tokenizer_encode(t, text, n, flags, &ids, &n_ids, &err);
        if (st != IFM_OK && (ids != NULL || err.message[0] == '\0'))
            abort();
        if (st == IFM_OK && ifm_utf8_check(text, n) != n)
            abort();
        for (size_t i = 0; i < n_ids; i++) {
            if (ids[i] < 0 || ids[i] >= ifm_tokenizer_size(t))
                abort();
            ifm_tokenizer_bytes(t, ids[i], &length);
            length = ifm_detokenizer_push(&detokenizer, ids[i], out, sizeof out);
            if (length > sizeof out || ifm_utf8_check(out, length) != length)
                abort();
        }
        free(ids);
    }
    ifm_detokenizer_flush(&detokenizer, out, sizeof out);
}

#endif
