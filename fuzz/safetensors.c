/* Fuzzes the reader of weight files: any bytes are either refused with a message or become
 * tensors that lie inside the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ifm_mapping mapping = {data, size};
    ifm_tensor_list list = {0};
    ifm_error err = {0};
    ifm_status status = ifm_safetensors_parse(&mapping, "fuzz", &list, &err);
    if ((status == IFM_OK) != (err.message[0] == '\0') ||
        strchr(err.message, '\n') != NULL)
        abort();
    for (size_t i = 0; status == IFM_OK && i < list.count; i++) {
        const ifm_tensor *tensor = &list.entries[i].tensor;
        const uint8_t *begin = tensor->data;
        if (begin < data || tensor->n_bytes > size - (size_t)(begin - data))
            abort();
        (void)ifm_tensor_count_nonfinite(tensor);
    }
    ifm_tensor_list_deinit(&list);
    return 0;
}
