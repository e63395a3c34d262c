/* model: what config.json of the Llama family may say, in both of its forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/config.h"

#define SIZES                                                                            \
    "\"hidden_size\":48,\"num_attention_heads\":4,\"num_hidden_layers\":3,"              \
    "\"intermediate_size\":80,\"vocab_size\":300"
#define OF(type, rest) "{\"model_type\":\"" type "\"," SIZES rest "}"
#define LLAMA(rest)    OF("llama", rest)
#define ROPE(text)     LLAMA(",\"rope_parameters\":{" text "}")
#define ROPE_4(text)   LLAMA(",\"rope_theta\":5000.0,\"rope_scaling\":{" text "}")
#define LLAMA3_FACTORS                                                                   \
    "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"                   \
    "\"original_max_position_embeddings\":64"

static ifm_status parse(const char *json, ifm_config *config, ifm_error *err)
{
    return ifm_config_parse(json, strlen(json), "config.json", config, err);
}

static ifm_config good(const char *json)
{
    ifm_config config;
    ifm_error err = {0};
    if (parse(json, &config, &err) != IFM_OK)
        fail_msg("%s: %s", json, err.message);
    return config;
}

static void defaults_are_those_of_transformers(void **state)
{
    (void)state;
    ifm_config c = good(LLAMA());
    assert_int_equal(c.family, IFM_FAMILY_LLAMA);
    assert_int_equal(c.n_kv_head, 4);
    assert_int_equal(c.head_dim, 12);
    assert_int_equal(c.n_positions, 2048);
    assert_int_equal(c.activation, IFM_ACTIVATION_SILU);
    assert_true(c.norm_eps == 1e-6f);
    assert_false(c.tied_head || c.qkv_bias || c.o_bias || c.mlp_bias || c.qk_norm);
    assert_int_equal(c.rope.r, 12);
    assert_true(c.rope.base > 9999 && c.rope.base < 10001);
    assert_int_equal(c.rope.scaling, IFM_ROPE_DEFAULT);
    assert_false(c.rope.interleaved || c.rope.divided);
    assert_int_equal(c.bos_id, 1);
    assert_int_equal(c.eos_id, 2);
    assert_int_equal(ifm_config_window(&c, 0), 0);

    c = good(OF("mistral", ""));
    assert_int_equal(ifm_config_window(&c, 2), 4096);
    c = good(OF("qwen2", ""));
    assert_true(c.qkv_bias && !c.o_bias);
    assert_int_equal(c.bos_id, -1);
    assert_int_equal(c.n_eos, 0);
    c = good(OF("qwen3", ""));
    assert_true(c.qk_norm && !c.qkv_bias);
    assert_int_equal(c.head_dim, 128);
    assert_string_equal(ifm_family_name(c.family), "qwen3");
}

static void every_key_is_read(void **state)
{
    (void)state;
    ifm_config c = good(LLAMA(
        ",\"num_key_value_heads\":2,\"head_dim\":20,\"max_position_embeddings\":96,"
        "\"rms_norm_eps\":0.001,\"tie_word_embeddings\":true,\"attention_bias\":true,"
        "\"mlp_bias\":true,\"hidden_act\":\"silu\",\"bos_token_id\":7,"
        "\"eos_token_id\":[8,9,8],\"torch_dtype\":\"bfloat16\",\"pretraining_tp\":1"));
    assert_int_equal(c.n_kv_head, 2);
    assert_int_equal(c.head_dim, 20);
    assert_int_equal(c.n_positions, 96);
    assert_int_equal(c.n_inner, 80);
    assert_int_equal(c.n_vocab, 300);
    assert_true(c.norm_eps == 0.001f);
    assert_true(c.tied_head && c.qkv_bias && c.o_bias && c.mlp_bias);
    assert_int_equal(c.bos_id, 7);
    assert_int_equal(c.n_eos, 2);
    assert_int_equal(c.eos_ids[1], 9);
    c = good("{\"architectures\":[\"MistralForCausalLM\"]," SIZES
             ",\"num_key_value_heads\":null,\"head_dim\":null,\"sliding_window\":null}");
    assert_int_equal(c.family, IFM_FAMILY_MISTRAL);
    assert_int_equal(c.n_kv_head, 4);
    assert_int_equal(c.head_dim, 12);
    assert_int_equal(ifm_config_window(&c, 0), 0);
}

static void assert_llama3(ifm_config c)
{
    assert_int_equal(c.rope.scaling, IFM_ROPE_LLAMA3);
    assert_true(c.rope.base > 4999 && c.rope.base < 5001);
    assert_true(c.rope.factor > 7.9 && c.rope.factor < 8.1);
    assert_true(c.rope.high_freq_factor > 3.9 && c.rope.low_freq_factor < 1.1);
    assert_true(c.rope.original_positions > 63 && c.rope.original_positions < 65);
}

static void rotation_in_both_forms(void **state)
{
    (void)state;
    assert_llama3(
        good(ROPE("\"rope_theta\":5000.0,\"rope_type\":\"llama3\"," LLAMA3_FACTORS)));
    assert_llama3(good(ROPE_4("\"rope_type\":\"llama3\"," LLAMA3_FACTORS)));
    assert_llama3(good(ROPE_4("\"type\":\"llama3\"," LLAMA3_FACTORS)));
    ifm_config c = good(ROPE_4("\"type\":\"linear\",\"factor\":2"));
    assert_int_equal(c.rope.scaling, IFM_ROPE_LINEAR);
    c = good(LLAMA(",\"rope_theta\":1000000,\"rope_scaling\":null"));
    assert_int_equal(c.rope.scaling, IFM_ROPE_DEFAULT);
    assert_true(c.rope.base > 999999);
    c = good(ROPE("\"rope_theta\":7.0,\"rope_type\":\"default\""));
    assert_true(c.rope.base > 6.9 && c.rope.base < 7.1);
}

static void windows(void **state)
{
    (void)state;
    ifm_config c = good(OF("mistral", ",\"sliding_window\":20"));
    assert_int_equal(ifm_config_window(&c, 0), 20);
    c = good(OF("qwen2", ",\"use_sliding_window\":true,\"sliding_window\":16,"
                         "\"max_window_layers\":1"));
    assert_int_equal(ifm_config_window(&c, 0), 0);
    assert_int_equal(ifm_config_window(&c, 1), 16);
    c = good(OF("qwen3", ",\"use_sliding_window\":true,\"sliding_window\":16,"
                         "\"max_window_layers\":1,\"layer_types\":[\"sliding_attention\","
                         "\"full_attention\",\"full_attention\"]"));
    assert_int_equal(ifm_config_window(&c, 0), 16);
    assert_int_equal(ifm_config_window(&c, 2), 0);
    c = good(OF("qwen2", ",\"use_sliding_window\":false,\"sliding_window\":16,"
                         "\"max_window_layers\":0"));
    assert_int_equal(ifm_config_window(&c, 2), 0);
    c = good(LLAMA(",\"sliding_window\":16"));
    assert_int_equal(ifm_config_window(&c, 2), 0);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        ifm_status status;
        const char *part;
    } cases[] = {
        {"{\"model_type\":\"llama\"}", IFM_ERR_FORMAT, "\"hidden_size\" is missing"},
        {LLAMA(",\"num_key_value_heads\":3"), IFM_ERR_FORMAT,
         "4 attention heads cannot share 3 key-value heads evenly"},
        {LLAMA(",\"num_key_value_heads\":8"), IFM_ERR_FORMAT, "cannot share"},
        {LLAMA(",\"head_dim\":0"), IFM_ERR_FORMAT, "\"head_dim\" is 0"},
        {LLAMA(",\"head_dim\":65537"), IFM_ERR_FORMAT, "expected 1 to 65536"},
        {"{\"model_type\":\"llama\",\"hidden_size\":65536,\"num_attention_heads\":65536,"
         "\"num_hidden_layers\":1,\"intermediate_size\":8,\"vocab_size\":8,"
         "\"head_dim\":65536}",
         IFM_ERR_FORMAT, "are 4294967296 wide, expected at most 262144"},
        {LLAMA(",\"head_dim\":13"), IFM_ERR_FORMAT, "cannot be turned in pairs"},
        {LLAMA(",\"hidden_act\":\"gelu\""), IFM_ERR_UNSUPPORTED,
         "\"hidden_act\" is \"gelu\", supported is silu"},
        {LLAMA(",\"rms_norm_eps\":2"), IFM_ERR_FORMAT, "\"rms_norm_eps\" is 2"},
        {LLAMA(",\"rope_theta\":0"), IFM_ERR_FORMAT, "\"rope_theta\" is 0"},
        {LLAMA(",\"rope_theta\":-5"), IFM_ERR_FORMAT, "\"rope_theta\" is -5"},
        {LLAMA(",\"rope_theta\":1e30"), IFM_ERR_FORMAT, "\"rope_theta\" is 1e+30"},
        {LLAMA(",\"rope_scaling\":3"), IFM_ERR_FORMAT, "expected an object"},
        {LLAMA(",\"partial_rotary_factor\":0.5"), IFM_ERR_UNSUPPORTED,
         "\"partial_rotary_factor\" is 0.5"},
        {ROPE("\"rope_type\":\"yarn\",\"factor\":4.0"), IFM_ERR_UNSUPPORTED,
         "scaled by \"yarn\", supported are default, linear and llama3"},
        {ROPE_4("\"type\":\"dynamic\",\"factor\":2.0"), IFM_ERR_UNSUPPORTED, "dynamic"},
        {ROPE("\"rope_type\":\"longrope\""), IFM_ERR_UNSUPPORTED, "longrope"},
        {ROPE("\"rope_type\":\"linear\""), IFM_ERR_FORMAT, "\"factor\" is 0 or missing"},
        {ROPE("\"rope_type\":\"linear\",\"factor\":-1"), IFM_ERR_FORMAT, "\"factor\""},
        {ROPE("\"rope_type\":\"llama3\",\"factor\":8.0"), IFM_ERR_FORMAT,
         "\"low_freq_factor\""},
        {ROPE("\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":4.0,"
              "\"high_freq_factor\":4.0"),
         IFM_ERR_FORMAT, "expected more than \"low_freq_factor\""},
        {ROPE("\"full_attention\":{\"rope_theta\":1.0}"), IFM_ERR_UNSUPPORTED,
         "differ by kind of layer"},
        {OF("mistral", ",\"sliding_window\":0"), IFM_ERR_FORMAT, "\"sliding_window\""},
        {OF("qwen2", ",\"use_sliding_window\":true,\"layer_types\":[\"full_attention\"]"),
         IFM_ERR_FORMAT, "expected a list of 3"},
        {OF("qwen2", ",\"use_sliding_window\":true,\"layer_types\":[\"chunked\",1,2]"),
         IFM_ERR_UNSUPPORTED, "has \"chunked\" for layer 0"},
        {OF("qwen2", ",\"use_sliding_window\":true,\"layer_types\":7"), IFM_ERR_FORMAT,
         "\"layer_types\" is a whole number"},
        {OF("qwen3_moe", ""), IFM_ERR_UNSUPPORTED, "\"qwen3_moe\" is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ifm_config config;
        ifm_error err = {0};
        ifm_status st = parse(cases[i].json, &config, &err);
        if (st != cases[i].status || strstr(err.message, cases[i].part) == NULL)
            fail_msg("%s: status %s, message \"%s\", expected %s, \"%s\"", cases[i].json,
                     ifm_status_name(st), err.message, ifm_status_name(cases[i].status),
                     cases[i].part);
    }
}

static void save(const char *directory, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* What ends a text is the union of both files; the beginning is config.json's, if any. */
static void generation_config_adds(void **state)
{
    (void)state;
    char directory[] = "/tmp/ifm-config-XXXXXX", path[128];
    ifm_config c;
    ifm_error err = {0};
    assert_non_null(mkdtemp(directory));
    save(directory, "config.json", OF("qwen2", ",\"eos_token_id\":5"));
    save(directory, "generation_config.json",
         "{\"bos_token_id\":4,\"eos_token_id\":[6,5,301],\"do_sample\":true}");
    assert_int_equal(ifm_config_read(directory, &c, &err), IFM_OK);
    assert_int_equal(c.bos_id, 4);
    assert_int_equal(c.eos_id, 5);
    assert_int_equal(c.n_eos, 2);
    assert_int_equal(c.eos_ids[1], 6);
    save(directory, "generation_config.json", "{\"eos_token_id\":\"x\"}");
    assert_int_equal(ifm_config_read(directory, &c, &err), IFM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "generation_config.json: \"eos_token_id\""));
    static const char *const names[] = {"config.json", "generation_config.json"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_transformers),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(rotation_in_both_forms),
        cmocka_unit_test(windows),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(generation_config_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
