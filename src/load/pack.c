#include "load/pack.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum {
    VARINT_MAX = 10,     /* bytes of 64 bits, seven at a time */
    ABSENT = 0,          /* an array that is NULL */
    OF_PIECES = 1,       /* its times are those of the pieces that carried tokens */
    SPELT = 2,           /* its elements follow */
    BYTES_PER_PIECE = 32 /* at most: 10 + 3 · 5 + 1, rounded up */
};

/* Scalars: where they lie, how wide, how many. One table for both directions, so that
 * they cannot disagree. */
typedef struct field {
    uint16_t offset, count;
    uint8_t size;
    bool is_float;
} field;

#define FIELD(type, name)                                                                \
    {                                                                                    \
        offsetof(type, name), 1, sizeof(((type *)0)->name), false                        \
    }
/* An array, or a struct, of int64_t. */
#define INTS(type, name)                                                                 \
    {                                                                                    \
        offsetof(type, name), sizeof(((type *)0)->name) / 8, 8, false                    \
    }

static const field record_fields[] = {
    FIELD(ifm_record, id),
    FIELD(ifm_record, sequence),
    FIELD(ifm_record, prompt),
    FIELD(ifm_record, start),
    FIELD(ifm_record, ok),
    FIELD(ifm_record, due_ns),
    FIELD(ifm_record, sent_ns),
    FIELD(ifm_record, n_logprobs),
    INTS(ifm_record, phases_ns),
    INTS(ifm_record, phase_io),
    INTS(ifm_record, streamer),
    {offsetof(ifm_record, resident_frac_before), 1, 8, true},
    FIELD(ifm_record, peak_rss_bytes),
};

static const field wire_fields[] = {
    FIELD(ifm_wire, outcome),
    FIELD(ifm_wire, status),
    FIELD(ifm_wire, http_version),
    FIELD(ifm_wire, attempts),
    FIELD(ifm_wire, retry_after_ns),
    FIELD(ifm_wire, reused),
    FIELD(ifm_wire, missing_done),
    FIELD(ifm_wire, due_at_ns),
    FIELD(ifm_wire, gate_ns),
    FIELD(ifm_wire, service_start_ns),
    FIELD(ifm_wire, dns_ns),
    FIELD(ifm_wire, connect_ns),
    FIELD(ifm_wire, tls_ns),
    FIELD(ifm_wire, headers_ns),
    FIELD(ifm_wire, first_event_ns),
    FIELD(ifm_wire, ttfo_ns),
    FIELD(ifm_wire, end_ns),
    FIELD(ifm_wire, body_bytes),
    INTS(ifm_wire, usage),
    FIELD(ifm_wire, token_source),
    INTS(ifm_wire, server),
    FIELD(ifm_wire, asked_input_tokens),
    FIELD(ifm_wire, asked_output_tokens),
    FIELD(ifm_wire, session),
    FIELD(ifm_wire, turn),
    FIELD(ifm_wire, rank),
};

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* ---- packing: the caller made room for the largest that can come ---- */

static uint8_t *put_unsigned(uint8_t *at, uint64_t x)
{
    while (x >= 0x80) {
        *at++ = (uint8_t)(x | 0x80);
        x >>= 7;
    }
    *at++ = (uint8_t)x;
    return at;
}

static uint8_t *put_signed(uint8_t *at, int64_t x)
{
    return put_unsigned(at, ((uint64_t)x << 1) ^ (uint64_t)(x >> 63));
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(at, bytes, n);
    return at + n;
}

static int64_t load_int(const void *base, const field *f, size_t i)
{
    const char *at = (const char *)base + f->offset + i * f->size;
    int64_t wide;
    int32_t narrow;
    switch (f->size) {
    case 8:
        memcpy(&wide, at, 8);
        return wide;
    case 4:
        memcpy(&narrow, at, 4);
        return narrow;
    default:
        return *(const uint8_t *)at;
    }
}

static uint8_t *put_fields(uint8_t *at, const void *base, const field *fields, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < fields[k].count; i++)
            at = fields[k].is_float
                     ? put_bytes(at, (const char *)base + fields[k].offset, 8)
                     : put_signed(at, load_int(base, &fields[k], i));
    return at;
}

/* A string or NULL, which "" is not. */
static uint8_t *put_text(uint8_t *at, const char *text)
{
    size_t n = text != NULL ? strlen(text) : 0;
    at = put_unsigned(at, text != NULL ? n + 1 : 0);
    return put_bytes(at, text, n);
}

static uint8_t *put_times(uint8_t *at, const int64_t *t_ns, size_t n)
{
    int64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        at = put_signed(at, (int64_t)((uint64_t)t_ns[i] - (uint64_t)before));
        before = t_ns[i];
    }
    return at;
}

static bool carries_tokens(const ifm_piece *piece)
{
    return piece->kind <= IFM_PIECE_TOOL;
}

/* Whether times, `stride` bytes apart, are those of the pieces that carried tokens. */
static bool are_of_pieces(const void *times, size_t stride, size_t n,
                          const ifm_wire *wire)
{
    size_t i = 0;
    for (size_t k = 0; k < wire->n_pieces; k++) {
        int64_t t;
        if (!carries_tokens(&wire->pieces[k]))
            continue;
        if (i == n)
            return false;
        memcpy(&t, (const char *)times + i++ * stride, sizeof t);
        if (t != wire->pieces[k].t_ns)
            return false;
    }
    return i == n;
}

static uint8_t *put_pieces(uint8_t *at, const ifm_wire *wire)
{
    int64_t t = 0, read = 0;
    at = put_unsigned(at, wire->n_pieces);
    for (size_t i = 0; i < wire->n_pieces; i++) {
        const ifm_piece *piece = &wire->pieces[i];
        at = put_signed(at, (int64_t)((uint64_t)piece->t_ns - (uint64_t)t));
        at = put_signed(at, piece->tokens);
        at = put_signed(at, piece->bytes);
        at = put_signed(at, piece->read - read);
        *at++ = piece->kind;
        t = piece->t_ns;
        read = piece->read;
    }
    return at;
}

/* Times that may repeat those of the pieces. */
static uint8_t *put_series(uint8_t *at, const int64_t *t_ns, size_t n,
                           const ifm_wire *wire)
{
    at = put_unsigned(at, n);
    if (t_ns == NULL) {
        *at++ = ABSENT;
    } else if (are_of_pieces(t_ns, sizeof *t_ns, n, wire)) {
        *at++ = OF_PIECES;
    } else {
        *at++ = SPELT;
        at = put_times(at, t_ns, n);
    }
    return at;
}

static uint8_t *put_ids(uint8_t *at, const int32_t *ids, size_t n)
{
    *at++ = ids != NULL ? SPELT : ABSENT;
    for (size_t i = 0; i < n && ids != NULL; i++)
        at = put_signed(at, ids[i]);
    return at;
}

static uint8_t *put_texts(uint8_t *at, const ifm_record *r)
{
    at = put_unsigned(at, r->text != NULL ? r->n_text + 1 : 0);
    at = put_bytes(at, r->text, r->text != NULL ? r->n_text : 0);
    const ifm_text_event *e = r->text_events;
    const size_t n = r->n_text_events;
    const bool of_pieces = n > 0 && are_of_pieces(&e->t_ns, sizeof *e, n, r->wire);
    at = put_unsigned(at, n);
    *at++ = e == NULL ? ABSENT : of_pieces ? OF_PIECES : SPELT;
    int64_t t = 0;
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (!of_pieces)
            at = put_signed(at, e[i].t_ns - t);
        size_t offset = (size_t)(e[i].text - r->text);
        at = put_signed(at, (int64_t)offset - (int64_t)end);
        at = put_unsigned(at, e[i].n_text);
        t = e[i].t_ns;
        end = offset + e[i].n_text;
    }
    return at;
}

static uint8_t *put_logprobs(uint8_t *at, const ifm_record *r)
{
    *at++ = r->logprobs != NULL ? SPELT : ABSENT;
    if (r->logprobs != NULL)
        at = put_bytes(at, r->logprobs, r->n_tokens * sizeof *r->logprobs);
    *at++ = r->top != NULL ? SPELT : ABSENT;
    if (r->top != NULL)
        at = put_bytes(at, r->top, r->n_tokens * (size_t)r->n_logprobs * sizeof *r->top);
    return at;
}

/* The most that the record can take. */
static size_t most(const ifm_record *r)
{
    size_t n = (COUNT_OF(record_fields) + COUNT_OF(wire_fields)) * VARINT_MAX;
    n += (IFM_PHASE_COUNT * 4 + 32) * VARINT_MAX + sizeof r->wire->request_id + 256;
    n += r->error != NULL ? strlen(r->error) : 0;
    n += r->finish_reason != NULL ? strlen(r->finish_reason) : 0;
    n += r->n_text + r->n_input * VARINT_MAX + r->n_text_events * 3 * VARINT_MAX;
    n += r->n_tokens * (3 * VARINT_MAX + sizeof *r->logprobs);
    n += r->n_tokens * (size_t)r->n_logprobs * sizeof *r->top;
    return n + r->wire->n_pieces * BYTES_PER_PIECE + r->wire->n_event_ns * VARINT_MAX;
}

bool ifm_pack(const ifm_record *r, ifm_packed *out)
{
    const ifm_wire *wire = r->wire;
    size_t need = most(r);
    if (need > out->capacity) {
        uint8_t *grown = realloc(out->data, need + need / 2);
        if (grown == NULL)
            return false;
        out->data = grown;
        out->capacity = need + need / 2;
    }
    uint8_t *at = out->data;
    at = put_fields(at, r, record_fields, COUNT_OF(record_fields));
    at = put_fields(at, wire, wire_fields, COUNT_OF(wire_fields));
    at = put_text(at, wire->request_id);
    at = put_text(at, r->error);
    at = put_text(at, r->finish_reason);
    at = put_pieces(at, wire);
    at = put_series(at, wire->event_ns, wire->n_event_ns, wire);
    at = put_series(at, r->token_ns, r->n_tokens, wire);
    at = put_unsigned(at, r->n_input);
    at = put_ids(at, r->input_ids, r->n_input);
    at = put_ids(at, r->output_ids, r->n_tokens);
    *at++ = r->handover_ns != NULL ? SPELT : ABSENT;
    if (r->handover_ns != NULL)
        at = put_times(at, r->handover_ns, r->n_tokens);
    at = put_texts(at, r);
    at = put_logprobs(at, r);
    out->n = (size_t)(at - out->data);
    return true;
}

/* ---- unpacking: any bytes may come ---- */

typedef struct source {
    const uint8_t *at, *end;
    bool broken, no_memory; /* sticky: zeros from then on */
} source;

static uint64_t take_unsigned(source *s)
{
    uint64_t x = 0;
    for (int shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;
        x |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return x;
    }
    s->broken = true;
    s->at = s->end;
    return 0;
}

static int64_t take_signed(source *s)
{
    uint64_t x = take_unsigned(s);
    return (int64_t)((x >> 1) ^ (0 - (x & 1)));
}

static uint8_t take_byte(source *s)
{
    if (s->at < s->end)
        return *s->at++;
    s->broken = true;
    return 0;
}

static const uint8_t *take_bytes(source *s, size_t n)
{
    if (n > (size_t)(s->end - s->at)) {
        s->broken = true;
        return NULL;
    }
    s->at += n;
    return s->at - n;
}

/* A number of things of which each takes a byte of the source or has a piece that did. */
static size_t take_count(source *s)
{
    uint64_t n = take_unsigned(s);
    if (n > (uint64_t)(s->end - s->at)) {
        s->broken = true;
        return 0;
    }
    return (size_t)n;
}

/* n elements, zero; not NULL for n = 0. */
static void *room_for(source *s, size_t n, size_t size)
{
    void *room = s->broken ? NULL : calloc(n + 1, size);
    s->no_memory = s->no_memory || (room == NULL && !s->broken);
    s->broken = s->broken || room == NULL;
    return room;
}

static void store_int(void *base, const field *f, size_t i, int64_t x)
{
    char *at = (char *)base + f->offset + i * f->size;
    int32_t narrow = (int32_t)x;
    switch (f->size) {
    case 8:
        memcpy(at, &x, 8);
        break;
    case 4:
        memcpy(at, &narrow, 4);
        break;
    default:
        *(uint8_t *)at = x != 0;
    }
}

static void take_fields(source *s, void *base, const field *fields, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < fields[k].count; i++) {
            if (!fields[k].is_float) {
                store_int(base, &fields[k], i, take_signed(s));
                continue;
            }
            const uint8_t *bytes = take_bytes(s, 8);
            if (bytes != NULL)
                memcpy((char *)base + fields[k].offset, bytes, 8);
        }
    }
}

/* NULL where NULL was, or when it is broken. */
static char *take_text(source *s, size_t *length)
{
    uint64_t n = take_unsigned(s);
    *length = n > 0 ? (size_t)n - 1 : 0;
    const uint8_t *bytes = n > 0 ? take_bytes(s, *length) : NULL;
    char *text = bytes != NULL ? room_for(s, *length, 1) : NULL;
    if (text == NULL)
        *length = 0;
    else if (*length > 0)
        memcpy(text, bytes, *length);
    return text;
}

static void take_pieces(source *s, ifm_wire *wire)
{
    int64_t t = 0, read = 0;
    size_t n = take_count(s);
    wire->pieces = n > 0 ? room_for(s, n, sizeof *wire->pieces) : NULL;
    for (size_t i = 0; i < n && !s->broken; i++) {
        ifm_piece *piece = &wire->pieces[i];
        t = (int64_t)((uint64_t)t + (uint64_t)take_signed(s));
        piece->t_ns = t;
        piece->tokens = (int32_t)take_signed(s);
        piece->bytes = (int32_t)take_signed(s);
        read = (int64_t)((uint64_t)read + (uint64_t)take_signed(s));
        piece->read = (int32_t)read;
        piece->kind = take_byte(s);
        s->broken = s->broken || piece->kind > IFM_PIECE_OTHER;
        wire->n_pieces = i + 1;
    }
}

/* The times of token pieces to n places that lie `stride` bytes apart. */
static void copy_of_pieces(source *s, void *times, size_t stride, size_t n,
                           const ifm_wire *wire)
{
    size_t i = 0;
    for (size_t k = 0; k < wire->n_pieces; k++)
        if (carries_tokens(&wire->pieces[k]) && i < n)
            memcpy((char *)times + i++ * stride, &wire->pieces[k].t_ns, sizeof(int64_t));
    s->broken = s->broken || i != n;
}

static int64_t *take_times(source *s, size_t n)
{
    int64_t *times = room_for(s, n, sizeof *times), t = 0;
    for (size_t i = 0; i < n && !s->broken; i++)
        times[i] = t = (int64_t)((uint64_t)t + (uint64_t)take_signed(s));
    return times;
}

static int64_t *take_series(source *s, size_t *n, const ifm_wire *wire)
{
    uint64_t count = take_unsigned(s);
    uint8_t how = take_byte(s);
    const size_t limit = how == SPELT ? (size_t)(s->end - s->at) : wire->n_pieces;
    s->broken = s->broken || (how != ABSENT && count > limit) || count > INT32_MAX;
    if (s->broken)
        return NULL;
    *n = (size_t)count;
    if (how == SPELT)
        return take_times(s, *n);
    if (how != OF_PIECES)
        return NULL;
    int64_t *times = room_for(s, *n, sizeof *times);
    if (times != NULL)
        copy_of_pieces(s, times, sizeof *times, *n, wire);
    return times;
}

static int32_t *take_ids(source *s, size_t n)
{
    if (take_byte(s) == ABSENT)
        return NULL;
    s->broken = s->broken || n > (size_t)(s->end - s->at);
    int32_t *ids = room_for(s, n, sizeof *ids);
    for (size_t i = 0; i < n && !s->broken; i++)
        ids[i] = (int32_t)take_signed(s);
    return ids;
}

static void take_text_events(source *s, ifm_record *r)
{
    size_t n = take_count(s);
    uint8_t how = take_byte(s);
    if (how == ABSENT || s->broken)
        return;
    ifm_text_event *e = r->text_events = room_for(s, n, sizeof *e);
    if (how == OF_PIECES && e != NULL)
        copy_of_pieces(s, &e->t_ns, sizeof *e, n, r->wire);
    int64_t t = 0, end = 0;
    for (size_t i = 0; i < n && !s->broken; i++) {
        if (how != OF_PIECES)
            e[i].t_ns = t = (int64_t)((uint64_t)t + (uint64_t)take_signed(s));
        int64_t offset = (int64_t)((uint64_t)end + (uint64_t)take_signed(s));
        uint64_t length = take_unsigned(s);
        if (offset < 0 || (uint64_t)offset > r->n_text ||
            length > r->n_text - (uint64_t)offset || r->text == NULL) {
            s->broken = true;
            return;
        }
        e[i].text = r->text + offset;
        e[i].n_text = (size_t)length;
        end = offset + (int64_t)length;
        r->n_text_events = i + 1;
    }
}

/* An array that was copied as it lay. */
static void *take_array(source *s, size_t n, size_t size)
{
    size_t bytes;
    if (take_byte(s) == ABSENT)
        return NULL;
    s->broken = s->broken || !ifm_mul_size(n, size, &bytes);
    const uint8_t *from = s->broken ? NULL : take_bytes(s, bytes);
    void *array = room_for(s, n, size);
    if (array != NULL && bytes > 0)
        memcpy(array, from, bytes);
    return array;
}

static void take_request_id(source *s, ifm_wire *wire)
{
    size_t n;
    char *id = take_text(s, &n);
    if (id != NULL && n < sizeof wire->request_id)
        memcpy(wire->request_id, id, n);
    else
        s->broken = true;
    free(id);
}

static bool names_are_known(const ifm_record *r)
{
    return (unsigned)r->wire->outcome < IFM_OUTCOME_COUNT &&
           (unsigned)r->wire->token_source <= IFM_TOKENS_PER_EVENT &&
           (unsigned)r->start <= IFM_START_WARM && r->n_logprobs >= 0 &&
           r->n_logprobs <= 1024;
}

static void take_record(source *s, ifm_record *r)
{
    size_t length;
    take_fields(s, r, record_fields, COUNT_OF(record_fields));
    take_fields(s, r->wire, wire_fields, COUNT_OF(wire_fields));
    s->broken = s->broken || !names_are_known(r);
    take_request_id(s, r->wire);
    r->error = take_text(s, &length);
    r->finish_reason = take_text(s, &length);
    take_pieces(s, r->wire);
    r->wire->event_ns = take_series(s, &r->wire->n_event_ns, r->wire);
    r->token_ns = take_series(s, &r->n_tokens, r->wire);
    r->n_input = (size_t)take_unsigned(s);
    r->input_ids = take_ids(s, r->n_input);
    r->output_ids = take_ids(s, r->n_tokens);
    if (take_byte(s) != ABSENT) {
        s->broken = s->broken || r->n_tokens > (size_t)(s->end - s->at);
        r->handover_ns = take_times(s, r->n_tokens);
    }
    r->text = take_text(s, &r->n_text);
    take_text_events(s, r);
    r->logprobs = take_array(s, r->n_tokens, sizeof *r->logprobs);
    r->top = take_array(s, r->n_tokens * (size_t)r->n_logprobs, sizeof *r->top);
    s->broken = s->broken || s->at != s->end || r->n_input > INT32_MAX;
}

ifm_status ifm_unpack(const uint8_t *bytes, size_t n, ifm_record *out, ifm_error *err)
{
    source s = {.at = bytes, .end = bytes + n};
    *out = ifm_record_empty();
    out->wire = malloc(sizeof *out->wire);
    if (out->wire == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a request");
    *out->wire = ifm_wire_unknown();
    take_record(&s, out);
    if (!s.broken)
        return IFM_OK;
    ifm_record_deinit(out);
    return s.no_memory
               ? ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a request")
               : ifm_fail(err, IFM_ERR_FORMAT,
                          "a request in the spool is damaged (%zu bytes): was its "
                          "file written to by something else?",
                          n);
}
