/* Our own engine through its public interface, to be timed by steps.c. */
#include <inferometer/inferometer.h>

#include "steps.h"

static struct {
    ifm_model *model;
    ifm_session *session;
} engine;

int engine_open(const char *model, int threads, int positions)
{
    ifm_error err;
    if (ifm_model_open(model, NULL, &engine.model, &err) != IFM_OK)
        steps_die(err.message);
    const ifm_session_options options = {.positions = positions, .threads = threads};
    if (ifm_session_new(engine.model, &options, &engine.session, &err) != IFM_OK)
        steps_die(err.message);
    return ifm_model_describe(engine.model)->n_vocab;
}

const float *engine_eval(const int32_t *ids, int n)
{
    ifm_error err;
    const float *logits;
    if (ifm_session_eval(engine.session, ids, n, &logits, &err) != IFM_OK)
        steps_die(err.message);
    return logits;
}

void engine_truncate(int n)
{
    ifm_session_truncate(engine.session, n);
}

void engine_close(void)
{
    ifm_session_free(engine.session);
    ifm_model_close(engine.model);
}
