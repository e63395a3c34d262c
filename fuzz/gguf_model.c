/* Fuzzes what a GGUF file says about a model: it is refused with a message, or it binds and
 * computes. What computes is bounded by the tensors that the file holds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "inferometer/model.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void compute(const ifm_model *model)
{
    const ifm_session_options options = {.positions = 1, .threads = 1};
    const int32_t id = ifm_model_describe(model)->n_vocab - 1;
    const float *logits;
    ifm_session *session;
    ifm_error err = {0};
    if (ifm_session_new(model, &options, &session, &err) != IFM_OK)
        return;
    require(ifm_session_eval(session, &id, 1, &logits, &err) == IFM_OK);
    ifm_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    ifm_model *model = NULL;
    ifm_error err = {0};
    const ifm_model_options options = {.kernels = "scalar"};
    const int fd = memfd_create("fuzz", 0);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ifm_status status = ifm_model_open(path, &options, &model, &err);
    require((status == IFM_OK) == (err.message[0] == '\0'));
    require(strchr(err.message, '\n') == NULL);
    if (status == IFM_OK)
        compute(model);
    ifm_model_close(model);
    close(fd);
    return 0;
}
