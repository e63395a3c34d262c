/*
 * checkkern: every function of every table of kernels against the scalar one, and how fast
 * it is, in one program (the idea is dav1d's checkasm).
 *
 * A check runs a function of the reference table and of the tested one on the same random
 * input, at sizes around every edge, and compares; outputs lie between guards that nobody
 * may touch.
 */
#ifndef IFM_CHECKKERN_CHECK_H
#define IFM_CHECKKERN_CHECK_H

#include "base/random.h"
#include "kern/kern.h"

typedef struct check {
    const ifm_kern *reference, *tested;
    ifm_random random;
    void *scratch; /* of tested->scratch_bytes */
    int n_checked, n_failed;
} check;

enum { GUARD = 32 }; /* floats before and behind an output */

/* A heap array of n random floats, standard normal times scale; never NULL (exits). */
float *random_floats(check *c, int64_t n, float scale);

/* n random numbers of a type, at an odd address, as files may hold them. Free with
 * free_numbers. */
unsigned char *random_numbers(check *c, int64_t n, ifm_dtype dtype, float scale);
void free_numbers(unsigned char *numbers);

/* An output of n floats between guards, filled with a value that no result has. */
float *guarded_new(int64_t n);
void guarded_free(float *x);
bool guards_intact(const float *x, int64_t n);

/* Counts one comparison: |a - b| ≤ absolute + relative |a| everywhere, guards of b intact;
 * says what differed. */
void compare(check *c, const float *a, const float *b, int64_t n, double absolute,
             double relative, const char *format, ...) IFM_PRINTF(7, 8);

/* Counts and reports one yes or no. */
void expect(check *c, bool ok, const char *format, ...) IFM_PRINTF(3, 4);

/* Runs one way, with x packed when it wants that. */
void run_way(check *c, ifm_product p, const ifm_way *way);

void check_rows(check *c);
void check_products(check *c);
void check_quant(check *c);
void check_attention(check *c);

/* Prints time, bandwidth and arithmetic of each function of a table. */
void bench_table(const ifm_kern *table, const ifm_kern *scalar);

#endif
