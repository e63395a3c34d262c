/* From Oniguruma's words for a pattern to PCRE2's: pattern.h. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/classes.h"
#include "text/pattern.h"
#include "text/utf8.h"

const char ifm_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const char ifm_pattern_word[] = "[" WORDS_OF_TR18 "]";

/* Parts of the rows below. */
#define CONTRACTIONS "'(?i:[stmd]|re|ve|ll)"
#define A_WORD       "[^\\r\\n" LETTERS NUMBERS "]?+[" LETTERS "]++"
#define SIGNS        " ?+[^" SPACES LETTERS NUMBERS "]++"
#define LAST_LINES   "[" SPACES "]*[\\r\\n]"
#define LAST_SPACES  "[" SPACES "]+(?![^" SPACES "])|[" SPACES "]++"

/* Patterns in such use that they are worth writing by hand. The same matches. */
static const struct {
    const char *expression; /* as tokenizer.json has it */
    const char *ours;
} rows[] = {
    {ifm_pattern_gpt2,
     "'(?:[stmd]|re|ve|ll)| ?+[" LETTERS "]++| ?+[" NUMBERS "]++|" SIGNS "|" LAST_SPACES},
    /* Llama 3 */
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     CONTRACTIONS "|" A_WORD "|[" NUMBERS "]{1,3}+|" SIGNS "[\\r\\n]*+|" LAST_LINES
                  "|" LAST_SPACES},
    /* Qwen2 */
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     CONTRACTIONS "|" A_WORD "|[" NUMBERS "]|" SIGNS "[\\r\\n]*+|" LAST_LINES
                  "|" LAST_SPACES},
};

/* General categories, and what is to be added to each. */
static const struct {
    const char *name, *newer;
} categories[] = {
    {"L", NEWER_L},   {"Lu", NEWER_LU}, {"Ll", NEWER_LL}, {"Lt", ""},
    {"Lm", NEWER_LM}, {"Lo", NEWER_LO}, {"M", NEWER_M},   {"Mn", NEWER_MN},
    {"Mc", NEWER_MC}, {"Me", ""},       {"N", NEWER_N},   {"Nd", NEWER_ND},
    {"Nl", ""},       {"No", NEWER_NO}, {"P", NEWER_P},   {"Pc", ""},
    {"Pd", NEWER_PD}, {"Ps", ""},       {"Pe", ""},       {"Pi", ""},
    {"Pf", ""},       {"Po", NEWER_PO}, {"S", NEWER_S},   {"Sm", NEWER_SM},
    {"Sc", ""},       {"Sk", ""},       {"So", NEWER_SO}, {"Z", ""},
    {"Zs", ""},       {"Zl", ""},       {"Zp", ""},
};

/* A pattern on its way. */
typedef struct reader {
    const char *text;
    size_t n, at;
    bool inside; /* [ … ] */
    ifm_buffer *out;
    ifm_error *err;
} reader;

static ifm_status refuse(const reader *r, size_t from, size_t length)
{
    if (length > r->n - from)
        length = r->n - from;
    return ifm_fail(
        r->err, IFM_ERR_UNSUPPORTED,
        "the pattern \"%.*s\" uses \"%.*s\" at byte %zu, which is not supported",
        ifm_utf8_prefix(r->text, r->n, 60), r->text,
        ifm_utf8_prefix(r->text + from, length, length), r->text + from, from);
}

static int peek(const reader *r, size_t ahead)
{
    return ahead < r->n - r->at ? (unsigned char)r->text[r->at + ahead] : -1;
}

/* Copies `length` bytes. */
static void copy(reader *r, size_t length)
{
    ifm_buffer_append(r->out, r->text + r->at, length);
    r->at += length;
}

/* A set of characters, given as the inside of a class, in a class or alone. */
static void put_set(reader *r, const char *set, bool negated)
{
    if (!r->inside)
        ifm_buffer_puts(r->out, negated ? "[^" : "[");
    ifm_buffer_puts(r->out, set);
    if (!r->inside)
        ifm_buffer_puts(r->out, "]");
}

/* \p{Lu}, \P{Lu}, \p{^Lu}: r->at is behind the "\p". */
static ifm_status read_property(reader *r, bool negated)
{
    size_t from = r->at - 2, start = r->at + 1;
    if (peek(r, 0) != '{')
        return refuse(r, from, 3);
    const char *close = memchr(r->text + start, '}', r->n - start);
    size_t end = close != NULL ? (size_t)(close - r->text) : r->n;
    if (close != NULL && r->text[start] == '^') {
        negated = !negated;
        start++;
    }
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
        const char *name = categories[i].name;
        if (close == NULL || strlen(name) != end - start ||
            memcmp(name, r->text + start, end - start) != 0)
            continue;
        if (negated && r->inside && categories[i].newer[0] != '\0')
            break; /* a class cannot say "and not these" */
        r->at = end + 1;
        char property[16] = "\\p{";
        strcat(property, name);
        strcat(property, "}");
        if (negated && r->inside)
            property[1] = 'P';
        if (!r->inside)
            ifm_buffer_puts(r->out, negated ? "[^" : "[");
        ifm_buffer_puts(r->out, property);
        ifm_buffer_puts(r->out, categories[i].newer);
        if (!r->inside)
            ifm_buffer_puts(r->out, "]");
        return IFM_OK;
    }
    return refuse(r, from, end - from + 1);
}

/* \xHH, \x{H…}, \uHHHH: r->at is behind the letter. */
static ifm_status read_code_point(reader *r, char letter)
{
    size_t from = r->at - 2, most = letter == 'u' ? 4 : 2, start = r->at, end;
    bool braces = letter == 'x' && peek(r, 0) == '{';
    if (braces) {
        start++;
        most = 6;
    }
    for (end = start; end < r->n && end - start < most; end++)
        if (strchr("0123456789abcdefABCDEF", r->text[end]) == NULL || !r->text[end])
            break;
    if (end == start || (letter == 'u' && end - start < 4) ||
        (braces && (end == r->n || r->text[end] != '}')))
        return refuse(r, from, end - from + 1);
    ifm_buffer_puts(r->out, "\\x{");
    ifm_buffer_append(r->out, r->text + start, end - start);
    ifm_buffer_puts(r->out, "}");
    r->at = end + (braces ? 1 : 0);
    return IFM_OK;
}

/* A backslash and what it means. */
static ifm_status read_escape(reader *r)
{
    int c = peek(r, 1);
    static const char plain[] = "rntfaeAz";
    if (c > 0 && strchr(plain, c) != NULL && !(r->inside && (c == 'A' || c == 'z'))) {
        copy(r, 2);
        return IFM_OK;
    }
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c < 0;
    if (!letter) { /* a sign, which is itself; PCRE2 wants no backslash before é */
        if (c >= 0x80)
            r->at++;
        else
            copy(r, 2);
        return IFM_OK;
    }
    r->at += 2;
    switch (c) {
    case 's':
        put_set(r, SPACES, false);
        return IFM_OK;
    case 'S':
        put_set(r, NOT_SPACES, false);
        return IFM_OK;
    case 'd':
        put_set(r, DIGITS, false);
        return IFM_OK;
    case 'w':
        put_set(r, WORDS_OF_ONIGURUMA, false);
        return IFM_OK;
    case 'v':
        ifm_buffer_puts(r->out, "\\x{0b}");
        return IFM_OK;
    case 'p':
    case 'P':
        return read_property(r, c == 'P');
    case 'x':
    case 'u':
        return read_code_point(r, (char)c);
    case 'D':
    case 'W':
        if (!r->inside) {
            put_set(r, c == 'D' ? DIGITS : WORDS_OF_ONIGURUMA, true);
            return IFM_OK;
        }
        break;
    default:
        break;
    }
    r->at -= 2;
    return refuse(r, r->at, 2);
}

/* "(?…": which of them mean the same to both. r->at is at the parenthesis. */
static ifm_status read_group(reader *r)
{
    static const char *const same[] = {"(?:", "(?=",  "(?!",   "(?<=", "(?<!",
                                       "(?>", "(?i:", "(?-i:", "(?i)"};
    if (peek(r, 1) != '?') {
        copy(r, 1);
        return IFM_OK;
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        size_t length = strlen(same[i]);
        if (r->n - r->at >= length && memcmp(r->text + r->at, same[i], length) == 0) {
            copy(r, length);
            return IFM_OK;
        }
    }
    return refuse(r, r->at, 4);
}

/* A repetition {m}, {m,}, {m,n}, {,n}; other braces are themselves. */
static ifm_status read_brace(reader *r)
{
    size_t end = r->at + 1;
    while (end < r->n &&
           ((r->text[end] >= '0' && r->text[end] <= '9') || r->text[end] == ','))
        end++;
    if (end == r->n || r->text[end] != '}' || end == r->at + 1) {
        ifm_buffer_puts(r->out, "\\");
        copy(r, 1);
        return IFM_OK;
    }
    if (end + 1 < r->n && r->text[end + 1] == '+') /* not possessive in Ruby's syntax */
        return refuse(r, r->at, end + 2 - r->at);
    copy(r, 1);
    if (peek(r, 0) == ',')
        ifm_buffer_puts(r->out, "0");
    copy(r, end + 1 - r->at);
    return IFM_OK;
}

/* Inside of [ … ]. */
static ifm_status read_inside(reader *r)
{
    int c = peek(r, 0);
    if (c == '[' || (c == '&' && peek(r, 1) == '&'))
        return refuse(r, r->at, 2);
    if (c == ']')
        r->inside = false;
    copy(r, 1);
    return IFM_OK;
}

static ifm_status read_outside(reader *r)
{
    switch (peek(r, 0)) {
    case '[':
        copy(r, 1);
        if (peek(r, 0) == '^')
            copy(r, 1);
        if (peek(r, 0) == ']')
            return refuse(r, r->at - 1, 2);
        r->inside = true;
        return IFM_OK;
    case '(':
        return read_group(r);
    case '{':
        return read_brace(r);
    default:
        copy(r, 1);
        return IFM_OK;
    }
}

ifm_status ifm_pattern_translate(const char *expression, size_t n, ifm_buffer *out,
                                 ifm_error *err)
{
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        if (strlen(rows[row].expression) != n ||
            memcmp(rows[row].expression, expression, n) != 0)
            continue;
        ifm_buffer_puts(out, rows[row].ours);
        return out->failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a pattern")
                           : IFM_OK;
    }
    reader r = {.text = expression, .n = n, .out = out, .err = err};
    ifm_status st = IFM_OK;
    while (st == IFM_OK && r.at < n) {
        if (peek(&r, 0) == '\\')
            st = read_escape(&r);
        else
            st = r.inside ? read_inside(&r) : read_outside(&r);
    }
    if (st == IFM_OK && r.inside)
        st = refuse(&r, n > 0 ? n - 1 : 0, 1);
    if (st == IFM_OK && out->failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a pattern");
    return st;
}

bool ifm_pattern_quote(const char *text, size_t n, ifm_buffer *out)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr("\\^$.[]|()?*+{}#-", text[i]) != NULL && text[i] != '\0')
            ifm_buffer_puts(out, "\\");
        ifm_buffer_append(out, &text[i], 1);
    }
    return !out->failed;
}
