/*
 * llama.cpp's own quantizer, so that all read the same file:
 *     quantize_llama IN.gguf OUT.gguf f32|q8_0|q4_0|… [mixed]
 * Every matrix gets that type (f32: what quantized ones mean exactly); mixed: as llama.cpp
 * mixes the types by itself, which gives a q4_0 file with tied embeddings a q6_K head.
 */
#include <stdio.h>
#include <string.h>

#include <llama.h>

static const struct {
    const char *name;
    enum llama_ftype ftype;
} types[] = {
    {"f32", LLAMA_FTYPE_ALL_F32},        {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},   {"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
    {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},   {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},
    {"q2_K", LLAMA_FTYPE_MOSTLY_Q2_K},   {"q3_K", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"q4_K", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"q5_K", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"q6_K", LLAMA_FTYPE_MOSTLY_Q6_K},
};

int main(int argc, char **argv)
{
    if (argc < 4)
        return fputs("usage: quantize_llama IN OUT TYPE [mixed]\n", stderr), 2;
    llama_backend_init();
    struct llama_model_quantize_params params = llama_model_quantize_default_params();
    params.pure = argc < 5;
    params.nthread = 1;
    params.allow_requantize = true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(argv[3], types[i].name) == 0) {
            params.ftype = types[i].ftype;
            return llama_model_quantize(argv[1], argv[2], &params) != 0;
        }
    return fputs("quantize_llama: no such type\n", stderr), 2;
}
