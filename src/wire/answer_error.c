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

void ifm_answer_body_message(ifm_buffer *out, const char *body, size_t n,
                             ifm_answer_event *event)
{
    ifm_buffer dropped = {0};
    size_t at;
    const ifm_answer_words words = {.text = &dropped};
    const char *why = ifm_answer_event_read(body, n, words, event, &at);
    ifm_buffer_deinit(&dropped);
    if (why == NULL && event->message[0] != '\0') {
        body = event->message;
        n = strlen(event->message);
    } else if (why != NULL) {
        (void)title_of(body, n, &body, &n);
    }
    ifm_answer_tame(out, body, n);
}
