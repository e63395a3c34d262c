/* model: attention over the KV cache gives what its definition says, the same bits with
 * any number of threads, whichever way the work is divided. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "model/attend.h"

enum {
    L = 2,
    H = 6,
    G = 2,
    D = 20,
    P = 700,
    R = 256,
    SEQUENCES = 3,
    STRIDE = (H + 2 * G) * D + 3
};

/* Values of size 1 in f32: some roundings of sums of 700. */
static const double TOLERANCE_F32 = 1e-5;

/* Keys and values rounded to 11 bits, and where a way rounds to bf16, to 8: 16 times that,
 * as in checkkern. */
static const double TOLERANCE_F16 = 16.0 / 512;

/* One pass: so many rows, of which those from `first` on ask. */
typedef struct pass {
    int32_t rows, first;
} pass;

typedef struct attention {
    ifm_model model;
    ifm_session *session;
    ifm_attend job;
    float *wide;   /* [P, STRIDE] queries, keys, values of every position */
    float *out;    /* [P, H D] */
    int32_t start; /* position of the pass */
} attention;

static float *random_rows(void)
{
    ifm_random random;
    float *x = malloc(sizeof *x * P * STRIDE);
    assert_non_null(x);
    ifm_random_init(&random, 7);
    for (int64_t i = 0; i < (int64_t)P * STRIDE; i++)
        x[i] = (float)(2 * ifm_random_unit(&random) - 1) * 1.7f;
    return x;
}

static void begin(attention *self, const ifm_kern *kern, const char *dtype, int threads)
{
    const ifm_session_options options = {
        .positions = P, .threads = threads, .sequences = SEQUENCES};
    memset(self, 0, sizeof *self);
    self->model = (ifm_model){.config = {.n_embd = H * D,
                                         .n_head = H,
                                         .n_kv_head = G,
                                         .head_dim = D,
                                         .n_layer = L,
                                         .n_inner = D,
                                         .n_positions = P,
                                         .n_vocab = 2},
                              .kern = kern,
                              .info = {.dtype = dtype}};
    assert_int_equal(ifm_session_new(&self->model, &options, &self->session, NULL),
                     IFM_OK);
    self->wide = random_rows();
    self->out = calloc((size_t)P * H * D, sizeof *self->out);
    assert_non_null(self->out);
}

static void end(attention *self)
{
    ifm_session_free(self->session);
    free(self->wide);
    free(self->out);
}

static void task(void *arg, int thread)
{
    attention *self = arg;
    const ifm_team team = ifm_session_team(self->session, thread);
    ifm_attend_run(self->session, &team, &self->job);
}

static void run(attention *self, const pass *passes, size_t n, int32_t window)
{
    self->start = 0;
    for (size_t i = 0; i < n; i++) {
        ifm_session *s = self->session;
        const float *rows = self->wide + (int64_t)self->start * STRIDE;
        s->n_rows = passes[i].rows;
        for (int32_t r = 0; r < s->n_rows; r++)
            s->rows[r] = (ifm_row){.position = self->start + r};
        self->job = (ifm_attend){.layer = 1,
                                 .first = passes[i].first,
                                 .q = rows,
                                 .k = rows + H * D,
                                 .v = rows + (H + G) * D,
                                 .stride = STRIDE,
                                 .out = self->out + (int64_t)self->start * H * D,
                                 .out_stride = H * D,
                                 .scale = 0.4f,
                                 .window = window};
        ifm_pool_run(s->pool, task, self);
        self->start += s->n_rows;
    }
}

/* Head h of the row at a position, by the definition; position 0 is row `base` of wide. */
static void define(const attention *self, int64_t base, int64_t position, int64_t h,
                   int64_t window, double *out)
{
    static double weights[P];
    const float *rows = self->wide + base * STRIDE, *q = rows + position * STRIDE + h * D;
    const int64_t from = window > 0 && position >= window ? position - window + 1 : 0;
    double sum = 0;
    for (int64_t p = from; p <= position; p++) {
        const float *k = rows + p * STRIDE + H * D + h / (H / G) * D;
        double dot = 0;
        for (int64_t i = 0; i < D; i++)
            dot += (double)q[i] * k[i];
        weights[p] = exp(dot * 0.4);
        sum += weights[p];
    }
    for (int64_t i = 0; i < D; i++) {
        out[i] = 0;
        for (int64_t p = from; p <= position; p++)
            out[i] +=
                weights[p] / sum * rows[p * STRIDE + (H + G) * D + h / (H / G) * D + i];
    }
}

/* What row `row` of `out` must be. */
static void check_row(const attention *self, int64_t row, int64_t base, int64_t position,
                      int64_t window, double tolerance)
{
    for (int64_t h = 0; h < H; h++) {
        double expected[D];
        define(self, base, position, h, window, expected);
        for (int64_t i = 0; i < D; i++)
            assert_true(fabs(self->out[(row * H + h) * D + i] - expected[i]) <=
                        tolerance);
    }
}

/* A prompt, few rows and one at every depth; rows that only are remembered. */
static const pass passes[] = {{256, 0}, {1, 0}, {6, 0},    {200, 199}, {1, 0}, {8, 3},
                              {9, 9},   {9, 0}, {100, 60}, {3, 3},     {1, 0}};
enum { N_PASSES = sizeof passes / sizeof *passes };

static void check_rows(const attention *self, int32_t window, double tolerance)
{
    int32_t start = 0;
    for (size_t i = 0; i < N_PASSES; i++) {
        for (int32_t r = passes[i].first; r < passes[i].rows; r += r % 7 + 1)
            check_row(self, start + r, 0, start + r, window, tolerance);
        start += passes[i].rows;
    }
}

static void check_table(const ifm_kern *kern, const char *dtype, int32_t window,
                        double tolerance)
{
    static const int counts[] = {1, 2, 3, 5};
    float *one = NULL;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        attention self;
        begin(&self, kern, dtype, counts[i]);
        run(&self, passes, N_PASSES, window);
        if (one) {
            assert_memory_equal(one, self.out, sizeof(float) * P * H * D);
        } else {
            check_rows(&self, window, tolerance);
            one = self.out;
            self.out = NULL;
        }
        end(&self);
    }
    free(one);
}

static void every_table(void **state)
{
    (void)state;
    const ifm_kern *tables[IFM_KERN_MAX];
    const int n = ifm_kernels_available(tables, IFM_KERN_MAX);
    for (int i = 0; i < n; i++)
        for (int32_t window = 0; window <= 300; window += 150) {
            check_table(tables[i], "bf16", window, TOLERANCE_F32);
            check_table(tables[i], "q4_0", window, TOLERANCE_F16);
        }
}

/* Rows of several sequences in one pass: so many of each; the first of them do not ask. */
typedef struct mixture {
    int32_t rows[SEQUENCES], first;
} mixture;

static const mixture mixtures[] = {{{200, 50, 0}, 0}, {{1, 1, 5}, 0}, {{150, 0, 60}, 0},
                                   {{1, 1, 1}, 0},    {{3, 0, 4}, 2}, {{1, 7, 1}, 1},
                                   {{100, 90, 60}, 5}};

/* Sequence s at position p has the queries, keys and values of row p + 17 s. */
static int64_t base_of(int64_t sequence)
{
    return 17 * sequence;
}

/* One pass; each row's sequence and position stay in session->rows. */
static void run_mixture(attention *self, const mixture *m, int32_t length[SEQUENCES],
                        float *rows)
{
    ifm_session *s = self->session;
    s->n_rows = 0;
    for (int32_t i = 0; i < SEQUENCES; i++)
        for (int32_t r = 0; r < m->rows[i]; r++, s->n_rows++, length[i]++) {
            s->rows[s->n_rows] = (ifm_row){.position = length[i], .sequence = i};
            memcpy(rows + s->n_rows * STRIDE,
                   self->wide + (base_of(i) + length[i]) * STRIDE, STRIDE * sizeof *rows);
        }
    self->job = (ifm_attend){.layer = 1,
                             .first = m->first,
                             .q = rows,
                             .k = rows + H * D,
                             .v = rows + (H + G) * D,
                             .stride = STRIDE,
                             .out = self->out,
                             .out_stride = H * D,
                             .scale = 0.4f};
    ifm_pool_run(s->pool, task, self);
}

static void sequences_side_by_side(void **state)
{
    (void)state;
    const ifm_kern *kern;
    float *rows = calloc((size_t)R * STRIDE, sizeof *rows);
    assert_non_null(rows);
    assert_int_equal(ifm_kernels_find(NULL, &kern, NULL), IFM_OK);
    for (int threads = 1; threads <= 3; threads++) {
        attention self;
        int32_t length[SEQUENCES] = {0};
        begin(&self, kern, "f32", threads);
        for (size_t i = 0; i < sizeof mixtures / sizeof *mixtures; i++) {
            run_mixture(&self, &mixtures[i], length, rows);
            for (int32_t r = mixtures[i].first; r < self.session->n_rows;
                 r += 1 + r % 5) {
                const ifm_row row = self.session->rows[r];
                check_row(&self, r, base_of(row.sequence), row.position, 0,
                          TOLERANCE_F32);
            }
        }
        end(&self);
    }
    free(rows);
}

/* What is asked for beforehand is what is taken; f16 halves the cache. */
static void bytes_of_the_cache(void **state)
{
    (void)state;
    attention plain, quantized;
    const ifm_kern *kern;
    const ifm_session_options options = {
        .positions = P, .threads = 1, .sequences = SEQUENCES};
    ifm_session_options exact = options;
    exact.exact = true;
    assert_int_equal(ifm_kernels_find("scalar", &kern, NULL), IFM_OK);
    begin(&plain, kern, "f32", 1);
    begin(&quantized, kern, "q8_0", 1);
    const size_t cache = (size_t)SEQUENCES * L * G * plain.session->at.positions * D;
    assert_int_equal(plain.session->at.kv_dtype, IFM_DTYPE_F32);
    assert_int_equal(quantized.session->at.kv_dtype, IFM_DTYPE_F16);
    assert_int_equal(ifm_session_bytes(&plain.model, &options), plain.session->at.bytes);
    assert_int_equal(ifm_session_bytes(&plain.model, &options) -
                         ifm_session_bytes(&quantized.model, &options),
                     cache * 2 * 2);
    assert_int_equal(ifm_session_bytes(&quantized.model, &exact),
                     ifm_session_bytes(&plain.model, &options));
    end(&plain);
    end(&quantized);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table),
        cmocka_unit_test(sequences_side_by_side),
        cmocka_unit_test(bytes_of_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
