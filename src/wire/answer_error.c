#include "wire/answer_error.h"

#include <string.h>
#include <strings.h>

#include "text/utf8.h"

/* U+0080 … U+009F control terminals; U+200B … U+200F, U+2028 … U+202E, U+2060 … U+206F and
 * U+FEFF are unseen or turn the direction of what follows. */
static bool is_shown(uint32_t c)
{
    return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) &&
           !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
           !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void ifm_answer_tame(ifm_buffer *out, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0, shown = 0;
    bool blank = false;
    while (i < n && is_blank(s[i]))
        i++;
    while (i < n) {
        if (is_blank(s[i])) {
            blank = true;
            i++;
            continue;
        }
        if (shown + blank >= IFM_ANSWER_LINE) {
            ifm_buffer_puts(out, "…");
            return;
        }
        ifm_utf8_kind kind;
        const size_t length = ifm_utf8_step(s + i, n - i, &kind);
        if (blank)
            ifm_buffer_append(out, " ", 1);
        if (kind == IFM_UTF8_WHOLE && is_shown(ifm_utf8_decode(s + i, length)))
            ifm_buffer_append(out, s + i, length);
        else
            ifm_buffer_append(out, "?", 1);
        shown += 1 + (size_t)blank;
        blank = false;
        i += length;
    }
}

/* text[n] from the first place that begins with `what`, in any case, on; NULL. */
static const char *find(const char *text, size_t n, const char *what)
{
    const size_t length = strlen(what);
    for (size_t i = 0; i + length <= n; i++)
        if (strncasecmp(text + i, what, length) == 0)
            return text + i;
    return NULL;
}

static bool title_of(const char *body, size_t n, const char **title, size_t *n_title)
{
    const char *begin = find(body, n, "<title>");
    if (begin == NULL)
        return false;
    begin += strlen("<title>");
    const char *end = find(begin, (size_t)(body + n - begin), "</title>");
    *title = begin;
    *n_title = end != NULL ? (size_t)(end - begin) : 0;
    return *n_title > 0;
}

const char *ifm_answer_body_message(const char *body, size_t n, ifm_answer_event *event,
                                    size_t *n_message)
{
    ifm_buffer dropped = {0};
    size_t at;
    const ifm_answer_words words = {.text = &dropped};
    const char *why = ifm_answer_event_read(body, n, words, event, &at);
    ifm_buffer_deinit(&dropped);
    *n_message = n;
    if (why == NULL && event->message[0] != '\0') {
        *n_message = strlen(event->message);
        return event->message;
    }
    if (why != NULL)
        (void)title_of(body, n, &body, n_message);
    return body;
}

/* ---- secrets --------------------------------------------------------------------------- */

/* Shorter words of a header are no secrets, and would hide too much. */
enum { SHORTEST_SECRET = 6 };

static bool begins_with(const char *text, size_t n, const char *word, size_t n_word)
{
    return n_word <= n && memcmp(text, word, n_word) == 0;
}

/* The length of the longest word of the value of "Name: value" that text[n] begins with. */
static size_t word_of(const char *header, const char *text, size_t n)
{
    size_t longest = 0, length;
    const char *at = strchr(header, ':');
    for (at = at != NULL ? at + 1 : ""; *at != '\0'; at += length) {
        at += strspn(at, " \t,;");
        length = strcspn(at, " \t,;");
        if (length >= SHORTEST_SECRET && length > longest &&
            begins_with(text, n, at, length))
            longest = length;
    }
    return longest;
}

/* The length of the longest secret that text[n] begins with; 0. */
static size_t secret_at(const ifm_answer_secrets *secrets, const char *text, size_t n)
{
    const char *const whole[] = {secrets->api_key, secrets->password};
    size_t longest = 0;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        const size_t length = whole[i] != NULL ? strlen(whole[i]) : 0;
        if (length > longest && begins_with(text, n, whole[i], length))
            longest = length;
    }
    if (secrets->authorization != NULL) {
        const size_t length = word_of(secrets->authorization, text, n);
        longest = length > longest ? length : longest;
    }
    for (size_t i = 0; i < secrets->n_headers; i++) {
        const size_t length = word_of(secrets->headers[i], text, n);
        longest = length > longest ? length : longest;
    }
    return longest;
}

bool ifm_answer_hide(ifm_buffer *out, const ifm_answer_secrets *secrets, const char *text,
                     size_t n)
{
    size_t begin = 0, i = 0;
    bool any = false;
    while (i < n) {
        const size_t length = secret_at(secrets, text + i, n - i);
        if (length == 0) {
            i++;
            continue;
        }
        ifm_buffer_append(out, text + begin, i - begin);
        ifm_buffer_puts(out, "***");
        begin = i += length;
        any = true;
    }
    ifm_buffer_append(out, text + begin, n - begin);
    return any;
}
