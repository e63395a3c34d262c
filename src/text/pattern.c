#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/error.h"

/* Compiling to machine code costs 60 to 100 us in a young process and saves 0.04 us (prose)
 * to 0.09 us (code) a byte (docs/SPEED.md): it is done when interpreting has cost as much,
 * so that neither a cold start with a short prompt nor a long text pays for the other. */
enum { JIT_PAYS_BYTES = 1024 };

/* A sane pattern takes a few steps a byte; one that takes more than this was made to hang
 * whoever uses it, and each match of it is given up after milliseconds. */
enum { STEPS_AT_LEAST = 1000 * 1000, STEPS_A_BYTE = 64 };

ifm_status ifm_splitter_init(ifm_splitter *self, const char *pattern, size_t n,
                             ifm_error *err)
{
    *self = (ifm_splitter){0};
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context != NULL) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF); /* whatever it was built with */
        self->code =
            pcre2_compile((PCRE2_SPTR)pattern, n, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                          &code, &offset, context);
        pcre2_compile_context_free(context);
    }
    if (self->code == NULL && context != NULL && code != PCRE2_ERROR_HEAP_FAILED)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "the PCRE2 library does not understand a tokenizer's pattern "
                        "(error %d at byte %zu of its translation): was it built without "
                        "Unicode?",
                        code, (size_t)offset);
    if (self->code != NULL) {
        self->match = pcre2_match_data_create(1, NULL);
        self->limits = pcre2_match_context_create(NULL);
    }
    if (self->match == NULL || self->limits == NULL) {
        ifm_splitter_deinit(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a tokenizer's pattern");
    }
    uint32_t empty = 0;
    pcre2_pattern_info(self->code, PCRE2_INFO_MATCHEMPTY, &empty);
    self->matches_nothing = empty != 0;
    pcre2_set_match_limit(self->limits, STEPS_AT_LEAST);
    return IFM_OK;
}

void ifm_splitter_deinit(ifm_splitter *self)
{
    pcre2_match_context_free(self->limits);
    pcre2_match_data_free(self->match);
    pcre2_code_free(self->code);
    *self = (ifm_splitter){0};
}

void ifm_splitter_expect(ifm_splitter *self, size_t n)
{
    uint64_t steps = STEPS_AT_LEAST + (uint64_t)STEPS_A_BYTE * n;
    pcre2_set_match_limit(self->limits,
                          steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    if (self->jit_tried)
        return;
    self->n_expected += n < JIT_PAYS_BYTES ? n : JIT_PAYS_BYTES;
    if (self->n_expected < JIT_PAYS_BYTES)
        return;
    self->jit_tried = true;
    /* Where this fails (no executable memory), pcre2_match interprets as before. */
    pcre2_jit_compile(self->code, PCRE2_JIT_COMPLETE);
}

ifm_status ifm_splitter_next(ifm_splitter *self, const char *text, size_t n, size_t from,
                             size_t *start, size_t *end, ifm_error *err)
{
    *start = *end = n + 1;
    int found = pcre2_match(self->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK,
                            self->match, self->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter's memory is the heap */
        found = pcre2_match(self->code, (PCRE2_SPTR)text, n, from,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, self->match, self->limits);
    if (found >= 0) { /* 0: it has groups, which nobody asks for */
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(self->match);
        *start = range[0];
        *end = range[1];
        return IFM_OK;
    }
    if (found == PCRE2_ERROR_NOMATCH)
        return IFM_OK;
    if (found == PCRE2_ERROR_NOMEMORY)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to split %zu bytes", n);
    return ifm_fail(err, IFM_ERR_LIMIT,
                    "cannot split the text at byte %zu (PCRE2 error %d): does the "
                    "tokenizer's pattern backtrack without end?",
                    from, found);
}
