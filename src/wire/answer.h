/*
 * The answer: what a server says to one request becomes its record. Pure: no clock, no
 * socket. Whatever bytes come, it ends in exactly one outcome.
 */
#ifndef IFM_WIRE_ANSWER_H
#define IFM_WIRE_ANSWER_H

#include "inferometer/tokenizer.h"
#include "measure/record.h"

typedef struct ifm_answer ifm_answer;

/* What the request said in confidence, and a server may repeat in its complaint ("Incorrect
 * API key provided: …"): "***" in messages. Borrowed. */
typedef struct ifm_answer_secrets {
    const char *api_key;        /* NULL: none */
    const char *const *headers; /* [n_headers] "Name: value": words of the value */
    size_t n_headers;
    const char *authorization; /* a header that was made of the URL's; NULL: none */
    const char *password;      /* of the URL; NULL: none */
} ifm_answer_secrets;

typedef struct ifm_answer_options {
    ifm_answer_secrets secrets;
    bool chat;
    bool stream;              /* asked for; what came is told by content_type */
    ifm_tokenizer *tokenizer; /* counts where the server does not; NULL: none */
    void (*on_piece)(void *user, void *request, const ifm_piece *piece); /* may be NULL */
    void *user, *request;
} ifm_answer_options;

/* record: empty but for its wire, borrowed; filled. Errors: NO_MEMORY. */
ifm_status ifm_answer_new(const ifm_answer_options *options, ifm_record *record,
                          ifm_answer **out, ifm_error *err);
void ifm_answer_free(ifm_answer *self);

/* The head of the final response is there. content_type may be NULL. */
void ifm_answer_head(ifm_answer *self, int32_t status, const char *content_type,
                     int64_t t_ns);
/* The bytes of one read. False: no more is wanted, the outcome is settled. */
bool ifm_answer_take(ifm_answer *self, const char *bytes, size_t n, int64_t t_ns);
/* "[DONE]" or its like came: what follows does not matter (a server may keep the
 * connection open behind it). */
bool ifm_answer_complete(const ifm_answer *self);

/* The end. transport: OK when the body ended as HTTP says it should; else how the connection
 * ended, with `detail` for people. Settles record->ok, error, finish_reason, text, token_ns,
 * the wire's outcome and counts. An outcome that was settled before stays. */
void ifm_answer_end(ifm_answer *self, ifm_outcome transport, const char *detail,
                    int64_t t_ns);

#endif
