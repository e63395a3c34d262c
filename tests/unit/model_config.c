/* model: what config.json may say, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/config.h"

#define SMALL      "\"n_embd\":48,\"n_head\":4,\"n_layer\":2"
#define GPT2(rest) "{\"model_type\":\"gpt2\"," SMALL rest "}"

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
    ifm_config config = good(GPT2());
    assert_int_equal(config.family, IFM_FAMILY_GPT2);
    assert_int_equal(config.n_inner, 192);
    assert_int_equal(config.n_positions, 1024);
    assert_int_equal(config.n_vocab, 50257);
    assert_int_equal(config.activation, IFM_ACTIVATION_GELU_NEW);
    assert_true(config.norm_eps == 1e-5f);
    assert_true(config.tied_head && config.scale_attn_weights);
    assert_false(config.scale_attn_by_inverse_layer_idx);
    assert_int_equal(config.bos_id, 50256);
    assert_int_equal(config.eos_id, 50256);
    assert_int_equal(config.n_eos, 1);
}

static void every_key_is_read(void **state)
{
    (void)state;
    ifm_config config = good(
        GPT2(",\"n_inner\":100,\"n_ctx\":5,\"n_positions\":64,\"vocab_size\":300,"
             "\"layer_norm_epsilon\":0.001,\"activation_function\":\"relu\","
             "\"scale_attn_by_inverse_layer_idx\":true,\"tie_word_embeddings\":false,"
             "\"bos_token_id\":1,\"eos_token_id\":[7,8],\"reorder_and_upcast_attn\":true,"
             "\"something_else\":{}"));
    assert_int_equal(config.n_embd, 48);
    assert_int_equal(config.n_head, 4);
    assert_int_equal(config.n_layer, 2);
    assert_int_equal(config.n_inner, 100);
    assert_int_equal(config.n_positions, 64);
    assert_int_equal(config.n_vocab, 300);
    assert_true(config.norm_eps == 0.001f);
    assert_int_equal(config.activation, IFM_ACTIVATION_RELU);
    assert_false(config.tied_head);
    assert_int_equal(config.bos_id, 1);
    assert_int_equal(config.eos_id, 7);
    assert_int_equal(config.n_eos, 2);
    assert_int_equal(config.eos_ids[1], 8);
}

static void older_and_shorter_files(void **state)
{
    (void)state;
    ifm_config config = good("{\"architectures\":[\"GPT2LMHeadModel\"]," SMALL
                             ",\"n_ctx\":77,\"n_inner\":null,\"eos_token_id\":null,"
                             "\"bos_token_id\":null}");
    assert_int_equal(config.n_positions, 77);
    assert_int_equal(config.n_inner, 192);
    assert_int_equal(config.eos_id, -1);
    assert_int_equal(config.bos_id, -1);
    /* Ids that the vocabulary does not have cannot end anything. */
    config = good(GPT2(",\"vocab_size\":300"));
    assert_int_equal(config.eos_id, -1);
    config = good(GPT2(",\"vocab_size\":300,\"eos_token_id\":50256,\"bos_token_id\":-1"));
    assert_int_equal(config.eos_id, -1);
    assert_int_equal(config.n_eos, 0);
    assert_int_equal(config.bos_id, -1);
}

static void activations_by_all_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ifm_activation activation;
    } cases[] = {
        {"gelu_new", IFM_ACTIVATION_GELU_NEW},
        {"gelu_pytorch_tanh", IFM_ACTIVATION_GELU_NEW},
        {"gelu_fast", IFM_ACTIVATION_GELU_NEW},
        {"gelu", IFM_ACTIVATION_GELU},
        {"gelu_python", IFM_ACTIVATION_GELU},
        {"relu", IFM_ACTIVATION_RELU},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[256];
        snprintf(json, sizeof json, GPT2(",\"activation_function\":\"%s\""),
                 cases[i].name);
        assert_int_equal(good(json).activation, cases[i].activation);
    }
    assert_string_equal(ifm_activation_name(IFM_ACTIVATION_GELU), "gelu");
}

static void attention_scale(void **state)
{
    (void)state;
    ifm_config config = good(GPT2());
    assert_true(ifm_config_attention_scale(&config, 1) == 1.0f / sqrtf(12.0f));
    config = good(GPT2(",\"scale_attn_by_inverse_layer_idx\":true"));
    assert_true(ifm_config_attention_scale(&config, 1) == 1.0f / sqrtf(12.0f) / 2.0f);
    config = good(GPT2(",\"scale_attn_weights\":false"));
    assert_true(ifm_config_attention_scale(&config, 1) == 1.0f);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        ifm_status status;
        const char *part;
    } cases[] = {
        {"", IFM_ERR_FORMAT, "config.json: not valid JSON, line 1"},
        {"[]", IFM_ERR_FORMAT, "config.json: is a list, expected an object"},
        {"{}", IFM_ERR_FORMAT, "has no \"model_type\""},
        {"{\"model_type\":3}", IFM_ERR_FORMAT, "\"model_type\" is a whole number"},
        {"{\"model_type\":\"mamba\"}", IFM_ERR_UNSUPPORTED,
         "the model family \"mamba\" is not supported, those that are: gpt2, llama"},
        {"{\"architectures\":[\"GPT2ForSequenceClassification\"]}", IFM_ERR_UNSUPPORTED,
         "GPT2ForSequenceClassification"},
        {"{\"model_type\":\"gpt2\"}", IFM_ERR_FORMAT, "\"n_embd\" is missing"},
        {"{\"model_type\":\"gpt2\",\"n_embd\":null}", IFM_ERR_FORMAT, "is missing"},
        {"{\"model_type\":\"gpt2\",\"n_embd\":\"8\"}", IFM_ERR_FORMAT,
         "\"n_embd\" is a string, expected a whole number"},
        {"{\"model_type\":\"gpt2\",\"n_embd\":0}", IFM_ERR_FORMAT,
         "\"n_embd\" is 0, expected 1 to 65536"},
        {"{\"model_type\":\"gpt2\",\"n_embd\":65537}", IFM_ERR_FORMAT, "65537"},
        {"{\"model_type\":\"gpt2\",\"n_embd\":50,\"n_head\":4,\"n_layer\":1}",
         IFM_ERR_FORMAT, "\"n_embd\" 50 is no multiple of \"n_head\" 4"},
        {GPT2(",\"n_layer\":2"), IFM_ERR_FORMAT, "duplicate"},
        {GPT2(",\"n_inner\":-1"), IFM_ERR_FORMAT, "\"n_inner\" is -1"},
        {GPT2(",\"n_positions\":9223372036854775807"), IFM_ERR_FORMAT, "\"n_positions\""},
        {GPT2(",\"vocab_size\":1e9"), IFM_ERR_FORMAT, "\"vocab_size\" is a fraction"},
        {GPT2(",\"layer_norm_epsilon\":-1"), IFM_ERR_FORMAT,
         "\"layer_norm_epsilon\" is -1, expected 0 to 1"},
        {GPT2(",\"layer_norm_epsilon\":\"x\""), IFM_ERR_FORMAT, "expected a number"},
        {GPT2(",\"activation_function\":\"swish\""), IFM_ERR_UNSUPPORTED,
         "\"activation_function\" is \"swish\", supported are"},
        {GPT2(",\"tie_word_embeddings\":1"), IFM_ERR_FORMAT, "expected true or false"},
        {GPT2(",\"add_cross_attention\":true"), IFM_ERR_UNSUPPORTED,
         "add_cross_attention"},
        {GPT2(",\"eos_token_id\":\"x\""), IFM_ERR_FORMAT, "\"eos_token_id\" is a string"},
        {GPT2(",\"eos_token_id\":-2"), IFM_ERR_FORMAT, "\"eos_token_id\" is -2"},
        {GPT2(",\"eos_token_id\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"),
         IFM_ERR_LIMIT, "lists more than 16 tokens"},
        {GPT2(",\"bos_token_id\":[1]"), IFM_ERR_FORMAT, "\"bos_token_id\" is a list"},
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

/* What would cost the parser its stack or its memory is never given to it. */
static void deep_and_wide_json_is_refused(void **state)
{
    (void)state;
    enum { N = 9 * 1000 * 1000 };
    char *text = malloc(N);
    ifm_config config;
    ifm_error err = {0};
    assert_non_null(text);
    memset(text, '[', N);
    assert_int_equal(ifm_config_parse(text, N, "x", &config, &err), IFM_ERR_LIMIT);
    assert_string_equal(err.message, "x: nested deeper than 64 at byte 64 of its JSON");
    for (size_t i = 0; i < N; i++)
        text[i] = i % 2 == 0 ? ',' : '1';
    text[0] = '[';
    assert_int_equal(ifm_config_parse(text, N, "x", &config, &err), IFM_ERR_LIMIT);
    assert_string_equal(err.message, "x: more than 4000000 JSON values");
    free(text);
}

static void a_missing_file(void **state)
{
    (void)state;
    ifm_config config;
    ifm_error err = {0};
    assert_int_equal(ifm_config_read("/nowhere/model.safetensors", &config, &err),
                     IFM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/config.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_transformers),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(older_and_shorter_files),
        cmocka_unit_test(activations_by_all_their_names),
        cmocka_unit_test(attention_scale),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(deep_and_wide_json_is_refused),
        cmocka_unit_test(a_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
