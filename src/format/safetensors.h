/* One safetensors file → its tensors. The file of several shards is weights.c's concern. */
#ifndef IFM_FORMAT_SAFETENSORS_H
#define IFM_FORMAT_SAFETENSORS_H

#include "format/tensor_list.h"

/* Appends the tensors of the file bytes `mapping`, called `file` in messages and in the
 * tensors (both borrowed by the tensors), after checking all of them: header length, JSON,
 * types, shapes, offsets, that the tensors fill the file without overlap or hole. On an
 * error the list may have grown; the caller releases it all the same. Errors: FORMAT,
 * LIMIT, UNSUPPORTED, NO_MEMORY. */
ifm_status ifm_safetensors_parse(const ifm_mapping *mapping, const char *file,
                                 ifm_tensor_list *list, ifm_error *err);

#endif
