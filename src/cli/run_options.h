/* Options that `run` and `sweep` share, for their tables: whoever adds one here gives it to
 * both. */
#ifndef IFM_CLI_RUN_OPTIONS_H
#define IFM_CLI_RUN_OPTIONS_H

#include "cli/command.h"

/* A table's rows stand below each other, which clang-format undoes in a macro. */
/* clang-format off */

/* When a request ends. */
#define IFM_RUN_END_OPTIONS(heading)                                            \
    {"ignore-eos", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,               \
     "go on after the model's end-of-text token"},                              \
    {"stop", 0, IFM_OPTION_LIST, "TEXT", 0, 0, NULL, heading,                   \
     "end when this text appears; may be repeated"}

/* How many requests are warm, and those before them. */
#define IFM_RUN_WARM_OPTIONS(heading)                                           \
    {"warmup", 0, IFM_OPTION_INT, "N", 0, 10000, "2", heading,                  \
     "requests between cold and warm that are recorded but not counted"},       \
    {"warm", 0, IFM_OPTION_INT, "N", 0, 100000, "30", heading,                  \
     "warm starts: requests to a process that has the model loaded"}

/* What every request is watched for. */
#define IFM_RUN_WATCH_OPTIONS(heading)                                            \
    {"page-cache", 0, IFM_OPTION_CHOICE, "keep|evict", 0, 0, "keep", heading,     \
     "whether the model's files are dropped from memory before each cold start"}, \
    {"timeout", 0, IFM_OPTION_INT, "S", 1, 1000000, "600", heading,               \
     "seconds after which a request counts as hung"}

/* Where and how it is computed. */
#define IFM_RUN_ENGINE_OPTIONS(heading)                                                    \
    {"device", 0, IFM_OPTION_CHOICE, "cpu|mps|cuda", 0, 0, NULL, heading,                  \
     "where transformers computes (default: cpu)"},                                        \
    {"python", 0, IFM_OPTION_STRING, "PATH", 0, 0, NULL, heading,                          \
     "the Python that has torch and transformers (default: $IFM_PYTHON, else python3)"},   \
    {"load", 0, IFM_OPTION_CHOICE, "lazy|eager", 0, 0, "lazy", heading,                    \
     "read weights when they are first needed, or all of them while loading"},             \
    {"exact", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,                               \
     "compute with quantized weights as if they were f32: activations are not rounded to " \
     "8 bits, nor keys and values to 16"},                                                 \
    {"kernels", 0, IFM_OPTION_STRING, "NAME", 0, 0, NULL, heading,                         \
     "instruction set: scalar, avx2, avx2-vnni, avx512, avx512-vnni, avx512-bf16, amx, "   \
     "neon, neon-dotprod, neon-i8mm; by default the best"}

/* How the next token is chosen. */
#define IFM_RUN_CHOICE_OPTIONS(heading)                                         \
    {"temperature", 0, IFM_OPTION_FLOAT, "T", 0, 100, "0", heading,             \
     "0 takes the likeliest"},                                                  \
    {"top-k", 0, IFM_OPTION_INT, "K", 0, 1000000, "0", heading,                 \
     "only the K likeliest; 0 for all"},                                        \
    {"top-p", 0, IFM_OPTION_FLOAT, "P", 0, 1, "1", heading,                     \
     "only the likeliest that make up this probability"},                       \
    {"min-p", 0, IFM_OPTION_FLOAT, "P", 0, 1, "0", heading,                     \
     "only those with this share of the likeliest one's probability"},          \
    {"repetition-penalty", 0, IFM_OPTION_FLOAT, "R", 0.01, 100, "1", heading,   \
     "over 1 makes what was there before less likely"},                         \
    {"seed", 0, IFM_OPTION_INT, "N", 0, 9007199254740991, "0", heading,         \
     "of the random numbers"}

/* clang-format on */

#endif
