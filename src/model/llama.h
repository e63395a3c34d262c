/* The two halves of the Llama family: its tensors (llama_bind.c) and its pass (llama.c), which
 * ifm_llama_ops puts together. model/model.h says what each does. */
#ifndef IFM_MODEL_LLAMA_H
#define IFM_MODEL_LLAMA_H

#include "model/model.h"

ifm_status ifm_llama_bind(ifm_model *self, const ifm_tensor_source *source,
                          ifm_error *err);
void ifm_llama_unbind(ifm_model *self);

#endif
