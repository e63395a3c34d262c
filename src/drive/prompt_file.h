/*
 * A file of prompts: JSON Lines, a JSON array, or plain lines, as its first byte shows. It
 * stays mapped and is read once in the beginning, when every entry is checked and its place
 * noted (some 40 bytes of memory each); it is parsed again when its turn has come.
 *
 *     conversation ──► entry ──► entry ──►        lines of one "session_id": a turn each
 *     conversation ──► entry                      else: all turns in one entry
 */
#ifndef IFM_DRIVE_PROMPT_FILE_H
#define IFM_DRIVE_PROMPT_FILE_H

#include "drive/item.h"
#include "os/file.h"

typedef struct ifm_prompt_entry {
    size_t at;     /* in the file */
    uint32_t n;    /* bytes */
    uint32_t line; /* or number of the element, from 1 */
    int32_t next;  /* of the same session; -1: the last */
    int32_t turns; /* of the whole conversation, in its first entry */
    int64_t at_ns; /* -1: it has no time */
} ifm_prompt_entry;

typedef struct ifm_prompt_file {
    ifm_mapping mapping; /* empty when the bytes are somebody else's */
    const char *data;    /* [size] */
    size_t size;
    const char *path; /* borrowed */
    bool array, plain;
    ifm_prompt_entry *entries; /* heap, [n_entries] */
    size_t n_entries, capacity;
    int32_t *heads; /* heap, [n]: first entries of the conversations, by their times */
    size_t n;
    int64_t *times; /* heap, [n] ns after the first; NULL: the file has no times */
    bool made;      /* Mooncake's: lengths, which are to be kept */
    bool recorded;  /* ShareGPT's */
    bool chat;      /* some entry has messages, or several turns: made for chat */
    size_t n_empty; /* conversations without a message of a person, left out */
} ifm_prompt_file;

/* `path` is borrowed. The caller deinits. Errors: NOT_FOUND, IO, FORMAT (naming the line),
 * LIMIT, NO_MEMORY. */
ifm_status ifm_prompt_file_open(ifm_prompt_file *self, const char *path, ifm_error *err);
/* The same from bytes that are in memory, borrowed; `path` is for messages. */
ifm_status ifm_prompt_file_of(ifm_prompt_file *self, const char *path, const char *data,
                              size_t size, ifm_error *err);
void ifm_prompt_file_deinit(ifm_prompt_file *self);

int32_t ifm_prompt_file_turns(const ifm_prompt_file *self, size_t conversation);
/* Parses the entry that holds a turn: *index is its place in item->turns. The caller deinits
 * the item. */
ifm_status ifm_prompt_file_read(const ifm_prompt_file *self, size_t conversation,
                                int32_t turn, ifm_item *item, size_t *index,
                                ifm_error *err);

#endif
