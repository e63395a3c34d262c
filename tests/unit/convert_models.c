/* convert: every stored checkpoint computes the same as a GGUF file made of it. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "convert/convert.h"
#include "format/gguf.h"
#include "inferometer/model.h"

/* The same weights in f32; rows of queries and keys, and GPT-2's matrices, lie in another
 * order, so that sums are rounded in another order: what model_reference.c allows. A head
 * whose rows were not reordered is off by 0.1 and more. */
static const double TOLERANCE_F32 = 3e-4;

/* Of the logits' own size, root mean square: rounding weights to q8_0 costs these small random
 * models 0.002 to 0.06. A tensor that went to another's place costs more than 1. */
static const double TOLERANCE_Q8_0 = 0.2;

enum { N_IDS = 40 };

static char file[64]; /* the GGUF file of the test that is running */

static int make_file(void **state)
{
    (void)state;
    strcpy(file, "/tmp/ifm-convert-XXXXXX");
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

static ifm_status convert(const char *from, const char *type, ifm_convert_report *report,
                          ifm_error *err)
{
    const ifm_convert_options options = {
        .from = from, .to = file, .type = type, .threads = 2};
    return ifm_convert(&options, report, err);
}

/* Logits after N_IDS tokens; the caller's. */
static float *logits_of(const char *path, int32_t *n_vocab)
{
    ifm_model *model = NULL;
    ifm_session *session = NULL;
    /* Other kernels round activations to the weights' type. */
    const ifm_model_options exact = {.kernels = "scalar"};
    const ifm_session_options options = {.positions = N_IDS, .threads = 1};
    const float *logits = NULL;
    ifm_error err = {0};
    int32_t ids[N_IDS];
    ifm_status st = ifm_model_open(path, &exact, &model, &err);
    if (st == IFM_OK)
        st = ifm_session_new(model, &options, &session, &err);
    if (st != IFM_OK)
        fail_msg("%s: %s", path, err.message);
    *n_vocab = ifm_model_describe(model)->n_vocab;
    for (int i = 0; i < N_IDS; i++)
        ids[i] = (7 * i + 3) % *n_vocab;
    if (ifm_session_eval(session, ids, N_IDS, &logits, &err) != IFM_OK)
        fail_msg("%s: %s", path, err.message);
    float *copy = malloc((size_t)*n_vocab * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, logits, (size_t)*n_vocab * sizeof *copy);
    ifm_session_free(session);
    ifm_model_close(model);
    return copy;
}

/* The greatest difference between the logits of directory and file, and its root mean square
 * divided by theirs. */
static void compare_logits(const char *directory, double *greatest, double *relative)
{
    int32_t n, n_file;
    double squares = 0, differences = 0;
    float *expected = logits_of(directory, &n), *found = logits_of(file, &n_file);
    assert_int_equal(n, n_file);
    *greatest = 0;
    for (int32_t i = 0; i < n; i++) {
        double difference = fabs((double)expected[i] - (double)found[i]);
        if (!(difference <= *greatest))
            *greatest = difference;
        squares += (double)expected[i] * (double)expected[i];
        differences += difference * difference;
    }
    *relative = sqrt(differences / squares);
    free(expected);
    free(found);
}

/* What GGUF has no word for; it must be said, not lost. */
static bool is_unsupported(const char *name)
{
    static const char *const names[] = {"gelu", "relu", "inverse_layer", "qwen2_sliding",
                                        "qwen3_form_4"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void check_case(const char *directory, const char *name)
{
    ifm_convert_report report;
    ifm_error err = {0};
    ifm_status st = convert(directory, "f32", &report, &err);
    if (is_unsupported(name)) {
        assert_int_equal(st, IFM_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, "has no word for it"));
        return;
    }
    if (st != IFM_OK)
        fail_msg("%s: %s", directory, err.message);
    assert_true(report.no_tokenizer);
    double greatest, relative;
    compare_logits(directory, &greatest, &relative);
    if (!(greatest <= TOLERANCE_F32))
        fail_msg("%s: as GGUF a logit is off by %g", directory, greatest);
    st = convert(directory, "q8_0", &report, &err);
    if (st != IFM_OK)
        fail_msg("%s: %s", directory, err.message);
    compare_logits(directory, &greatest, &relative);
    if (!(relative <= TOLERANCE_Q8_0))
        fail_msg("%s: as q8_0 the logits are off by %g of themselves", directory,
                 relative);
}

static void check_cases(const char *family)
{
    char all[1024], directory[2048];
    int count = 0;
    snprintf(all, sizeof all, "%s/tests/reference/%s", getenv("IFM_SOURCE_ROOT"), family);
    DIR *list = opendir(all);
    assert_non_null(list);
    for (struct dirent *each; (each = readdir(list)) != NULL;) {
        if (each->d_name[0] == '.')
            continue;
        snprintf(directory, sizeof directory, "%s/%s", all, each->d_name);
        check_case(directory, each->d_name);
        count++;
    }
    closedir(list);
    assert_true(count >= 10);
}

static void test_gpt2(void **state)
{
    (void)state;
    check_cases("gpt2");
}

static void test_llama(void **state)
{
    (void)state;
    check_cases("llama");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gpt2, make_file, remove_file),
        cmocka_unit_test_setup_teardown(test_llama, make_file, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
