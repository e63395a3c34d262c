#include "mock/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

enum {
    EVENTS_PER_PIECE = 256,        /* formatted before they go to the file */
    MOST_WAITING_BYTES = 64 << 20, /* of entries that are not written yet */
};

struct ifm_mock_log {
    FILE *file;
    char *path;
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t more, less;
    ifm_mock_entry *first, **last;
    size_t waiting_bytes;
    bool closing;
    int code; /* errno of the first write that failed; the writer's until it is joined */
};

ifm_mock_entry *ifm_mock_entry_new(size_t capacity)
{
    ifm_mock_entry *self = calloc(1, sizeof *self + capacity * sizeof(ifm_mock_event));
    if (self != NULL)
        self->capacity = capacity;
    return self;
}

static size_t entry_bytes(const ifm_mock_entry *entry)
{
    return sizeof *entry + entry->capacity * sizeof(ifm_mock_event);
}

/* printf takes longer than all the rest of a line with a thousand numbers. */
static void put_number(ifm_buffer *line, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    const bool negative = value < 0;
    uint64_t left = negative ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (negative)
        digits[--at] = '-';
    ifm_buffer_append(line, digits + at, sizeof digits - at);
}

static void put_pair(ifm_buffer *line, const char *name, int64_t value)
{
    ifm_buffer_puts(line, ",\"");
    ifm_buffer_puts(line, name);
    ifm_buffer_puts(line, "\":");
    put_number(line, value);
}

/* A header's value: whatever bytes but control characters, which need not be UTF-8. */
static void put_text(ifm_buffer *line, const char *text)
{
    if (text[0] == '\0') {
        ifm_buffer_puts(line, "null");
        return;
    }
    ifm_buffer_puts(line, "\"");
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            ifm_buffer_printf(line, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            ifm_buffer_printf(line, "\\u%04x", c);
        else
            ifm_buffer_append(line, text, 1);
    }
    ifm_buffer_puts(line, "\"");
}

static const char *end_name(ifm_mock_end end)
{
    static const char *const names[] = {
#define X(NAME, name) name,
        IFM_MOCK_END_LIST(X)
#undef X
    };
    return names[end];
}

static void write_out(ifm_mock_log *self, ifm_buffer *line)
{
    errno = 0;
    if (line->failed ||
        fwrite(ifm_buffer_text(line), 1, line->length, self->file) != line->length) {
        if (self->code == 0)
            self->code = line->failed ? ENOMEM : errno != 0 ? errno : EIO;
    }
    ifm_buffer_clear(line);
}

/* One of the three lists; `pick` is an offset in ifm_mock_event. */
static void write_list(ifm_mock_log *self, const ifm_mock_entry *entry, const char *name,
                       size_t pick, ifm_buffer *line)
{
    ifm_buffer_printf(line, ",\"%s\":[", name);
    for (size_t i = 0; i < entry->n_events; i++) {
        if (i > 0)
            ifm_buffer_append(line, ",", 1);
        put_number(
            line,
            *(const int64_t *)(const void *)((const char *)&entry->events[i] + pick));
        if (i % EVENTS_PER_PIECE == EVENTS_PER_PIECE - 1)
            write_out(self, line);
    }
    ifm_buffer_puts(line, "]");
}

static void write_entry(ifm_mock_log *self, const ifm_mock_entry *entry, ifm_buffer *line)
{
    const char *fault = ifm_mock_fault_name(entry->fault);
    ifm_buffer_puts(line, "{\"request_id\":");
    put_text(line, entry->request_id);
    put_pair(line, "number", entry->number);
    ifm_buffer_printf(line, ",\"endpoint\":\"%s\",\"stream\":%s",
                      entry->chat ? "chat" : "completions",
                      entry->stream ? "true" : "false");
    put_pair(line, "status", entry->status);
    ifm_buffer_printf(line, fault != NULL ? ",\"fault\":\"%s\"" : ",\"fault\":null",
                      fault);
    ifm_buffer_printf(line, ",\"end\":\"%s\",\"slow_reader\":%s", end_name(entry->end),
                      entry->slow_reader ? "true" : "false");
    put_pair(line, "prompt_tokens", entry->prompt_tokens);
    put_pair(line, "completion_tokens", entry->completion_tokens);
    put_pair(line, "received_ns", entry->received_ns);
    put_pair(line, "body_ns", entry->body_ns);
    put_pair(line, "begin_ns", entry->begin_ns);
    write_list(self, entry, "sent_ns", offsetof(ifm_mock_event, sent_ns), line);
    write_list(self, entry, "due_ns", offsetof(ifm_mock_event, due_ns), line);
    write_list(self, entry, "tokens", offsetof(ifm_mock_event, tokens), line);
    ifm_buffer_puts(line, "}\n");
    write_out(self, line);
}

/* Takes all that wait, or NULL at the end. Under the mutex. */
static ifm_mock_entry *take_all(ifm_mock_log *self)
{
    while (self->first == NULL && !self->closing)
        pthread_cond_wait(&self->more, &self->mutex);
    ifm_mock_entry *all = self->first;
    self->first = NULL;
    self->last = &self->first;
    self->waiting_bytes = 0;
    pthread_cond_signal(&self->less);
    return all;
}

static void *write_all(void *arg)
{
    ifm_mock_log *self = arg;
    ifm_buffer line = {0};
    pthread_mutex_lock(&self->mutex);
    for (ifm_mock_entry *entry; (entry = take_all(self)) != NULL;) {
        pthread_mutex_unlock(&self->mutex);
        while (entry != NULL) {
            ifm_mock_entry *next = entry->next;
            write_entry(self, entry, &line);
            free(entry);
            entry = next;
        }
        if (fflush(self->file) != 0 && self->code == 0) /* somebody may be looking on */
            self->code = errno;
        pthread_mutex_lock(&self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    ifm_buffer_deinit(&line);
    return NULL;
}

ifm_status ifm_mock_log_open(const char *path, ifm_mock_log **out, ifm_error *err)
{
    ifm_mock_log *self = calloc(1, sizeof *self);
    char *copy = strdup(path);
    if (self == NULL || copy == NULL) {
        free(self);
        free(copy);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a log");
    }
    self->path = copy;
    self->last = &self->first;
    ifm_status st = IFM_OK;
    self->file = fopen(path, "we");
    if (self->file == NULL) {
        st = ifm_fail_errno(err, errno, "%s: cannot write the log", path);
    } else {
        setvbuf(self->file, NULL, _IOFBF, 1 << 16);
        pthread_mutex_init(&self->mutex, NULL);
        pthread_cond_init(&self->more, NULL);
        pthread_cond_init(&self->less, NULL);
        const int code = pthread_create(&self->thread, NULL, write_all, self);
        if (code != 0) {
            st = ifm_fail_errno(err, code, "cannot start the thread that writes the log");
            fclose(self->file);
        }
    }
    if (st != IFM_OK) {
        free(self->path);
        free(self);
        return st;
    }
    *out = self;
    return IFM_OK;
}

void ifm_mock_log_put(ifm_mock_log *self, ifm_mock_entry *entry)
{
    pthread_mutex_lock(&self->mutex);
    while (self->waiting_bytes > MOST_WAITING_BYTES)
        pthread_cond_wait(&self->less, &self->mutex);
    const bool asleep = self->first == NULL;
    entry->next = NULL;
    *self->last = entry;
    self->last = &entry->next;
    self->waiting_bytes += entry_bytes(entry);
    pthread_mutex_unlock(&self->mutex);
    if (asleep)
        pthread_cond_signal(&self->more);
}

ifm_status ifm_mock_log_close(ifm_mock_log *self, ifm_error *err)
{
    if (self == NULL)
        return IFM_OK;
    pthread_mutex_lock(&self->mutex);
    self->closing = true;
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    errno = 0;
    if ((fclose(self->file) != 0 || self->code != 0) && self->code == 0)
        self->code = errno != 0 ? errno : EIO;
    const ifm_status st =
        self->code == 0
            ? IFM_OK
            : ifm_fail_errno(err, self->code, "%s: cannot write the log", self->path);
    pthread_cond_destroy(&self->less);
    pthread_cond_destroy(&self->more);
    pthread_mutex_destroy(&self->mutex);
    free(self->path);
    free(self);
    return st;
}
