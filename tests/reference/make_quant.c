/*
 * Writes what ggml itself makes of a few numbers in each quantized type, and of arbitrary
 * bytes: the reference of the decoders (README.md beside this file says how to run it).
 *
 *     make_quant DIRECTORY  →  DIRECTORY/input.json, DIRECTORY/<type>.json
 *
 * Every array is the hexadecimal of its bytes in memory, little-endian.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ggml.h>

enum { ROW = 256, ROWS = 4, VALUES = ROW * ROWS, MOST_BYTES = VALUES * 4 };

/* Where a block keeps its f16 scales, so that arbitrary bytes can have finite ones. */
typedef struct {
    const char *name;
    enum ggml_type type;
    int n_scales, scales[2];
} quant;

static const quant quants[] = {
    {"q8_0", GGML_TYPE_Q8_0, 1, {0}},    {"q4_0", GGML_TYPE_Q4_0, 1, {0}},
    {"q4_1", GGML_TYPE_Q4_1, 2, {0, 2}}, {"q5_0", GGML_TYPE_Q5_0, 1, {0}},
    {"q5_1", GGML_TYPE_Q5_1, 2, {0, 2}}, {"q2_K", GGML_TYPE_Q2_K, 2, {80, 82}},
    {"q3_K", GGML_TYPE_Q3_K, 1, {108}},  {"q4_K", GGML_TYPE_Q4_K, 2, {0, 2}},
    {"q5_K", GGML_TYPE_Q5_K, 2, {0, 2}}, {"q6_K", GGML_TYPE_Q6_K, 1, {208}},
};

static uint32_t random_bits(void)
{
    static uint64_t state = 20261124;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static float random_normal(void)
{
    float sum = 0; /* of twelve uniform numbers: near enough */
    for (int i = 0; i < 12; i++)
        sum += (float)random_bits() / 4294967296.0f;
    return sum - 6;
}

/* Weights as they are, and what breaks quantizers: zeros, one value only, one sign only,
 * an outlier, numbers so small that a scale is a subnormal f16. */
static void fill_input(float *x)
{
    for (int i = 0; i < VALUES; i++)
        x[i] = random_normal() * 0.05f;
    x[300] = -3.5f;
    for (int i = 512; i < 544; i++)
        x[i] = 0;
    for (int i = 544; i < 576; i++)
        x[i] = 0.03125f;
    for (int i = 576; i < 608; i++)
        x[i] = -fabsf(x[i]);
    for (int i = 608; i < 640; i++)
        x[i] = 0.1f + fabsf(x[i]);
    for (int i = 768; i < VALUES; i++)
        x[i] *= 2e-4f;
}

/* Finite, of both signs; every eighth is subnormal. */
static uint16_t random_scale(void)
{
    uint16_t exponent = (uint16_t)(random_bits() % 8 ? 5 + random_bits() % 12 : 0);
    return (uint16_t)((random_bits() & 0x83ff) | exponent << 10);
}

static void fill_bytes(const quant *q, uint8_t *bytes, size_t n)
{
    const size_t block = ggml_type_size(q->type);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)random_bits();
    for (size_t at = 0; at < n; at += block)
        for (int i = 0; i < q->n_scales; i++) {
            uint16_t scale = random_scale();
            memcpy(bytes + at + q->scales[i], &scale, sizeof scale);
        }
}

static void print_hex(FILE *f, const char *key, const void *data, size_t n,
                      const char *end)
{
    const uint8_t *bytes = data;
    fprintf(f, " \"%s\": \"", key);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%02x", bytes[i]);
    fprintf(f, "\"%s\n", end);
}

static FILE *create(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", directory, name);
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    return f;
}

static void write_type(const char *directory, const quant *q, const float *input)
{
    static uint8_t bytes[MOST_BYTES];
    static float values[VALUES];
    const struct ggml_type_traits *traits = ggml_get_type_traits(q->type);
    FILE *f = create(directory, q->name);
    fprintf(f, "{\n \"type\": \"%s\", \"ggml_type\": %d,\n", q->name, (int)q->type);
    fprintf(f, " \"block_values\": %d, \"block_bytes\": %zu, \"values\": %d,\n",
            (int)ggml_blck_size(q->type), ggml_type_size(q->type), VALUES);

    size_t n = ggml_quantize_chunk(q->type, input, bytes, 0, ROWS, ROW, NULL);
    traits->to_float(bytes, values, VALUES);
    print_hex(f, "quantized", bytes, n, ",");
    print_hex(f, "dequantized", values, sizeof values, ",");

    fill_bytes(q, bytes, n);
    traits->to_float(bytes, values, VALUES);
    print_hex(f, "random_bytes", bytes, n, ",");
    print_hex(f, "random_dequantized", values, sizeof values, "");
    fprintf(f, "}\n");
    fclose(f);
}

int main(int argc, char **argv)
{
    static float input[VALUES];
    if (argc != 2) {
        fputs("usage: make_quant DIRECTORY\n", stderr);
        return 2;
    }
    /* ggml fills its table of f16 values when a context is made. */
    ggml_free(ggml_init((struct ggml_init_params){.mem_size = 1024}));
    fill_input(input);
    FILE *f = create(argv[1], "input");
    fprintf(f, "{\n");
    print_hex(f, "input", input, sizeof input, "");
    fprintf(f, "}\n");
    fclose(f);
    for (size_t i = 0; i < sizeof quants / sizeof *quants; i++)
        write_type(argv[1], &quants[i], input);
    return 0;
}
