#include "result/export.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

static const ifm_export exports[] = {
    {"vllm", IFM_EXPORT_LOAD, false, ifm_export_vllm},
    {"aiperf", IFM_EXPORT_LOAD, false, ifm_export_aiperf},
    {"llama-bench", IFM_EXPORT_RUN, true, ifm_export_llama_bench},
};
enum { N_EXPORTS = sizeof exports / sizeof *exports };

const ifm_export *ifm_export_find(const char *name, size_t length, ifm_export_of of,
                                  ifm_error *err)
{
    ifm_buffer known = {0};
    for (size_t i = 0; i < N_EXPORTS; i++) {
        const ifm_export *e = &exports[i];
        const bool fits = (e->of & of) != 0;
        if (fits && strlen(e->name) == length && memcmp(e->name, name, length) == 0) {
            ifm_buffer_deinit(&known);
            return e;
        }
        if (fits)
            ifm_buffer_printf(&known, "%s%s=FILE", known.length > 0 ? ", " : "", e->name);
    }
    ifm_fail(err, IFM_ERR_ARGUMENT,
             "--export %.*s: no such format here, expected one of: %s", (int)length, name,
             ifm_buffer_text(&known));
    ifm_buffer_deinit(&known);
    return NULL;
}
