#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/error.h"

/* Insides of character classes. */
#define SPACES                                                                           \
    "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}"                   \
    "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
/* Assigned in Unicode 15.0, 15.1 and 16.0. */
#define NEWER_LETTERS                                                                    \
    "\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}"                          \
    "\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}\\x{10d6f}-\\x{10d85}"                    \
    "\\x{10ec2}-\\x{10ec4}\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}"          \
    "\\x{1138e}\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}\\x{113d3}"                      \
    "\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}\\x{11f12}-\\x{11f33}"          \
    "\\x{1342f}\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}"          \
    "\\x{16d40}-\\x{16d6c}\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}"           \
    "\\x{1e030}-\\x{1e06d}\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}"          \
    "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"
#define NEWER_DIGITS                                                                     \
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}"                    \
    "\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}"                    \
    "\\x{1ccf0}-\\x{1ccf9}\\x{1e4f0}-\\x{1e4f9}"                                         \
    "\\x{1e5f1}-\\x{1e5fa}"
#define NEWER_NUMBERS NEWER_DIGITS "\\x{1d2c0}-\\x{1d2d3}"
#define NEWER_MARKS                                                                      \
    "\\x{897}\\x{cf3}\\x{ece}\\x{10d69}-\\x{10d6d}\\x{10efc}-\\x{10eff}\\x{11241}"       \
    "\\x{113b8}-\\x{113c0}\\x{113c2}\\x{113c5}\\x{113c7}-\\x{113ca}"                     \
    "\\x{113cc}-\\x{113d0}\\x{113d2}\\x{113e1}-\\x{113e2}\\x{11f00}-\\x{11f01}"          \
    "\\x{11f03}\\x{11f34}-\\x{11f3a}\\x{11f3e}-\\x{11f42}\\x{11f5a}\\x{13440}"           \
    "\\x{13447}-\\x{13455}\\x{1611e}-\\x{1612f}\\x{1e08f}\\x{1e4ec}-\\x{1e4ef}"          \
    "\\x{1e5ee}-\\x{1e5ef}"
#define LETTERS "\\p{L}" NEWER_LETTERS
#define NUMBERS "\\p{N}" NEWER_NUMBERS

static const struct {
    const char *expression; /* as tokenizer.json has it; NULL: not for finding */
    const char *ours;
} rows[] = {
    [IFM_SPLIT_GPT2] = {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| "
                        "?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                        "'(?:[stmd]|re|ve|ll)| ?+[" LETTERS "]++| ?+[" NUMBERS "]++"
                        "| ?+[^" SPACES LETTERS NUMBERS "]++"
                        "|[" SPACES "]+(?![^" SPACES "])|[" SPACES "]"},
    [IFM_PATTERN_WORD] = {NULL,
                          "[" LETTERS "\\p{Nl}\\p{M}" NEWER_MARKS "\\p{Nd}" NEWER_DIGITS
                          "\\p{Pc}\\x{200c}\\x{200d}"
                          "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}"
                          "\\x{1f170}-\\x{1f189}]"},
};

/* Compiling to machine code costs 60 to 100 us in a young process and saves 0.04 us (prose)
 * to 0.09 us (code) a byte (docs/SPEED.md): it is done when interpreting has cost as much,
 * so that neither a cold start with a short prompt nor a long text pays for the other. */
enum { JIT_PAYS_BYTES = 1024 };

int ifm_pattern_find(const char *expression, size_t n)
{
    for (int row = 0; row < IFM_SPLIT_COUNT; row++) {
        if (strlen(rows[row].expression) == n &&
            memcmp(rows[row].expression, expression, n) == 0)
            return row;
    }
    return -1;
}

ifm_status ifm_splitter_init(ifm_splitter *self, int row, ifm_error *err)
{
    *self = (ifm_splitter){0};
    int code = 0;
    PCRE2_SIZE offset = 0;
    self->code = pcre2_compile((PCRE2_SPTR)rows[row].ours, PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
    if (self->code == NULL && code != PCRE2_ERROR_NOMEMORY)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "this PCRE2 library cannot compile a tokenizer's pattern (error "
                        "%d at %zu): was it built without Unicode?",
                        code, (size_t)offset);
    if (self->code != NULL)
        self->match = pcre2_match_data_create(1, NULL);
    if (self->match == NULL) {
        ifm_splitter_deinit(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a tokenizer's pattern");
    }
    return IFM_OK;
}

void ifm_splitter_deinit(ifm_splitter *self)
{
    pcre2_match_data_free(self->match);
    pcre2_code_free(self->code);
    *self = (ifm_splitter){0};
}

void ifm_splitter_expect(ifm_splitter *self, size_t n)
{
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
    *start = *end = n;
    int found = pcre2_match(self->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK,
                            self->match, NULL);
    if (found > 0) {
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
                    "cannot split the text at byte %zu (PCRE2 error %d)", from, found);
}
