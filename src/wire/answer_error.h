/* What is said of an answer that went wrong: from bytes of any kind to one line. */
#ifndef IFM_WIRE_ANSWER_ERROR_H
#define IFM_WIRE_ANSWER_ERROR_H

#include "wire/answer.h"
#include "wire/answer_event.h"

enum { IFM_ANSWER_LINE = 300 }; /* characters of it that are kept */

/* text[n] as one line at the end of *out: white space is one blank, what controls terminals
 * or the direction of writing, or is not UTF-8, is "?"; "…" where it was cut. */
void ifm_answer_tame(ifm_buffer *out, const char *text, size_t n);

/* The message in the body of an answer that is an error: of JSON as servers write it, the
 * title of HTML, else all of it. *n_message bytes, borrowed from the body or from `event`,
 * which is scratch. */
const char *ifm_answer_body_message(const char *body, size_t n, ifm_answer_event *event,
                                    size_t *n_message);

/* Appends text[n] with "***" for what is secret; true when there was any. */
bool ifm_answer_hide(ifm_buffer *out, const ifm_answer_secrets *secrets, const char *text,
                     size_t n);

#endif
