#include "drive/prompt_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    ENTRIES_MOST = 50 * 1000 * 1000,
    ENTRY_BYTES_MOST = 64 << 20,
    WHERE_BYTES = 300,
};

static ifm_status no_memory(const ifm_prompt_file *self, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", self->path);
}

/* ---- sessions: which entry was the last of each -------------------------------------- */

typedef struct session {
    char *name; /* NULL: free */
    int32_t head, tail;
} session;

typedef struct sessions {
    session *slots; /* [capacity], a power of two, at most half full */
    size_t n, capacity;
} sessions;

static size_t hash(const char *name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static session *slot_of(const sessions *self, const char *name)
{
    size_t i = hash(name) & (self->capacity - 1);
    while (self->slots[i].name != NULL && strcmp(self->slots[i].name, name) != 0)
        i = (i + 1) & (self->capacity - 1);
    return &self->slots[i];
}

static bool grow(sessions *self)
{
    sessions larger = {.n = self->n,
                       .capacity = self->capacity == 0 ? 64 : 2 * self->capacity};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < self->capacity; i++)
        if (self->slots[i].name != NULL)
            *slot_of(&larger, self->slots[i].name) = self->slots[i];
    free(self->slots);
    *self = larger;
    return true;
}

/* The session's slot, new with head -1; NULL without memory. */
static session *session_of(sessions *self, const char *name)
{
    if (2 * (self->n + 1) > self->capacity && !grow(self))
        return NULL;
    session *slot = slot_of(self, name);
    if (slot->name == NULL) {
        slot->name = strdup(name);
        slot->head = -1;
        self->n += slot->name != NULL;
    }
    return slot->name != NULL ? slot : NULL;
}

static void sessions_deinit(sessions *self)
{
    for (size_t i = 0; i < self->capacity; i++)
        free(self->slots[i].name);
    free(self->slots);
}

/* ---- entries ------------------------------------------------------------------------ */

static void say_where(const ifm_prompt_file *self, uint32_t line, char where[WHERE_BYTES])
{
    if (self->array)
        snprintf(where, WHERE_BYTES, "%.200s: element %" PRIu32, self->path, line);
    else
        snprintf(where, WHERE_BYTES, "%.200s:%" PRIu32, self->path, line);
}

static const char *bytes_of(const ifm_prompt_file *self, const ifm_prompt_entry *entry)
{
    return self->data + entry->at;
}

/* A line that is no JSON is a prompt. It becomes an item all the same. */
static ifm_status parse_plain(const char *text, size_t n, const char *where,
                              ifm_item *out, ifm_error *err)
{
    *out = (ifm_item){.at_ns = -1, .root = json_stringn(text, n)};
    out->turns = calloc(1, sizeof *out->turns);
    if (out->root == NULL || out->turns == NULL) {
        const bool invalid = out->turns != NULL;
        ifm_item_deinit(out);
        return invalid ? ifm_fail(err, IFM_ERR_FORMAT, "%s: is no UTF-8", where)
                       : ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", where);
    }
    out->n_turns = 1;
    out->turns[0] = (ifm_item_turn){.text = json_string_value(out->root),
                                    .n = json_string_length(out->root),
                                    .delay_ns = -1};
    return IFM_OK;
}

static ifm_status parse(const ifm_prompt_file *self, const ifm_prompt_entry *entry,
                        ifm_item *item, ifm_error *err)
{
    char where[WHERE_BYTES];
    say_where(self, entry->line, where);
    return (self->plain ? parse_plain : ifm_item_parse)(bytes_of(self, entry), entry->n,
                                                        where, item, err);
}

static ifm_status append(ifm_prompt_file *self, const ifm_prompt_entry *entry,
                         ifm_error *err)
{
    if (self->n_entries == self->capacity) {
        const size_t n = self->capacity == 0 ? 256 : 2 * self->capacity;
        ifm_prompt_entry *grown = realloc(self->entries, n * sizeof *grown);
        if (grown == NULL)
            return no_memory(self, err);
        self->entries = grown;
        self->capacity = n;
    }
    if (self->n_entries == ENTRIES_MOST)
        return ifm_fail(err, IFM_ERR_LIMIT, "%s: more than %d entries", self->path,
                        ENTRIES_MOST);
    self->entries[self->n_entries++] = *entry;
    return IFM_OK;
}

/* Ties the newest entry to those of its session. */
static ifm_status tie(ifm_prompt_file *self, sessions *all, const char *name,
                      int32_t turns, ifm_error *err)
{
    const int32_t newest = (int32_t)self->n_entries - 1;
    session *slot = session_of(all, name);
    if (slot == NULL)
        return no_memory(self, err);
    if (turns != 1) {
        char where[WHERE_BYTES];
        say_where(self, self->entries[newest].line, where);
        return ifm_fail(
            err, IFM_ERR_FORMAT,
            "%s: has a \"session_id\" and %d turns: a line of a session is one "
            "turn",
            where, (int)turns);
    }
    if (slot->head < 0) {
        slot->head = newest;
    } else {
        self->entries[slot->tail].next = newest;
        self->entries[slot->head].turns++;
        self->entries[newest].turns = 0; /* no head */
    }
    slot->tail = newest;
    self->chat = true;
    return IFM_OK;
}

/* Checks the entry and keeps it. */
static ifm_status take(ifm_prompt_file *self, sessions *all, size_t at, size_t n,
                       size_t line, ifm_error *err)
{
    ifm_prompt_entry entry = {
        .at = at, .n = (uint32_t)n, .line = (uint32_t)line, .next = -1, .at_ns = -1};
    ifm_item item;
    if (n > ENTRY_BYTES_MOST)
        return ifm_fail(err, IFM_ERR_LIMIT, "%s: entry %zu is larger than %d MiB",
                        self->path, line, ENTRY_BYTES_MOST >> 20);
    ifm_status st = parse(self, &entry, &item, err);
    if (st != IFM_OK)
        return st;
    entry.turns = (int32_t)item.n_turns;
    entry.at_ns = item.at_ns;
    self->made = self->made || item.made;
    self->recorded = self->recorded || item.recorded;
    self->chat = self->chat || (item.n_turns > 1 && !item.recorded) ||
                 (item.n_turns > 0 && item.turns[0].messages != NULL);
    if (item.n_turns == 0) {
        self->n_empty++;
    } else {
        st = append(self, &entry, err);
        if (st == IFM_OK && item.session != NULL)
            st = tie(self, all, item.session, entry.turns, err);
    }
    ifm_item_deinit(&item);
    return st;
}

/* ---- the file's two forms ------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_space(const char *data, size_t size, size_t at)
{
    while (at < size && is_space(data[at]))
        at++;
    return at;
}

static ifm_status take_lines(ifm_prompt_file *self, sessions *all, ifm_error *err)
{
    const char *data = self->data;
    const size_t size = self->size;
    ifm_status st = IFM_OK;
    size_t number = 0;
    for (size_t at = 0; st == IFM_OK && at < size;) {
        const char *feed = memchr(data + at, '\n', size - at);
        const size_t end = feed != NULL ? (size_t)(feed - data) : size;
        size_t n = end - at;
        number++;
        if (n > 0 && data[at + n - 1] == '\r')
            n--;
        if (skip_space(data, at + n, at) < at + n)
            st = take(self, all, at, n, number, err);
        at = end + 1;
    }
    return st;
}

/* The end of the object that begins at `at`, by brackets outside of strings; `size` when it
 * does not end. What is inside is the parser's to judge. */
static size_t end_of_object(const char *data, size_t size, size_t at)
{
    size_t depth = 0;
    bool text = false;
    for (; at < size; at++) {
        const char c = data[at];
        if (text && c == '\\')
            at++;
        else if (c == '"')
            text = !text;
        else if (!text && (c == '{' || c == '['))
            depth++;
        else if (!text && (c == '}' || c == ']') && --depth == 0)
            return at + 1;
    }
    return size;
}

static ifm_status fail_array(const ifm_prompt_file *self, size_t at, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "%s: is no JSON array of objects: byte %zu is something else (is the "
                    "download complete?)",
                    self->path, at);
}

static ifm_status take_array(ifm_prompt_file *self, sessions *all, size_t at,
                             ifm_error *err)
{
    const char *data = self->data;
    const size_t size = self->size;
    ifm_status st = IFM_OK;
    at = skip_space(data, size, at + 1);
    if (at < size && data[at] == ']')
        return IFM_OK;
    for (size_t number = 1; st == IFM_OK; number++) {
        if (at >= size || data[at] != '{')
            return fail_array(self, at, err);
        const size_t end = end_of_object(data, size, at);
        st = take(self, all, at, end - at, number, err);
        at = skip_space(data, size, end);
        if (st == IFM_OK && at < size && data[at] == ']')
            return skip_space(data, size, at + 1) == size
                       ? IFM_OK
                       : fail_array(self, skip_space(data, size, at + 1), err);
        if (st == IFM_OK && (at >= size || data[at] != ','))
            return fail_array(self, at, err);
        at = skip_space(data, size, at + 1);
    }
    return st;
}

/* ---- conversations ------------------------------------------------------------------- */

/* For qsort, which gives no context: a conversation and its time, and its place, so that
 * equal times keep their order. */
typedef struct placed {
    int64_t at_ns;
    int32_t head;
} placed;

static int by_time(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return x->head < y->head ? -1 : x->head > y->head;
}

static ifm_status set_times(ifm_prompt_file *self, const placed *all, ifm_error *err)
{
    size_t timed = 0;
    for (size_t i = 0; i < self->n; i++)
        timed += all[i].at_ns >= 0;
    if (timed == 0)
        return IFM_OK;
    if (timed < self->n) {
        char where[WHERE_BYTES];
        say_where(self, self->entries[all[0].head].line, where); /* -1 sorts first */
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: has no \"timestamp\", others have: all or none", where);
    }
    self->times = malloc(self->n * sizeof *self->times);
    if (self->times == NULL)
        return no_memory(self, err);
    for (size_t i = 0; i < self->n; i++)
        self->times[i] = all[i].at_ns - all[0].at_ns;
    return IFM_OK;
}

static ifm_status order(ifm_prompt_file *self, ifm_error *err)
{
    placed *all = malloc((self->n_entries + 1) * sizeof *all);
    self->heads = malloc((self->n_entries + 1) * sizeof *self->heads);
    ifm_status st = IFM_OK;
    if (all == NULL || self->heads == NULL)
        st = no_memory(self, err);
    for (size_t i = 0; st == IFM_OK && i < self->n_entries; i++)
        if (self->entries[i].turns > 0)
            all[self->n++] = (placed){self->entries[i].at_ns, (int32_t)i};
    if (st == IFM_OK) {
        qsort(all, self->n, sizeof *all, by_time);
        for (size_t i = 0; i < self->n; i++)
            self->heads[i] = all[i].head;
        st = set_times(self, all, err);
    }
    free(all);
    return st;
}

ifm_status ifm_prompt_file_of(ifm_prompt_file *self, const char *path, const char *data,
                              size_t size, ifm_error *err)
{
    sessions all = {0};
    const size_t first = skip_space(data, size, 0);
    *self = (ifm_prompt_file){.path = path, .data = data, .size = size};
    self->array = first < size && data[first] == '[';
    self->plain = first < size && !self->array && data[first] != '{';
    ifm_status st =
        self->array ? take_array(self, &all, first, err) : take_lines(self, &all, err);
    if (st == IFM_OK)
        st = order(self, err);
    if (st == IFM_OK && self->n == 0)
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: holds no prompt", path);
    sessions_deinit(&all);
    if (st != IFM_OK)
        ifm_prompt_file_deinit(self);
    return st;
}

ifm_status ifm_prompt_file_open(ifm_prompt_file *self, const char *path, ifm_error *err)
{
    ifm_mapping mapping;
    ifm_status st = ifm_mapping_open(&mapping, path, err);
    if (st != IFM_OK)
        return st;
    st = ifm_prompt_file_of(self, path, (const char *)mapping.data, mapping.size, err);
    if (st == IFM_OK)
        self->mapping = mapping;
    else
        ifm_mapping_close(&mapping);
    return st;
}

void ifm_prompt_file_deinit(ifm_prompt_file *self)
{
    ifm_mapping_close(&self->mapping);
    free(self->entries);
    free(self->heads);
    free(self->times);
    *self = (ifm_prompt_file){0};
}

int32_t ifm_prompt_file_turns(const ifm_prompt_file *self, size_t conversation)
{
    return self->entries[self->heads[conversation]].turns;
}

ifm_status ifm_prompt_file_read(const ifm_prompt_file *self, size_t conversation,
                                int32_t turn, ifm_item *item, size_t *index,
                                ifm_error *err)
{
    const ifm_prompt_entry *entry = &self->entries[self->heads[conversation]];
    *index = entry->next < 0 ? (size_t)turn : 0;
    for (; turn > 0 && entry->next >= 0; turn--)
        entry = &self->entries[entry->next];
    return parse(self, entry, item, err);
}
