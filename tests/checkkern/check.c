/* What all checks stand on: random input, guarded output, comparison. */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAID = 20 };

static const float UNTOUCHED = -1234567.0f;

static void *allocate(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p) {
        fprintf(stderr, "checkkern: no memory\n");
        exit(1);
    }
    return p;
}

float *random_floats(check *c, int64_t n, float scale)
{
    float *x = allocate((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)ifm_random_normal(&c->random) * scale;
    return x;
}

unsigned char *random_numbers(check *c, int64_t n, ifm_dtype dtype, float scale)
{
    const size_t size = ifm_dtype_block_bytes(dtype);
    unsigned char *x = (unsigned char *)allocate((size_t)n * size + 1) + 1;
    for (int64_t i = 0; i < n; i++) {
        const float v = (float)ifm_random_normal(&c->random) * scale;
        const uint16_t half =
            dtype == IFM_DTYPE_F16 ? ifm_f32_to_f16(v) : ifm_f32_to_bf16(v);
        memcpy(x + (size_t)i * size, size == 4 ? (const void *)&v : &half, size);
    }
    return x;
}

void free_numbers(unsigned char *numbers)
{
    free(numbers - 1);
}

float *guarded_new(int64_t n)
{
    float *x = allocate((size_t)(n + 2 * GUARD) * sizeof *x);
    for (int64_t i = 0; i < n + 2 * GUARD; i++)
        x[i] = UNTOUCHED;
    return x + GUARD;
}

void guarded_free(float *x)
{
    free(x - GUARD);
}

bool guards_intact(const float *x, int64_t n)
{
    for (int64_t i = 0; i < GUARD; i++)
        if (x[-1 - i] != UNTOUCHED || x[n + i] != UNTOUCHED)
            return false;
    return true;
}

/* Says the beginning of a line; false when enough has been said. */
static bool say_failure(check *c, const char *format, va_list args) IFM_PRINTF(2, 0);

static bool say_failure(check *c, const char *format, va_list args)
{
    if (c->n_failed++ >= MAX_SAID)
        return false;
    printf("FAILED %s: ", c->tested->name);
    vprintf(format, args);
    return true;
}

void compare(check *c, const float *a, const float *b, int64_t n, double absolute,
             double relative, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->n_checked++;
    for (int64_t i = 0; i < n; i++)
        if (a[i] != b[i] &&
            !(fabs((double)a[i] - b[i]) <= absolute + relative * fabs((double)a[i]))) {
            if (say_failure(c, format, args))
                printf(": at %lld %.9g, scalar %.9g\n", (long long)i, (double)b[i],
                       (double)a[i]);
            va_end(args);
            return;
        }
    if (!guards_intact(b, n) && say_failure(c, format, args))
        printf(": wrote outside of its output\n");
    va_end(args);
}

void expect(check *c, bool ok, const char *format, ...)
{
    va_list args;
    c->n_checked++;
    if (ok)
        return;
    va_start(args, format);
    if (say_failure(c, format, args))
        printf("\n");
    va_end(args);
}

void run_way(check *c, ifm_product p, const ifm_way *way)
{
    void *packed = NULL;
    if (way->pack) {
        const size_t bytes = way->packed_bytes(p.t, p.k1 - p.k0);
        packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
        way->pack(&p, 0, p.t, packed);
        p.packed = packed;
    }
    way->multiply(&p, c->scratch);
    free(packed);
}
