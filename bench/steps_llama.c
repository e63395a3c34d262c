/*
 * llama.cpp, to be timed by steps.c. Its own defaults (repacked weights, f16 cache, flash
 * attention where it chooses it, batches of 512 at once), but for the number of threads and
 * the room for the context. IFM_FLASH=0 or 1 forces flash attention off or on.
 */
#include <stdio.h>
#include <stdlib.h>

#include <llama.h>
#include "steps.h"

static struct {
    struct llama_model *model;
    struct llama_context *context;
} engine;

static void be_quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR || getenv("IFM_VERBOSE"))
        fputs(text, stderr);
}

int engine_open(const char *model, int threads, int positions)
{
    llama_log_set(be_quiet, NULL);
    llama_backend_init();
    engine.model = llama_model_load_from_file(model, llama_model_default_params());
    if (engine.model == NULL)
        steps_die("llama.cpp cannot load the model");
    struct llama_context_params params = llama_context_default_params();
    const char *flash = getenv("IFM_FLASH");
    if (flash)
        params.flash_attn_type =
            atoi(flash) ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.n_ctx = (uint32_t)positions;
    params.n_batch = params.n_ubatch = 512;
    params.n_threads = params.n_threads_batch = threads;
    engine.context = llama_init_from_model(engine.model, params);
    if (engine.context == NULL)
        steps_die("llama.cpp cannot make a context");
    return llama_vocab_n_tokens(llama_model_get_vocab(engine.model));
}

const float *engine_eval(const int32_t *ids, int n)
{
    /* llama_batch_get_one takes no const, and changes nothing. A call takes n_batch at most. */
    for (int done = 0; done < n; done += 512) {
        struct llama_batch batch =
            llama_batch_get_one((int32_t *)ids + done, n - done < 512 ? n - done : 512);
        if (llama_decode(engine.context, batch) != 0)
            steps_die("llama_decode failed");
    }
    return llama_get_logits_ith(engine.context, -1);
}

void engine_truncate(int n)
{
    llama_memory_seq_rm(llama_get_memory(engine.context), -1, n, -1);
}

void engine_close(void)
{
    llama_free(engine.context);
    llama_model_free(engine.model);
}
