#include "text/rewrite.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "text/utf8.h"

bool ifm_rewrite_has_pattern(const ifm_text_step *step)
{
    return step->kind == IFM_STEP_SPLIT ||
           (step->kind == IFM_STEP_REPLACE && (step->flags & IFM_STEP_LITERAL) == 0);
}

/* Blocks whose characters, alone or beside each other, no normalization form changes;
 * found by asking utf8proc for all of them. */
static const struct {
    uint32_t first, last;
    bool compatibility; /* also for NFKC and NFKD */
    bool decomposed;    /* also for NFD and NFKD */
} stable[] = {
    {0x00, 0x7f, true, true},       {0x80, 0x2ff, false, false},
    {0x410, 0x418, true, true},     {0x41a, 0x438, true, true},
    {0x43a, 0x44f, true, true},     {0x419, 0x419, true, false},
    {0x439, 0x439, true, false},    {0x2010, 0x2010, true, true},
    {0x2012, 0x2016, true, true},   {0x2018, 0x2023, true, true},
    {0x3041, 0x3096, true, false},  {0x30a1, 0x30fa, true, false},
    {0x4e00, 0x9fff, true, true},   {0xac00, 0xd7a3, true, false},
    {0x1f300, 0x1f64f, true, true}, {0x1f680, 0x1f6ff, true, true},
    {0x1f900, 0x1f9ff, true, true},
};

static bool is_stable(uint32_t c, ifm_step_kind form)
{
    for (size_t i = 0; i < sizeof stable / sizeof *stable; i++) {
        if (c < stable[i].first || c > stable[i].last)
            continue;
        return (stable[i].compatibility ||
                (form != IFM_STEP_NFKC && form != IFM_STEP_NFKD)) &&
               (stable[i].decomposed || (form != IFM_STEP_NFD && form != IFM_STEP_NFKD));
    }
    return false;
}

static bool is_normalized(const char *text, size_t n, ifm_step_kind form)
{
    const unsigned char *p = (const unsigned char *)text;
    ifm_utf8_kind kind;
    for (size_t i = 0, length; i < n; i += length) {
        length = 1;
        if (p[i] < 0x80)
            continue;
        length = ifm_utf8_step(p + i, n - i, &kind);
        if (!is_stable(ifm_utf8_decode(p + i, length), form))
            return false;
    }
    return true;
}

/* Unicode Standard Annex 15, by utf8proc. */
static ifm_status normalize(ifm_step_kind form, const char *text, size_t n,
                            ifm_buffer *out, ifm_error *err)
{
    static const int options[] = {
        [IFM_STEP_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [IFM_STEP_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [IFM_STEP_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [IFM_STEP_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *result = NULL;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &result,
                     (utf8proc_option_t)options[form]);
    if (length == UTF8PROC_ERROR_NOMEM)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to normalize %zu bytes", n);
    if (length < 0)
        return ifm_fail(err, IFM_ERR_LIMIT, "cannot normalize the text: %s",
                        utf8proc_errmsg(length));
    ifm_buffer_append(out, result, (size_t)length);
    free(result);
    return IFM_OK;
}

static void replace_text(const char *what, size_t n_what, const char *with, size_t n_with,
                         const char *text, size_t n, ifm_buffer *out)
{
    const char *end = text + n;
    while (text < end) {
        const char *found = n_what == 1
                                ? memchr(text, what[0], (size_t)(end - text))
                                : memmem(text, (size_t)(end - text), what, n_what);
        if (found == NULL || n_what == 0)
            break;
        ifm_buffer_append(out, text, (size_t)(found - text));
        ifm_buffer_append(out, with, n_with);
        text = found + n_what;
    }
    ifm_buffer_append(out, text, (size_t)(end - text));
}

static ifm_status replace_matches(ifm_splitter *splitter, const char *with, size_t n_with,
                                  const char *text, size_t n, ifm_buffer *out,
                                  ifm_error *err)
{
    size_t done = 0, from = 0, start, end;
    while (from <= n) {
        ifm_status st = ifm_splitter_next(splitter, text, n, from, &start, &end, err);
        if (st != IFM_OK)
            return st;
        if (start > n)
            break;
        ifm_buffer_append(out, text + done, start - done);
        ifm_buffer_append(out, with, n_with);
        done = from = end;
        if (start == end) { /* the next one begins at another character */
            from++;
            while (from < n && ((unsigned char)text[from] & 0xc0) == 0x80)
                from++;
        }
    }
    ifm_buffer_append(out, text + done, n - done);
    return IFM_OK;
}

/* Whether a PREFIX step has to do something. */
static bool wants_prefix(const ifm_text_step *step, const char *with, const char *text,
                         size_t n, bool first)
{
    if (n == 0 || ((step->flags & IFM_STEP_FIRST) != 0 && !first))
        return false;
    bool there = n >= step->n_with && memcmp(text, with, step->n_with) == 0;
    return (step->flags & IFM_STEP_UNLESS) == 0 || !there;
}

bool ifm_rewrite_is_idle(const ifm_text_step *step, const char *strings, const char *text,
                         size_t n, bool first)
{
    switch ((ifm_step_kind)step->kind) {
    case IFM_STEP_NFC:
    case IFM_STEP_NFD:
    case IFM_STEP_NFKC:
    case IFM_STEP_NFKD:
        return is_normalized(text, n, (ifm_step_kind)step->kind);
    case IFM_STEP_PREFIX:
        return !wants_prefix(step, strings + step->with, text, n, first);
    case IFM_STEP_REPLACE:
    case IFM_STEP_SPLIT:
    case IFM_STEP_KINDS:
        break;
    }
    return false;
}

ifm_status ifm_rewrite(const ifm_text_step *step, const char *strings,
                       ifm_splitter *splitter, const char *text, size_t n, bool first,
                       ifm_buffer *out, ifm_error *err)
{
    const char *with = strings + step->with;
    ifm_status st = IFM_OK;
    switch ((ifm_step_kind)step->kind) {
    case IFM_STEP_NFC:
    case IFM_STEP_NFD:
    case IFM_STEP_NFKC:
    case IFM_STEP_NFKD:
        st = normalize((ifm_step_kind)step->kind, text, n, out, err);
        break;
    case IFM_STEP_REPLACE:
        if ((step->flags & IFM_STEP_LITERAL) != 0)
            replace_text(strings + step->pattern, step->n_pattern, with, step->n_with,
                         text, n, out);
        else
            st = replace_matches(splitter, with, step->n_with, text, n, out, err);
        break;
    case IFM_STEP_PREFIX:
        if (wants_prefix(step, with, text, n, first))
            ifm_buffer_append(out, with, step->n_with);
        ifm_buffer_append(out, text, n);
        break;
    case IFM_STEP_SPLIT:
    case IFM_STEP_KINDS:
        break;
    }
    if (st == IFM_OK && out->failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu bytes of text", n);
    return st;
}
