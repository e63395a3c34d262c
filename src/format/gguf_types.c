/* Numbers and sizes of blocks are facts of the format: ggml.h (enum ggml_type) and
 * ggml-common.h (the static assertions on block sizes). Numbers that are missing here
 * belonged to types which were taken back, or to ones that no file holds. */
#include "format/gguf_types.h"

static const ifm_gguf_tensor_type types[] = {
    {"F32", 0, 1, 4, IFM_DTYPE_F32},           {"F16", 1, 1, 2, IFM_DTYPE_F16},
    {"Q4_0", 2, 32, 18, IFM_DTYPE_Q4_0},       {"Q4_1", 3, 32, 20, IFM_DTYPE_Q4_1},
    {"Q5_0", 6, 32, 22, IFM_DTYPE_Q5_0},       {"Q5_1", 7, 32, 24, IFM_DTYPE_Q5_1},
    {"Q8_0", 8, 32, 34, IFM_DTYPE_Q8_0},       {"Q8_1", 9, 32, 36, IFM_DTYPE_COUNT},
    {"Q2_K", 10, 256, 84, IFM_DTYPE_Q2_K},     {"Q3_K", 11, 256, 110, IFM_DTYPE_Q3_K},
    {"Q4_K", 12, 256, 144, IFM_DTYPE_Q4_K},    {"Q5_K", 13, 256, 176, IFM_DTYPE_Q5_K},
    {"Q6_K", 14, 256, 210, IFM_DTYPE_Q6_K},    {"Q8_K", 15, 256, 292, IFM_DTYPE_COUNT},
    {"IQ2_XXS", 16, 256, 66, IFM_DTYPE_COUNT}, {"IQ2_XS", 17, 256, 74, IFM_DTYPE_COUNT},
    {"IQ3_XXS", 18, 256, 98, IFM_DTYPE_COUNT}, {"IQ1_S", 19, 256, 50, IFM_DTYPE_COUNT},
    {"IQ4_NL", 20, 32, 18, IFM_DTYPE_COUNT},   {"IQ3_S", 21, 256, 110, IFM_DTYPE_COUNT},
    {"IQ2_S", 22, 256, 82, IFM_DTYPE_COUNT},   {"IQ4_XS", 23, 256, 136, IFM_DTYPE_COUNT},
    {"I8", 24, 1, 1, IFM_DTYPE_COUNT},         {"I16", 25, 1, 2, IFM_DTYPE_COUNT},
    {"I32", 26, 1, 4, IFM_DTYPE_COUNT},        {"I64", 27, 1, 8, IFM_DTYPE_COUNT},
    {"F64", 28, 1, 8, IFM_DTYPE_COUNT},        {"IQ1_M", 29, 256, 56, IFM_DTYPE_COUNT},
    {"BF16", 30, 1, 2, IFM_DTYPE_BF16},        {"TQ1_0", 34, 256, 54, IFM_DTYPE_COUNT},
    {"TQ2_0", 35, 256, 66, IFM_DTYPE_COUNT},   {"MXFP4", 39, 32, 17, IFM_DTYPE_COUNT},
    {"NVFP4", 40, 64, 36, IFM_DTYPE_COUNT},    {"Q1_0", 41, 128, 18, IFM_DTYPE_COUNT},
    {"Q2_0", 42, 64, 18, IFM_DTYPE_COUNT},
};

enum { N_TYPES = sizeof types / sizeof types[0] };

const ifm_gguf_tensor_type *ifm_gguf_type_of_number(uint32_t number)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].number == number)
            return &types[i];
    return NULL;
}

uint32_t ifm_gguf_number_of(ifm_dtype dtype)
{
    size_t i = 0;
    while (i < N_TYPES - 1 && types[i].dtype != dtype)
        i++;
    return types[i].number;
}
