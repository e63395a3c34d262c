#include "text/tables.h"

#include <string.h>

#include "base/checked.h"

static const char magic[8] = "IFMTOK\r\n"; /* breaks when a copy rewrites line ends */
enum { BYTE_ORDER_MARK = 0x01020304 };

/* The sections in their order: bytes of one element, and of all. */
enum {
    ENDS,
    WORDS,
    ADDED,
    FLAGS,
    TEXT,
    SHOWN_ENDS,
    SHOWN,
    KEY,
    PAIRS, /* from here on: the merges, checked when they are needed */
    MERGED,
    RANKS,
    N_SECTIONS
};

static void measure(const ifm_tables_header *h, uint64_t sizes[N_SECTIONS])
{
    sizes[ENDS] = (uint64_t)h->n_tokens * sizeof(uint32_t);
    sizes[WORDS] = (uint64_t)h->n_words * sizeof(uint32_t);
    sizes[PAIRS] = (uint64_t)h->n_pairs * sizeof(uint64_t);
    sizes[MERGED] = (uint64_t)h->n_merged * sizeof(uint32_t);
    sizes[ADDED] =
        ((uint64_t)h->n_added_raw + h->n_added_normalized) * sizeof(ifm_added_token);
    sizes[FLAGS] = h->n_tokens;
    sizes[TEXT] = h->n_text;
    sizes[SHOWN_ENDS] = (uint64_t)h->n_shown_ends * sizeof(uint32_t);
    sizes[SHOWN] = h->n_shown;
    sizes[KEY] = h->n_key;
    sizes[RANKS] = (uint64_t)h->n_ranks * sizeof(uint32_t);
}

static uint64_t place(const ifm_tables_header *h, uint64_t starts[N_SECTIONS])
{
    uint64_t sizes[N_SECTIONS];
    measure(h, sizes);
    uint64_t at = ifm_align_up(sizeof *h, 8);
    for (int i = 0; i < N_SECTIONS; i++) { /* counts of 32 bits: this cannot overflow */
        starts[i] = at;
        at = (at + sizes[i] + 7) & ~(uint64_t)7;
    }
    return at;
}

size_t ifm_tables_size(const ifm_tables_header *header)
{
    uint64_t starts[N_SECTIONS];
    uint64_t n = place(header, starts);
    return n <= SIZE_MAX / 2 ? (size_t)n : 0;
}

void ifm_tables_view(ifm_tables *self, const void *block)
{
    uint64_t starts[N_SECTIONS];
    const char *base = block;
    place(block, starts);
    self->header = block;
    self->ends = (const void *)(base + starts[ENDS]);
    self->words = (const void *)(base + starts[WORDS]);
    self->pairs = (const void *)(base + starts[PAIRS]);
    self->merged = (const void *)(base + starts[MERGED]);
    self->ranks = (const void *)(base + starts[RANKS]);
    self->added = (const void *)(base + starts[ADDED]);
    self->flags = (const void *)(base + starts[FLAGS]);
    self->text = base + starts[TEXT];
    self->shown_ends = (const void *)(base + starts[SHOWN_ENDS]);
    self->shown = base + starts[SHOWN];
    self->key = (const void *)(base + starts[KEY]);
}

/* Eight lanes of 64 bits in registers of any machine. */
typedef uint64_t lanes __attribute__((vector_size(16)));
enum { N_LANES = 8, N_VECTORS = N_LANES / 2 };

/* Fletcher's checksum (1982) in lanes of 64 bits, at the speed of memory: 25 us for GPT-2's
 * 1.7 MB, half of what a multiplication for each word takes. In a lane, the sum sees every
 * single changed word, the sum of sums sees words that changed places. n is a multiple
 * of 8, `bytes` aligned to 8. */
static uint64_t checksum(const void *bytes, size_t n)
{
    lanes sums[N_VECTORS] = {{0}}, sums_of_sums[N_VECTORS] = {{0}}, words[N_VECTORS];
    const char *p = bytes;
    uint64_t sum = n;
    for (; n >= sizeof words; n -= sizeof words, p += sizeof words) {
        memcpy(words, p, sizeof words);
        for (int i = 0; i < N_VECTORS; i++) {
            sums[i] += words[i];
            sums_of_sums[i] += sums[i];
        }
    }
    memset(words, 0, sizeof words);
    memcpy(words, p, n);
    for (int i = 0; i < N_LANES; i++) {
        sum = ifm_pair_hash(sum ^ words[i / 2][i % 2]);
        sum = ifm_pair_hash(sum ^ sums[i / 2][i % 2]);
        sum = ifm_pair_hash(sum ^ sums_of_sums[i / 2][i % 2]);
    }
    return sum;
}

/* Of everything between the field `checksum` and the merges. */
static uint64_t first_checksum(const ifm_tables_header *block)
{
    uint64_t starts[N_SECTIONS];
    size_t skipped = offsetof(ifm_tables_header, merges_checksum);
    place(block, starts);
    return checksum((const char *)block + skipped, (size_t)starts[PAIRS] - skipped);
}

static uint64_t merges_checksum(const ifm_tables_header *block)
{
    uint64_t starts[N_SECTIONS];
    uint64_t end = place(block, starts);
    return checksum((const char *)block + starts[PAIRS], (size_t)(end - starts[PAIRS]));
}

void ifm_tables_seal(ifm_tables_header *block)
{
    memcpy(block->magic, magic, sizeof magic);
    block->version = IFM_TABLES_VERSION;
    block->byte_order = BYTE_ORDER_MARK;
    block->n_bytes = ifm_tables_size(block);
    block->merges_checksum = merges_checksum(block);
    block->checksum = first_checksum(block);
}

size_t ifm_tables_first_bytes(const void *block, size_t n_bytes)
{
    uint64_t starts[N_SECTIONS] = {0};
    if (n_bytes >= sizeof(ifm_tables_header))
        place(block, starts);
    return starts[PAIRS] < n_bytes ? (size_t)starts[PAIRS] : n_bytes;
}

bool ifm_tables_check_merges(const ifm_tables *self)
{
    return self->header->merges_checksum == merges_checksum(self->header);
}

static bool is_id_or_none(const ifm_tables_header *h, int32_t id)
{
    return id >= -1 && id < (int32_t)h->n_tokens;
}

/* Where in the text section a step's string is. */
static bool is_within(const ifm_tables_header *h, uint32_t start, uint32_t n)
{
    return start <= h->n_text && n <= h->n_text - start;
}

static bool are_rules_sound(const ifm_tables_header *h)
{
    const ifm_text_rules *r = &h->rules;
    if (r->n_prefix > IFM_MAX_AFFIXES || r->n_suffix > IFM_MAX_AFFIXES ||
        r->n_steps > IFM_MAX_STEPS || r->n_normal > r->n_steps)
        return false;
    bool sound = is_id_or_none(h, r->bos) && is_id_or_none(h, r->eos) &&
                 is_id_or_none(h, r->unknown);
    for (int i = 0; i < IFM_MAX_AFFIXES; i++)
        sound = sound && is_id_or_none(h, r->prefix[i]) && is_id_or_none(h, r->suffix[i]);
    for (int i = 0; i < r->n_steps; i++) {
        const ifm_text_step *step = &r->steps[i];
        sound = sound && step->kind < IFM_STEP_KINDS &&
                step->behavior < IFM_SPLIT_BEHAVIORS &&
                is_within(h, step->pattern, step->n_pattern) &&
                is_within(h, step->with, step->n_with) &&
                (step->kind != IFM_STEP_SPLIT || i >= r->n_normal);
    }
    return sound;
}

static bool is_sound(const ifm_tables_header *h)
{
    if (h->n_tokens > IFM_MAX_TOKENS || h->n_merged > IFM_MAX_MERGES ||
        h->longest_token > h->n_text || h->longest_shown > h->n_shown)
        return false;
    if (h->n_ranks > h->n_tokens ||
        (h->n_shown_ends != 0 && h->n_shown_ends != h->n_tokens))
        return false;
    bool sound = are_rules_sound(h);
    for (int i = 0; i < 256; i++)
        sound = sound && is_id_or_none(h, h->byte_ids[i]) &&
                is_id_or_none(h, h->fallback_ids[i]);
    return sound;
}

bool ifm_tables_attach(ifm_tables *self, const void *block, size_t n_bytes)
{
    const ifm_tables_header *h = block;
    if (n_bytes < sizeof *h || (uintptr_t)block % 8 != 0)
        return false;
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->version != IFM_TABLES_VERSION ||
        h->byte_order != BYTE_ORDER_MARK)
        return false;
    if (h->n_bytes != n_bytes || ifm_tables_size(h) != n_bytes)
        return false;
    if (!is_sound(h))
        return false;
    if (h->checksum != first_checksum(h))
        return false;
    ifm_tables_view(self, block);
    return true;
}

/* The id-th of the strings in text[n_text] that end at ends[]; they may be damaged. */
static const char *string_at(const uint32_t *ends, const char *text, uint32_t n_text,
                             int32_t id, size_t *n_bytes)
{
    uint32_t start = id > 0 ? ends[id - 1] : 0;
    uint32_t end = ends[id];
    if (start > end || end > n_text)
        return NULL;
    *n_bytes = end - start;
    return text + start;
}

const char *ifm_tables_bytes(const ifm_tables *self, int32_t id, size_t *n_bytes)
{
    *n_bytes = 0;
    if ((ifm_tables_flags(self, id) & IFM_TOKEN_PRESENT) == 0)
        return NULL;
    return string_at(self->ends, self->text, self->header->n_text, id, n_bytes);
}

const char *ifm_tables_shown(const ifm_tables *self, int32_t id, size_t *n_bytes)
{
    if (self->header->n_shown_ends == 0)
        return ifm_tables_bytes(self, id, n_bytes);
    *n_bytes = 0;
    if ((ifm_tables_flags(self, id) & IFM_TOKEN_PRESENT) == 0)
        return NULL;
    return string_at(self->shown_ends, self->shown, self->header->n_shown, id, n_bytes);
}

unsigned ifm_tables_flags(const ifm_tables *self, int32_t id)
{
    return id >= 0 && (uint32_t)id < self->header->n_tokens ? self->flags[id] : 0;
}

static uint64_t mix(uint64_t h)
{
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

uint64_t ifm_tables_hash(const void *bytes, size_t n)
{
    const char *p = bytes;
    uint64_t word, h = mix(n + 1);
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = mix(h ^ word);
    }
    word = 0;
    memcpy(&word, p, n);
    return mix(mix(h ^ word));
}

int32_t ifm_tables_find_word(const ifm_tables *self, const char *bytes, size_t n)
{
    uint32_t n_slots = self->header->n_words;
    if (n_slots == 0 || n > self->header->longest_token)
        return -1;
    uint64_t hash = ifm_tables_hash(bytes, n);
    uint32_t at = ifm_slot_of(hash, n_slots);
    for (int probes = 0; probes < IFM_MAX_PROBES; probes++) {
        uint32_t slot = self->words[at];
        if (slot == IFM_EMPTY_WORD)
            return -1;
        int32_t id = (int32_t)(slot & IFM_ID_MASK);
        if (slot == ifm_word_slot(hash, (uint32_t)id)) {
            size_t n_found;
            const char *found = ifm_tables_bytes(self, id, &n_found);
            if (found != NULL && n_found == n && memcmp(found, bytes, n) == 0)
                return id;
        }
        at = at + 1 < n_slots ? at + 1 : 0;
    }
    return -1;
}

bool ifm_tables_find_pair(const ifm_tables *self, int32_t left, int32_t right,
                          uint32_t *rank, int32_t *merged)
{
    uint32_t n_slots = self->header->n_pairs;
    if (n_slots == 0)
        return false;
    uint64_t pair = ifm_pair_of((uint32_t)left, (uint32_t)right);
    uint32_t at = ifm_slot_of(ifm_pair_hash(pair), n_slots);
    for (int probes = 0; probes < IFM_MAX_PROBES; probes++) {
        uint64_t slot = self->pairs[at];
        if (slot == IFM_EMPTY_PAIR)
            return false;
        if (slot >> 21 == pair) {
            *rank = (uint32_t)(slot & IFM_ID_MASK);
            if (*rank >= self->header->n_merged)
                return false;
            *merged = (int32_t)self->merged[*rank];
            return (uint32_t)*merged < self->header->n_tokens;
        }
        at = at + 1 < n_slots ? at + 1 : 0;
    }
    return false;
}

bool ifm_tables_find_scored(const ifm_tables *self, const char *bytes, size_t n,
                            uint32_t *rank, int32_t *merged)
{
    *merged = ifm_tables_find_word(self, bytes, n);
    if (*merged < 0 || (uint32_t)*merged >= self->header->n_ranks)
        return false;
    *rank = self->ranks[*merged];
    return true;
}

const char *ifm_tables_content(const ifm_tables *self, size_t i, size_t *n_bytes)
{
    const ifm_added_token *token = &self->added[i];
    uint32_t n_text = self->header->n_text;
    *n_bytes = 0;
    if (token->start > n_text || token->length > n_text - token->start)
        return NULL;
    *n_bytes = token->length;
    return self->text + token->start;
}
