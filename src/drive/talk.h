/* A conversation so far: who said what. Of it the next request is made. */
#ifndef IFM_DRIVE_TALK_H
#define IFM_DRIVE_TALK_H

#include <jansson.h>

#include "drive/source.h"

struct ifm_talk {
    int64_t number;
    int32_t turn;               /* the next */
    ifm_chat_message *messages; /* heap, [n]; contents are heap, too, roles static */
    size_t n, capacity;
};

/* Appends a copy. role: "system", "user", "assistant". Errors: NO_MEMORY. */
ifm_status ifm_talk_add(ifm_talk *self, const char *role, const char *text, size_t n,
                        ifm_error *err);
/* Appends copies of [{"role", "content"}, …], which were checked (drive/item.h). */
ifm_status ifm_talk_add_messages(ifm_talk *self, const json_t *messages, ifm_error *err);

/* For the completions endpoint, which knows no roles: the contents, an empty line between.
 * Heap, *n bytes and a NUL. */
ifm_status ifm_talk_as_text(const ifm_talk *self, char **text, size_t *n, ifm_error *err);

#endif
