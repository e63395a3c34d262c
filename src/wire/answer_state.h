/* What an answer is while it comes; private to answer.c and answer_take.c. */
#ifndef IFM_WIRE_ANSWER_STATE_H
#define IFM_WIRE_ANSWER_STATE_H

#include "wire/answer.h"
#include "wire/answer_event.h"
#include "wire/answer_tokens.h"
#include "wire/sse.h"

enum { IFM_ANSWER_CHOICES = 16 }; /* whose running totals are kept apart */

typedef enum ifm_answer_form {
    IFM_FORM_OPEN,    /* the first bytes will tell */
    IFM_FORM_STREAM,  /* events */
    IFM_FORM_WHOLE,   /* one JSON text */
    IFM_FORM_REFUSED, /* a status that is no success; the body says why */
    IFM_FORM_OTHER,   /* nothing that can be read */
} ifm_answer_form;

typedef enum ifm_content_type {
    IFM_CONTENT_EVENTS,
    IFM_CONTENT_JSON,
    IFM_CONTENT_OTHER,
} ifm_content_type;

struct ifm_answer {
    ifm_answer_options options;
    ifm_record *record; /* borrowed, with its wire */
    ifm_answer_form form;
    ifm_content_type type;
    ifm_sse sse;
    ifm_buffer body; /* first bytes, or all of what is no stream */
    ifm_buffer text, hidden;
    ifm_buffer detail; /* of the outcome, for people; one line */
    ifm_answer_note *notes;
    size_t capacity_pieces, capacity_texts;
    uint64_t seen, finished;             /* choices, a bit each */
    int64_t running[IFM_ANSWER_CHOICES]; /* tokens of each choice so far */
    int64_t total;                       /* of all of them */
    bool counted, running_fell;
    int64_t all_tokens; /* usage.total_tokens */
    int32_t read;       /* the one that is being taken */
    int64_t t_ns;       /* when it came */
    bool done;          /* "[DONE]" */
    bool settled;       /* wire->outcome is what it will be */
    bool finishing;     /* what is cut off is no error of its own */
    bool no_memory;
    bool ended;
    ifm_answer_event event; /* scratch */
};

/* Settles the outcome, once; `detail` becomes one line, n bytes of it. */
void ifm_answer_settle(ifm_answer *self, ifm_outcome outcome, const char *detail,
                       size_t n);

/* Takes one JSON text: an event named `name`, or the whole answer ("message"). False when
 * no more is wanted. */
bool ifm_answer_take_json(ifm_answer *self, const char *name, const char *data, size_t n);
/* An ifm_sse_taker; user is the answer. */
bool ifm_answer_take_event(void *user, const ifm_sse_event *event);

#endif
