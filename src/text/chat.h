/*
 * Chat templates, as rows of a table instead of programs: what stands around each role's
 * words, and a few ways in which families differ.
 *
 * The Jinja text of a model is only looked at: what makes each family's template
 * unmistakable are the tokens that it writes. One that is not recognised is refused, since a
 * model that is spoken to in a form that it does not know answers worse, and silently.
 */
#ifndef IFM_TEXT_CHAT_H
#define IFM_TEXT_CHAT_H

#include "inferometer/tokenizer.h"

enum {
    IFM_CHAT_TRIM = 1,         /* contents lose white space at both ends */
    IFM_CHAT_BOS = 2,          /* the text begins with BOS */
    IFM_CHAT_BOS_IF_NAMED = 4, /* … if the model's template speaks of bos_token */
    IFM_CHAT_SYSTEM_FIRST = 8, /* the system's words are part of the first user's turn */
    IFM_CHAT_SYSTEM_LAST = 16, /* … of the last one */
    IFM_CHAT_NO_SYSTEM = 32,   /* there is no such role */
    IFM_CHAT_SYSTEM_ALWAYS = 64,  /* there is a system's turn, empty if need be */
    IFM_CHAT_ALTERNATES = 128,    /* user and assistant take turns, the user begins */
    IFM_CHAT_NO_THINKING = 256,   /* what the assistant thought earlier is left out */
    IFM_CHAT_DEFAULT_SYSTEM = 512 /* a system's words may be in the model's template */
};

/* What is written in front of the words of a role and behind them. {bos}, {eos} and {date}
 * stand for what they say. */
typedef struct ifm_chat_template {
    const char *name;
    const char *has[4];   /* a model's template has all of these */
    const char *lacks[2]; /* … and none of these */
    unsigned flags;
    const char *system[2], *user[2], *assistant[2];
    const char *answer;    /* where the assistant's next words begin */
    const char *bos, *eos; /* where no tokenizer says otherwise */
    const char *words;     /* the system's, when there are none; NULL: no such turn */
} ifm_chat_template;

/* The row that a model's template is, NULL if it is none. Thread-safe. */
const ifm_chat_template *ifm_chat_recognise(const char *text, size_t n);
/* The row of that name; NULL. */
const ifm_chat_template *ifm_chat_find(const char *name);
/* "chatml, llama2, …", for messages. */
const char *ifm_chat_list(void);

/* The system's words in the text of a ChatML-like template: what stands between
 * "<|im_start|>system\n" and "<|im_end|>" in one of its literals. *n is 0 when there is none. */
const char *ifm_chat_default_system(const char *text, size_t n, size_t *n_words);

#endif
