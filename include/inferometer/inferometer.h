/*
 * libinferometer: run a language model on the CPU, and know where the time goes.
 *
 *     base.h       errors, time
 *     model.h      open a model, evaluate a sequence
 *     tokenizer.h  text ↔ token ids
 *     generate.h   a request, streamed to the thread that called
 *     measure.h    trace → TTFT, E2EL, generation time, TPOT, ITL
 *
 * examples/first_token.c uses all of it in under 60 lines.
 */
#ifndef INFEROMETER_INFEROMETER_H
#define INFEROMETER_INFEROMETER_H

#include "inferometer/base.h"
#include "inferometer/generate.h"
#include "inferometer/measure.h"
#include "inferometer/model.h"
#include "inferometer/tokenizer.h"

#define IFM_VERSION "0.1.0"

#endif
