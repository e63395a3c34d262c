/* model: what the metadata of a GGUF file may say about a model, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gguf_image.h"
#include "inferometer/model.h"
#include "model/config.h"

enum { F32 = 0, IQ4_XS = 23, MAX_KEYS = 24, MAX_TENSORS = 24 };

/* A key: a text, or a number of a type; `type` IFM_GGUF_ARRAY: two equal numbers. */
typedef struct key {
    const char *name;
    int type;
    double number;
    const char *text;
} key;

#define TEXT(name, value)                                                                \
    {                                                                                    \
        name, IFM_GGUF_STRING, 0, value                                                  \
    }
#define WHOLE(name, value)                                                               \
    {                                                                                    \
        name, IFM_GGUF_U32, value, NULL                                                  \
    }
#define REAL(name, value)                                                                \
    {                                                                                    \
        name, IFM_GGUF_F32, value, NULL                                                  \
    }
#define PAIR(name, value)                                                                \
    {                                                                                    \
        name, IFM_GGUF_ARRAY, value, NULL                                                \
    }
#define NO(name)                                                                         \
    {                                                                                    \
        name, -1, 0, NULL                                                                \
    }

static const key base_keys[] = {
    TEXT("general.architecture", "llama"),
    WHOLE("llama.block_count", 2),
    WHOLE("llama.context_length", 40),
    WHOLE("llama.embedding_length", 32),
    WHOLE("llama.feed_forward_length", 64),
    WHOLE("llama.attention.head_count", 4),
    WHOLE("llama.attention.head_count_kv", 2),
    REAL("llama.attention.layer_norm_rms_epsilon", 1e-5),
    WHOLE("tokenizer.ggml.bos_token_id", 1),
    WHOLE("tokenizer.ggml.eos_token_id", 2),
};

enum { N_BASE = sizeof base_keys / sizeof *base_keys };

typedef struct tensor {
    const char *name;
    uint64_t inner, outer;
    uint32_t type;
} tensor;

static const tensor layer_tensors[] = {
    {"attn_norm.weight", 32, 0, F32},    {"attn_q.weight", 32, 32, F32},
    {"attn_k.weight", 32, 16, F32},      {"attn_v.weight", 32, 16, F32},
    {"attn_output.weight", 32, 32, F32}, {"ffn_norm.weight", 32, 0, F32},
    {"ffn_gate.weight", 32, 64, F32},    {"ffn_up.weight", 32, 64, F32},
    {"ffn_down.weight", 64, 32, F32},
};

static const tensor model_tensors[] = {
    {"token_embd.weight", 32, 50, F32},
    {"output_norm.weight", 32, 0, F32},
};

/* What a case changes: keys replaced, added or left out; one tensor likewise. */
typedef struct change {
    key keys[3];
    tensor tensor;
} change;

static void put_value(ifm_buffer *out, const key *k)
{
    const float real = (float)k->number;
    put_key(out, k->name, (uint32_t)k->type);
    switch (k->type) {
    case IFM_GGUF_STRING:
        put_string(out, k->text);
        break;
    case IFM_GGUF_F32:
        ifm_buffer_append(out, &real, sizeof real);
        break;
    case IFM_GGUF_ARRAY:
        put_u32(out, IFM_GGUF_U32);
        put_u64(out, 2);
        put_u32(out, (uint32_t)k->number);
        put_u32(out, (uint32_t)k->number);
        break;
    default:
        put_u32(out, (uint32_t)k->number);
        break;
    }
}

static bool is_changed(const change *changes, const char *name)
{
    for (size_t i = 0; i < 3; i++)
        if (changes->keys[i].name != NULL && strcmp(changes->keys[i].name, name) == 0)
            return true;
    return false;
}

static uint64_t put_keys(ifm_buffer *out, const change *changes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < N_BASE; i++)
        if (!is_changed(changes, base_keys[i].name)) {
            put_value(out, &base_keys[i]);
            n++;
        }
    for (size_t i = 0; i < 3; i++)
        if (changes->keys[i].name != NULL && changes->keys[i].type >= 0) {
            put_value(out, &changes->keys[i]);
            n++;
        }
    return n;
}

/* Tensors in the making. */
typedef struct tensors {
    ifm_buffer image;
    uint64_t n, bytes;
} tensors;

static void put(tensors *to, const tensor *t, const char *name)
{
    put_tensor(&to->image, name, t->inner, t->outer, t->type, to->bytes);
    const uint64_t n = t->inner * (t->outer > 0 ? t->outer : 1);
    to->bytes += (t->type == F32 ? n * 4 : n / 256 * 136) + 31;
    to->bytes -= to->bytes % 32;
    to->n++;
}

static void put_or_changed(tensors *to, const tensor *t, const char *name,
                           const tensor *changed)
{
    const bool other = changed->name != NULL && strcmp(changed->name, name) == 0;
    if (!other || changed->inner > 0)
        put(to, other ? changed : t, name);
}

static void put_tensors(tensors *to, const tensor *changed)
{
    char name[64];
    bool known = false;
    for (size_t i = 0; i < 2; i++) {
        put_or_changed(to, &model_tensors[i], model_tensors[i].name, changed);
        known = known || (changed->name && !strcmp(changed->name, model_tensors[i].name));
    }
    for (int layer = 0; layer < 2; layer++)
        for (size_t i = 0; i < sizeof layer_tensors / sizeof *layer_tensors; i++) {
            snprintf(name, sizeof name, "blk.%d.%s", layer, layer_tensors[i].name);
            put_or_changed(to, &layer_tensors[i], name, changed);
            known = known || (changed->name && !strcmp(changed->name, name));
        }
    if (changed->name != NULL && !known)
        put(to, changed, changed->name);
}

static char file[64];

/* Writes a file with one change and opens the model. */
static ifm_status open_changed(change changes, ifm_model **model, ifm_error *err)
{
    ifm_buffer keys = {0}, whole = {0};
    tensors all = {0};
    const uint64_t n_keys = put_keys(&keys, &changes);
    put_tensors(&all, &changes.tensor);
    put_header(&whole, all.n, n_keys);
    ifm_buffer_append(&whole, keys.data, keys.length);
    ifm_buffer_append(&whole, all.image.data, all.image.length);
    put_data(&whole, 32, all.bytes);
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(whole.data, 1, whole.length, f), whole.length);
    assert_int_equal(fclose(f), 0);
    ifm_buffer_deinit(&keys);
    ifm_buffer_deinit(&all.image);
    ifm_buffer_deinit(&whole);
    return ifm_model_open(file, NULL, model, err);
}

static int make_file(void **state)
{
    (void)state;
    strcpy(file, "/tmp/ifm-gguf-config-XXXXXX");
    const int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

static void what_is_accepted(void **state)
{
    (void)state;
    static const change cases[] = {
        {.keys = {NO("nothing")}},
        {.keys = {PAIR("llama.attention.head_count_kv", 2),
                  PAIR("llama.feed_forward_length", 64)}},
        {.keys = {WHOLE("llama.expert_count", 0)}},
        {.keys = {TEXT("llama.rope.scaling.type", "none"),
                  REAL("llama.rope.freq_base", 5e5)}},
        {.keys = {TEXT("llama.rope.scaling.type", "linear"),
                  REAL("llama.rope.scaling.factor", 4)}},
        {.keys = {WHOLE("llama.rope.dimension_count", 4)}},
        {.keys = {WHOLE("llama.attention.sliding_window", 7)}},
        {.keys = {WHOLE("tokenizer.ggml.eos_token_id", 4000000000.0),
                  WHOLE("tokenizer.ggml.eot_token_id", 49)}},
        {.tensor = {"output.weight", 32, 50, F32}},
        {.tensor = {"rope_freqs.weight", 4, 0, F32}},
        {.tensor = {"something.else", 5, 0, F32}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ifm_model *model = NULL;
        ifm_session *session = NULL;
        const float *logits;
        const int32_t ids[] = {1, 49};
        const ifm_session_options options = {.positions = 8, .threads = 2};
        ifm_error err = {0};
        if (open_changed(cases[i], &model, &err) != IFM_OK)
            fail_msg("case %zu: %s", i, err.message);
        const ifm_model_info *info = ifm_model_describe(model);
        assert_string_equal(info->family, "llama");
        assert_int_equal(info->n_vocab, 50);
        assert_int_equal(info->n_kv_head, 2);
        assert_int_equal(info->n_positions, 40);
        assert_int_equal(info->eos_id, i == 7 ? 49 : 2);
        assert_int_equal(info->tied_head, i != 8);
        assert_int_equal(ifm_session_new(model, &options, &session, &err), IFM_OK);
        assert_int_equal(ifm_session_eval(session, ids, 2, &logits, &err), IFM_OK);
        ifm_session_free(session);
        ifm_model_close(model);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        change change;
        ifm_status status;
        const char *part;
    } cases[] = {
        {{.keys = {NO("general.architecture")}},
         IFM_ERR_FORMAT,
         "has no \"general.architecture\""},
        {{.keys = {TEXT("general.architecture", "clip")}},
         IFM_ERR_UNSUPPORTED,
         "the architecture \"clip\" is not supported"},
        {{.keys = {NO("llama.block_count")}},
         IFM_ERR_FORMAT,
         "\"llama.block_count\" is missing or 0"},
        {{.keys = {WHOLE("llama.block_count", 2000)}},
         IFM_ERR_FORMAT,
         "\"llama.block_count\" is 2000, expected 1 to 1024"},
        {{.keys = {WHOLE("llama.block_count", 3)}},
         IFM_ERR_FORMAT,
         "\"blk.2.attn_norm.weight\" is in none of the weight files"},
        {{.keys = {WHOLE("llama.embedding_length", 4294967295.0)}},
         IFM_ERR_FORMAT,
         "is 4294967295, expected 1 to 65536"},
        {{.keys = {WHOLE("llama.embedding_length", 33)}},
         IFM_ERR_FORMAT,
         "has the shape [50, 32], the metadata expects [50, 33]"},
        {{.keys = {TEXT("llama.embedding_length", "32")}},
         IFM_ERR_UNSUPPORTED,
         "is no whole number"},
        {{.keys = {WHOLE("llama.attention.head_count", 0)}},
         IFM_ERR_FORMAT,
         "missing or 0"},
        {{.keys = {WHOLE("llama.attention.head_count", 64)}},
         IFM_ERR_FORMAT,
         "\"llama.attention.key_length\" is missing or 0"},
        {{.keys = {WHOLE("llama.attention.head_count_kv", 3)}},
         IFM_ERR_FORMAT,
         "cannot share 3 key-value heads"},
        {{.keys = {WHOLE("llama.attention.key_length", 16),
                   WHOLE("llama.attention.value_length", 8)}},
         IFM_ERR_UNSUPPORTED,
         "keys are 16 wide and values 8"},
        {{.keys = {WHOLE("llama.attention.key_length", 65536),
                   WHOLE("llama.attention.head_count", 65536),
                   WHOLE("llama.attention.value_length", 65536)}},
         IFM_ERR_FORMAT,
         "are 4294967296 wide"},
        {{.keys = {WHOLE("llama.rope.dimension_count", 9)}},
         IFM_ERR_FORMAT,
         "expected 1 to 8"},
        {{.keys = {WHOLE("llama.rope.dimension_count", 3)}},
         IFM_ERR_FORMAT,
         "expected an even number"},
        {{.keys = {REAL("llama.rope.freq_base", 0)}},
         IFM_ERR_FORMAT,
         "\"llama.rope.freq_base\" is 0"},
        {{.keys = {TEXT("llama.rope.scaling.type", "yarn")}},
         IFM_ERR_UNSUPPORTED,
         "scaled by \"yarn\", supported are none and linear"},
        {{.keys = {TEXT("llama.rope.scaling.type", "linear"),
                   REAL("llama.rope.scaling.factor", -2)}},
         IFM_ERR_FORMAT,
         "\"llama.rope.scaling.factor\" is -2"},
        {{.keys = {REAL("llama.attention.layer_norm_rms_epsilon", 7)}},
         IFM_ERR_FORMAT,
         "epsilon\" is 7"},
        {{.keys = {WHOLE("llama.expert_count", 8)}},
         IFM_ERR_UNSUPPORTED,
         "a mixture of 8 experts"},
        {{.keys = {TEXT("llama.attention.sliding_window", "x")}},
         IFM_ERR_FORMAT,
         "is no number of positions"},
        {{.tensor = {"token_embd.weight", 0, 0, F32}},
         IFM_ERR_FORMAT,
         "tensor \"token_embd.weight\" is in none of the weight files, expected of a "
         "llama with 2 layers: is a part of the file missing?"},
        {{.tensor = {"blk.1.attn_k.weight", 32, 32, F32}},
         IFM_ERR_FORMAT,
         "has the shape [32, 32], the metadata expects [16, 32]"},
        {{.tensor = {"blk.1.attn_norm.weight", 32, 1, F32}},
         IFM_ERR_FORMAT,
         "has the shape [1, 32], the metadata expects [32]"},
        {{.tensor = {"rope_freqs.weight", 8, 0, F32}},
         IFM_ERR_FORMAT,
         "has the shape [8], the metadata expects [4]"},
        {{.tensor = {"output.weight", 256, 50, IQ4_XS}},
         IFM_ERR_UNSUPPORTED,
         "tensor \"output.weight\" has the type IQ4_XS, which nothing here computes "
         "with"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ifm_model *model = NULL;
        ifm_error err = {0};
        const ifm_status st = open_changed(cases[i].change, &model, &err);
        if (st != cases[i].status || strstr(err.message, cases[i].part) == NULL)
            fail_msg("case %zu: status %s, message \"%s\", expected %s, \"%s\"", i,
                     ifm_status_name(st), err.message, ifm_status_name(cases[i].status),
                     cases[i].part);
        assert_null(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
