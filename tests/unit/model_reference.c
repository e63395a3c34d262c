/* model: every stored checkpoint gives the numbers that Transformers gave, with every
 * instruction set that this machine has. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "format/dtype.h"
#include "format/json.h"
#include "inferometer/model.h"
#include "kern/kern.h"

/* f32 sums of another order differ by about 1e-5 on GPT-2's models and by up to 6e-5 on the
 * Llama family's (the reference scripts print f32 against f64). Some times that is still
 * far below what a wrong constant costs (gelu for gelu_new: 2e-3; one position in a
 * rotation or a window: 1e-1). */
static const double TOLERANCE_F32 = 3e-4;

/* 16-bit weights are computed exactly in decoding, but a table may round activations to
 * bf16 in long prompts: 8 bits of mantissa, averaged over a row. */
static const double TOLERANCE_16_BITS = 2e-2;

enum { MAX_JSON = 64 << 20, MAX_CASES = 64 };

/* Quantized weights computed as if they were f32, against exactly what they stand for. A
 * table may cut terms at 2⁻¹⁵, which these models, with sharp attention, make 1.2e-3 of;
 * model_gguf_reference.c holds gentler ones to 1e-3. */
static const double TOLERANCE_EXACT = 2e-3;

/* Activations rounded to 8 bits beside them: on these models llama.cpp is 0.18 to 0.68 off
 * (see tests/reference/README.md); model_gguf_reference.c holds each type to it. */
static const double TOLERANCE_8_BITS = 0.7;

typedef enum precision {
    WHOLE,
    HALVES,
    EXACT,
    ROUNDED,
    N_PRECISIONS,
} precision;

static double worst[N_PRECISIONS]; /* largest difference seen */

static double log_sum(const ifm_kern *kern, const float *logits, int64_t v)
{
    float max;
    double sum;
    kern->max_sum_exp(logits, v, &max, &sum);
    return max + log(sum);
}

typedef struct checker {
    ifm_model *model;
    ifm_session *session;
    const ifm_kern *kern;
    int64_t v;
    double tolerance;
    double *worst;
    char where[256];
} checker;

static void check_number(checker *c, double ours, double theirs, const char *what,
                         size_t i)
{
    const double difference = fabs(ours - theirs);
    if (!(difference <= c->tolerance))
        fail_msg("%s: %s %zu: %.6f, Transformers %.6f", c->where, what, i, ours, theirs);
    *c->worst = difference > *c->worst ? difference : *c->worst;
}

static const float *eval(checker *c, const int32_t *ids, size_t n)
{
    const float *logits = NULL;
    ifm_error err = {0};
    if (ifm_session_eval(c->session, ids, (int32_t)n, &logits, &err) != IFM_OK)
        fail_msg("%s: %s", c->where, err.message);
    return logits;
}

static size_t read_ids(const json_t *list, int32_t ids[], size_t cap)
{
    size_t n = json_array_size(list);
    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

/* The whole distribution after the prompt, evaluated at once. */
static void check_last(checker *c, const json_t *prompt, const int32_t *ids, size_t n)
{
    const json_t *list = json_object_get(prompt, "last_logprobs");
    ifm_session_truncate(c->session, 0);
    const float *logits = eval(c, ids, n);
    const double base = log_sum(c->kern, logits, c->v);
    assert_int_equal(json_array_size(list), c->v);
    for (size_t i = 0; i < (size_t)c->v; i++)
        check_number(c, logits[i] - base, json_number_value(json_array_get(list, i)),
                     "log-probability of token", i);
}

/* The greedy continuation, following the reference where the two best are too close. */
static void check_greedy(checker *c, const json_t *prompt, const int32_t *last, size_t n)
{
    const json_t *ids = json_object_get(prompt, "greedy_ids");
    const json_t *logprobs = json_object_get(prompt, "greedy_logprobs");
    const json_t *margins = json_object_get(prompt, "greedy_margins");
    ifm_session_truncate(c->session, (int32_t)n - 1);
    const float *logits = eval(c, last, 1);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const int32_t theirs = (int32_t)json_integer_value(json_array_get(ids, i));
        const int64_t ours = c->kern->argmax(logits, c->v);
        if (json_number_value(json_array_get(margins, i)) > 2 * c->tolerance &&
            ours != theirs)
            fail_msg("%s: greedy token %zu is %d, Transformers %d", c->where, i,
                     (int)ours, theirs);
        check_number(c, logits[theirs] - log_sum(c->kern, logits, c->v),
                     json_number_value(json_array_get(logprobs, i)), "greedy token", i);
        if (i + 1 < json_array_size(ids))
            logits = eval(c, &theirs, 1);
    }
}

/* The log-probability of each token of the prompt, one by one. */
static void check_each(checker *c, const json_t *prompt, const int32_t *ids, size_t n)
{
    const json_t *list = json_object_get(prompt, "next_logprobs");
    ifm_session_truncate(c->session, 0);
    for (size_t i = 0; i + 1 < n; i++) {
        const float *logits = eval(c, &ids[i], 1);
        check_number(c, logits[ids[i + 1]] - log_sum(c->kern, logits, c->v),
                     json_number_value(json_array_get(list, i)), "position", i);
    }
}

static void check_prompts(checker *c, const json_t *reference, const char *name,
                          size_t n_positions)
{
    static int32_t ids[4096];
    const json_t *prompt;
    size_t i;
    json_array_foreach(json_object_get(reference, "prompts"), i, prompt)
    {
        const size_t n = read_ids(json_object_get(prompt, "ids"), ids, 4096);
        snprintf(c->where, sizeof c->where, "%s, kernels %s, %d threads, prompt of %zu",
                 name, c->kern->name, (int)ifm_session_threads(c->session), n);
        check_last(c, prompt, ids, n);
        if (json_array_size(json_object_get(prompt, "greedy_ids")) > 0)
            check_greedy(c, prompt, &ids[n - 1], n);
        if (n < 32 || n == n_positions) /* between these it is more of the same */
            check_each(c, prompt, ids, n);
    }
}

/* GGUF files mix types: activations may be rounded wherever it is allowed. */
static precision precision_of(const char *dtype, bool gguf, bool exact)
{
    if (gguf && !exact)
        return ROUNDED;
    if (ifm_dtype_is_quantized(ifm_dtype_of_name(dtype)))
        return EXACT;
    return !strcmp(dtype, "f32") ? WHOLE : HALVES;
}

static void check_case(const char *directory, const char *name, const ifm_kern *kern,
                       int threads, bool exact)
{
    static const double tolerances[] = {TOLERANCE_F32, TOLERANCE_16_BITS, TOLERANCE_EXACT,
                                        TOLERANCE_8_BITS};
    struct stat file;
    char path[4352];
    ifm_error err = {0};
    json_t *reference;
    checker c = {.kern = kern};
    snprintf(path, sizeof path, "%s/%s/reference.json", directory, name);
    assert_int_equal(ifm_json_read(path, MAX_JSON, &reference, &err), IFM_OK);
    snprintf(path, sizeof path, "%s/%s/model.gguf", directory, name);
    const bool gguf = stat(path, &file) == 0;
    if (!gguf)
        snprintf(path, sizeof path, "%s/%s", directory, name);
    const ifm_model_options options = {.kernels = kern->name};
    if (ifm_model_open(path, &options, &c.model, &err) != IFM_OK)
        fail_msg("%s: %s", name, err.message);
    const ifm_model_info *info = ifm_model_describe(c.model);
    assert_string_equal(info->kernels, kern->name);
    const precision kind = precision_of(info->dtype, gguf, exact);
    c.v = info->n_vocab;
    c.tolerance = tolerances[kind];
    c.worst = &worst[kind];
    const ifm_session_options so = {
        .positions = info->n_positions, .threads = threads, .exact = exact};
    assert_int_equal(ifm_session_new(c.model, &so, &c.session, &err), IFM_OK);
    check_prompts(&c, reference, name, (size_t)info->n_positions);
    ifm_session_free(c.session);
    ifm_model_close(c.model);
    json_decref(reference);
}

static size_t list_cases(const char *directory, char names[][64], size_t cap)
{
    size_t n = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            assert_true(n < cap);
            snprintf(names[n++], 64, "%.63s", e->d_name);
        }
    closedir(d);
    return n;
}

static void check_cases(const char *family, size_t least, bool exact)
{
    static char names[MAX_CASES][64];
    char directory[4096];
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(directory, sizeof directory, "%s/tests/reference/%s", root ? root : ".",
             family);
    const size_t n_cases = list_cases(directory, names, MAX_CASES);
    const ifm_kern *tables[IFM_KERN_MAX];
    const int n_tables = ifm_kernels_available(tables, IFM_KERN_MAX);
    assert_true(n_cases >= least && n_tables >= 1);
    for (int t = 0; t < n_tables; t++) {
        /* Threads divide the work the same way for every table. */
        const bool several = t == 0 || t + 1 == n_tables;
        memset(worst, 0, sizeof worst);
        for (size_t i = 0; i < n_cases; i++)
            check_case(directory, names[i], tables[t], several ? 1 + (int)i % 3 : 1,
                       exact);
        print_message("%s, %s: worst difference %.2g (f32), %.2g (16 bits), %.2g "
                      "(quantized), %.2g (and 8-bit activations)\n",
                      family, tables[t]->name, worst[WHOLE], worst[HALVES], worst[EXACT],
                      worst[ROUNDED]);
    }
}

static void gpt2_with_every_table(void **state)
{
    (void)state;
    check_cases("gpt2", 17, false);
}

static void llama_with_every_table(void **state)
{
    (void)state;
    check_cases("llama", 18, false);
}

static void gguf_exact_with_every_table(void **state)
{
    (void)state;
    check_cases("gguf_models", 7, true);
}

static void gguf_with_every_table(void **state)
{
    (void)state;
    check_cases("gguf_models", 7, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_with_every_table),
        cmocka_unit_test(llama_with_every_table),
        cmocka_unit_test(gguf_exact_with_every_table),
        cmocka_unit_test(gguf_with_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
