#include "report/page.h"

#include <string.h>

const char *ifm_page_bold(const ifm_page *p)
{
    return p->colour ? "\x1b[1m" : "";
}

const char *ifm_page_dim(const ifm_page *p)
{
    return p->colour ? "\x1b[2m" : "";
}

const char *ifm_page_plain(const ifm_page *p)
{
    return p->colour ? "\x1b[0m" : "";
}

const char *ifm_page_dot(const ifm_page *p)
{
    return p->unicode ? " · " : ", ";
}

void ifm_page_padded(ifm_page *p, const char *text, int columns, bool right)
{
    int pad = columns - (int)ifm_text_columns(text);
    if (right)
        ifm_buffer_printf(&p->out, "%*s", pad > 0 ? pad : 0, "");
    ifm_buffer_puts(&p->out, text);
    if (!right)
        ifm_buffer_printf(&p->out, "%*s", pad > 0 ? pad : 0, "");
}

void ifm_page_label(ifm_page *p, const char *label)
{
    ifm_buffer_printf(&p->out, "  %s", ifm_page_dim(p));
    ifm_page_padded(p, label, IFM_PAGE_LABEL, false);
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
}

void ifm_page_end(ifm_page *p)
{
    while (p->out.length > 0 && p->out.data[p->out.length - 1] == ' ')
        p->out.length--;
    ifm_buffer_puts(&p->out, "\n");
}

void ifm_page_wrapped(ifm_page *p, const char *text, int indent)
{
    int column = indent;
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        char word[512];
        snprintf(word, sizeof word, "%.*s", (int)(n < 500 ? n : 500), text);
        int wide = (int)ifm_text_columns(word);
        if (column > indent && column + 1 + wide > p->width) {
            ifm_buffer_printf(&p->out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            ifm_buffer_puts(&p->out, " ");
            column++;
        }
        ifm_buffer_puts(&p->out, word);
        column += wide;
        text += n;
        text += strspn(text, " ");
    }
    ifm_page_end(p);
}

const char *ifm_page_unit(const ifm_page *p, const ifm_scale *scale)
{
    return p->unicode || strcmp(scale->unit, "µs") != 0 ? scale->unit : "us";
}

const char *ifm_or_unknown(const char *text)
{
    return text != NULL ? text : "unknown";
}
