#include "target/scripted.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

typedef struct scripted {
    ifm_target target;
    const ifm_script_line *lines;
    size_t n, at;
} scripted;

static ifm_status play_tokens(const ifm_script_line *line, ifm_record *record)
{
    record->token_ns = calloc(line->n_tokens + 1, sizeof *record->token_ns);
    record->output_ids = calloc(line->n_tokens + 1, sizeof *record->output_ids);
    record->text = strdup("");
    record->finish_reason = strdup("length");
    if (record->token_ns == NULL || record->output_ids == NULL || record->text == NULL ||
        record->finish_reason == NULL)
        return IFM_ERR_NO_MEMORY;
    for (size_t i = 0; i < line->n_tokens; i++)
        record->token_ns[i] = line->token_ns[i];
    record->n_tokens = line->n_tokens;
    record->phases_ns[IFM_PHASE_OTHER] = line->n_tokens > 0 ? line->token_ns[0] : 0;
    record->ok = true;
    return IFM_OK;
}

static ifm_status request_scripted(ifm_target *target, const ifm_target_request *request,
                                   ifm_start start, ifm_record *record, ifm_error *err)
{
    (void)request;
    scripted *self = (scripted *)target;
    if (self->at == self->n)
        return ifm_fail(err, IFM_ERR_LIMIT, "script: has only %zu lines", self->n);
    const ifm_script_line *line = &self->lines[self->at++];
    if (line->start != start)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "script: line %zu is %s, asked was %s",
                        self->at, ifm_start_name(line->start), ifm_start_name(start));
    if (line->status != IFM_OK)
        return ifm_fail(err, line->status, "script: line %zu fails", self->at);
    return play_tokens(line, record);
}

static void free_scripted(ifm_target *target)
{
    free(target);
}

static const ifm_target_ops scripted_ops = {request_scripted, free_scripted};

ifm_status ifm_scripted_new(const ifm_script_line *lines, size_t n,
                            ifm_target_facts *facts, ifm_target **out, ifm_error *err)
{
    scripted *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "scripted target: no memory");
    *self = (scripted){{.ops = &scripted_ops, .facts = facts}, lines, n, 0};
    *out = &self->target;
    return IFM_OK;
}
