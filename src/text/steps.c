/* What a lexicon knows besides words: steps, scores, affixes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/lexicon.h"
#include "text/pattern.h"
#include "text/rewrite.h"

static bool keep(ifm_lexicon *self, const char *bytes, size_t n, uint32_t *start,
                 uint32_t *length)
{
    if (n > UINT32_MAX || self->text.length > UINT32_MAX - n)
        return false;
    *start = (uint32_t)self->text.length;
    *length = (uint32_t)n;
    ifm_buffer_append(&self->text, bytes, n);
    return !self->text.failed;
}

/* The pattern in the words of whoever looks for it. */
static ifm_status translate(const ifm_lexicon_step *step, ifm_buffer *pattern,
                            ifm_error *err)
{
    bool literal = (step->flags & IFM_STEP_LITERAL) != 0;
    if (!literal && (step->kind == IFM_STEP_SPLIT || step->kind == IFM_STEP_REPLACE))
        return ifm_pattern_translate(step->pattern, step->n_pattern, pattern, err);
    if (step->kind == IFM_STEP_SPLIT)
        ifm_pattern_quote(step->pattern, step->n_pattern, pattern);
    else if (step->n_pattern > 0)
        ifm_buffer_append(pattern, step->pattern, step->n_pattern);
    return IFM_OK;
}

/* That it compiles is known now, when the file's name can still be said. */
static ifm_status try_pattern(const ifm_text_step *step, const char *strings,
                              ifm_error *err)
{
    ifm_splitter splitter;
    if (!ifm_rewrite_has_pattern(step))
        return IFM_OK;
    ifm_status st =
        ifm_splitter_init(&splitter, strings + step->pattern, step->n_pattern, err);
    ifm_splitter_deinit(&splitter);
    return st;
}

ifm_status ifm_lexicon_add_step(ifm_lexicon *self, const ifm_lexicon_step *step,
                                ifm_error *err)
{
    ifm_text_rules *rules = &self->rules;
    if (rules->n_steps == IFM_MAX_STEPS)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "more than %d normalizers and pre-tokenizers", IFM_MAX_STEPS);
    ifm_buffer pattern = {0};
    ifm_text_step *made = &rules->steps[rules->n_steps];
    *made = (ifm_text_step){.kind = (uint8_t)step->kind,
                            .flags = (uint8_t)step->flags,
                            .behavior = (uint8_t)step->behavior};
    ifm_status st = translate(step, &pattern, err);
    if (st == IFM_OK &&
        (pattern.failed ||
         !keep(self, pattern.data, pattern.length, &made->pattern, &made->n_pattern) ||
         !keep(self, step->with, step->n_with, &made->with, &made->n_with)))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the tokenizer");
    if (st == IFM_OK)
        st = try_pattern(made, ifm_buffer_text(&self->text), err);
    if (st == IFM_OK)
        rules->n_steps++;
    ifm_buffer_deinit(&pattern);
    return st;
}

ifm_status ifm_lexicon_add_split(ifm_lexicon *self, const char *expression,
                                 ifm_error *err)
{
    return ifm_lexicon_add_step(self,
                                &(ifm_lexicon_step){.kind = IFM_STEP_SPLIT,
                                                    .pattern = expression,
                                                    .n_pattern = strlen(expression)},
                                err);
}

static bool is_prefix_space(const ifm_lexicon *self, const ifm_text_step *step)
{
    return step->kind == IFM_STEP_PREFIX && step->n_with == 1 &&
           self->text.data[step->with] == ' ';
}

ifm_status ifm_lexicon_set_prefix_space(ifm_lexicon *self, bool wanted, ifm_error *err)
{
    ifm_text_rules *rules = &self->rules;
    for (int i = rules->n_normal; i < rules->n_steps; i++) {
        if (!is_prefix_space(self, &rules->steps[i]))
            continue;
        if (wanted)
            return IFM_OK;
        rules->n_steps--;
        memmove(&rules->steps[i], &rules->steps[i + 1],
                (size_t)(rules->n_steps - i) * sizeof *rules->steps);
        return IFM_OK;
    }
    if (!wanted)
        return IFM_OK;
    const ifm_lexicon_step space = {
        .kind = IFM_STEP_PREFIX, .flags = IFM_STEP_UNLESS, .with = " ", .n_with = 1};
    ifm_status st = ifm_lexicon_add_step(self, &space, err);
    if (st != IFM_OK)
        return st;
    ifm_text_step made = rules->steps[rules->n_steps - 1];
    memmove(&rules->steps[rules->n_normal + 1], &rules->steps[rules->n_normal],
            (size_t)(rules->n_steps - 1 - rules->n_normal) * sizeof *rules->steps);
    rules->steps[rules->n_normal] = made;
    return IFM_OK;
}

ifm_status ifm_lexicon_add_affix(ifm_lexicon *self, bool behind, int64_t id,
                                 ifm_error *err)
{
    uint8_t *n = behind ? &self->rules.n_suffix : &self->rules.n_prefix;
    if (id < 0 || (uint64_t)id >= self->n_tokens)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "its token has the id %lld, expected 0 to %zu", (long long)id,
                        self->n_tokens - 1);
    if (*n == IFM_MAX_AFFIXES)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED, "more than %d tokens %s a text",
                        IFM_MAX_AFFIXES, behind ? "behind" : "in front of");
    (behind ? self->rules.suffix : self->rules.prefix)[(*n)++] = (int32_t)id;
    return IFM_OK;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int compare_scored(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

ifm_status ifm_lexicon_set_scores(ifm_lexicon *self, const float *scores, ifm_error *err)
{
    size_t n = self->n_tokens;
    scored *sorted = malloc((n + 1) * sizeof *sorted);
    self->ranks = malloc((n + 1) * sizeof *self->ranks);
    if (sorted == NULL || self->ranks == NULL) {
        free(sorted);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the tokenizer");
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = (scored){isnan(scores[i]) ? -INFINITY : scores[i], (uint32_t)i};
    qsort(sorted, n, sizeof *sorted, compare_scored);
    /* Equal scores have equal ranks: then the leftmost pair merges first. */
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && sorted[i].score != sorted[i - 1].score)
            rank = (uint32_t)i;
        self->ranks[sorted[i].id] = rank;
    }
    free(sorted);
    self->n_ranks = n;
    self->rules.by_score = true;
    return IFM_OK;
}
