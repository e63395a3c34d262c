/*
 * checkkern [--bench] [NAME]: compares all tables (or the one called NAME) with the scalar
 * one; with --bench times them as well. Exit code 1 when anything differed.
 * checkkern --choice: the table that this processor and IFM_KERNELS lead to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static int check_table(const ifm_kern *scalar, const ifm_kern *table)
{
    check c = {.reference = scalar, .tested = table};
    ifm_random_init(&c.random, 7);
    c.scratch = aligned_alloc(64, (table->scratch_bytes + 64) / 64 * 64);
    if (!c.scratch)
        return 1;
    check_rows(&c);
    check_products(&c);
    check_quant(&c);
    check_attention(&c);
    free(c.scratch);
    printf("%s: %d comparisons, %d failed\n", table->name, c.n_checked, c.n_failed);
    return c.n_failed > 0;
}

static int print_choice(void)
{
    const ifm_kern *table;
    ifm_error err;
    if (ifm_kernels_find(NULL, &table, &err) != IFM_OK) {
        fprintf(stderr, "checkkern: %s\n", err.message);
        return 1;
    }
    puts(table->name);
    return 0;
}

int main(int argc, char **argv)
{
    const ifm_kern *tables[IFM_KERN_MAX];
    const int n = ifm_kernels_available(tables, IFM_KERN_MAX);
    const char *only = NULL;
    bool bench = false;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--bench"))
            bench = true;
        else if (!strcmp(argv[i], "--choice"))
            return print_choice();
        else
            only = argv[i];
    }
    for (int i = 0; i < n; i++)
        if (!only || !strcmp(only, tables[i]->name)) {
            failed += check_table(tables[0], tables[i]);
            if (bench)
                bench_table(tables[i], tables[0]);
        }
    return failed > 0;
}
