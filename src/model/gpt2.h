/* The two halves of GPT-2: its tensors (gpt2_bind.c) and its forward pass (gpt2.c), which
 * ifm_gpt2_ops puts together. model/model.h says what each does. */
#ifndef IFM_MODEL_GPT2_H
#define IFM_MODEL_GPT2_H

#include "model/model.h"

ifm_status ifm_gpt2_bind(ifm_model *self, const ifm_tensor_source *source,
                         ifm_error *err);
void ifm_gpt2_unbind(ifm_model *self);

#endif
