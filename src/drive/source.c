#include "drive/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "drive/synthetic.h"
#include "drive/talk.h"

enum { TURN_BITS = 12 }; /* of a synthetic prompt's number */

struct ifm_requests_source {
    ifm_source_options options;
    ifm_synthetic synthetic;
    bool has_synthetic; /* made-up prompts, or a trace that has only lengths */
    ifm_buffer text;    /* of the prompt that is being made */
};

void ifm_asked_deinit(ifm_asked *self)
{
    free(self->body);
    ifm_talk_free(self->talk);
    *self = (ifm_asked){0};
}

/* ---- the source ---------------------------------------------------------------------- */

/* Lengths can be kept only where no answers come in between. */
static ifm_status check(const ifm_prompt_file *file, ifm_error *err)
{
    for (size_t i = 0; file != NULL && file->made && i < file->n; i++)
        if (ifm_prompt_file_turns(file, i) > 1)
            return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                            "%s: a trace of lengths with conversations of several turns",
                            file->path);
    return IFM_OK;
}

ifm_status ifm_requests_source_new(const ifm_source_options *options,
                                   ifm_requests_source **out, ifm_error *err)
{
    ifm_status st = IFM_OK;
    ifm_requests_source *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompts: no memory");
    self->options = *options;
    st = check(options->file, err);
    if (st == IFM_OK && (options->file == NULL || options->file->made)) {
        st = ifm_synthetic_init(&self->synthetic, options->tokenizer, options->chat,
                                options->file == NULL ? options->shared_tokens : 0,
                                options->seed, err);
        self->has_synthetic = st == IFM_OK;
    }
    if (st == IFM_OK)
        *out = self;
    else
        ifm_requests_source_free(self);
    return st;
}

void ifm_requests_source_free(ifm_requests_source *self)
{
    if (self == NULL)
        return;
    if (self->has_synthetic)
        ifm_synthetic_deinit(&self->synthetic);
    ifm_buffer_deinit(&self->text);
    free(self);
}

int64_t ifm_requests_source_count(const ifm_requests_source *self)
{
    return self->options.file != NULL ? (int64_t)self->options.file->n : 0;
}

const int64_t *ifm_requests_source_times(const ifm_requests_source *self)
{
    return self->options.file != NULL ? self->options.file->times : NULL;
}

bool ifm_requests_source_unique(const ifm_requests_source *self)
{
    const ifm_source_options *o = &self->options;
    return o->file == NULL && o->shared_tokens == 0 && o->turns <= 1;
}

/* ---- turns --------------------------------------------------------------------------- */

/* What a person says next. Text and messages are borrowed from the source or the item. */
typedef struct said {
    const char *text;
    size_t n;
    const json_t *messages; /* NULL: text */
    int32_t input_tokens;   /* -1 */
    int32_t output_tokens;  /* -1 */
    int64_t delay_ns;
} said;

static size_t conversation_of(const ifm_requests_source *self, int64_t number)
{
    return (size_t)((uint64_t)number % self->options.file->n);
}

/* A recorded conversation is asked once, as others do, unless --turns says more. */
static int32_t turns_in(const ifm_source_options *o, size_t conversation)
{
    const int32_t n = ifm_prompt_file_turns(o->file, conversation);
    if (o->turns == 0 && o->file->recorded)
        return 1;
    return o->turns > 0 && o->turns < n ? o->turns : n;
}

static int32_t turns_of(const ifm_requests_source *self, int64_t number)
{
    const ifm_source_options *o = &self->options;
    if (o->file != NULL)
        return turns_in(o, conversation_of(self, number));
    return o->turns > 0 ? o->turns : 1;
}

int64_t ifm_source_requests(const ifm_source_options *options)
{
    int64_t n = 0;
    for (size_t i = 0; i < options->file->n; i++)
        n += turns_in(options, i);
    return n;
}

/* One stream of random numbers for the lengths of each turn, and one for its words. */
static uint64_t key_of(int64_t number, int32_t turn)
{
    return ((uint64_t)number << TURN_BITS) + (uint64_t)turn;
}

static int32_t draw(const ifm_requests_source *self, const ifm_lengths *lengths,
                    uint64_t key, uint64_t what)
{
    ifm_random random;
    ifm_random_init(&random, ifm_synthetic_seed(self->options.seed + what, key));
    return ifm_lengths_draw(lengths, &random);
}

static ifm_status say_synthetic(ifm_requests_source *self, int64_t number, int32_t turn,
                                said *out, ifm_error *err)
{
    const ifm_source_options *o = &self->options;
    const uint64_t key = key_of(number, turn);
    const int64_t n =
        draw(self, &o->input, key, 1) + (turn == 0 ? self->synthetic.shared_tokens : 0);
    const ifm_status st = ifm_synthetic_make(
        &self->synthetic, o->turns > 1 ? key : (uint64_t)number, n, &self->text, err);
    /* What a server counts of a conversation's later turns also depends on its answers. */
    *out = (said){
        .text = ifm_buffer_text(&self->text),
        .n = self->text.length,
        .input_tokens = turn == 0 ? (int32_t)n : -1,
        .output_tokens = draw(self, &o->output, key, 2),
        .delay_ns = o->think_ns > 0 ? o->think_ns : 0,
    };
    return st;
}

/* As much as was answered when the conversation was recorded. */
static ifm_status recorded_tokens(const ifm_requests_source *self,
                                  const ifm_item_turn *turn, int32_t *tokens,
                                  ifm_error *err)
{
    int32_t *ids = NULL;
    size_t n = 0;
    const ifm_status st =
        ifm_tokenizer_encode(self->options.tokenizer, turn->answer, turn->n_answer,
                             IFM_ENCODE_PLAIN, &ids, &n, err);
    free(ids);
    if (st == IFM_OK && n > 0)
        *tokens = (int32_t)n;
    return st;
}

static ifm_status say_from_file(ifm_requests_source *self, int64_t number, int32_t turn,
                                const ifm_item *item, size_t index, said *out,
                                ifm_error *err)
{
    const ifm_source_options *o = &self->options;
    const ifm_item_turn *t = &item->turns[index];
    ifm_status st = IFM_OK;
    *out = (said){
        .text = t->text,
        .n = t->n,
        .messages = t->messages,
        .input_tokens = -1,
        .output_tokens = draw(self, &o->output, key_of(number, turn), 2),
        .delay_ns = o->think_ns >= 0 ? o->think_ns : t->delay_ns,
    };
    if (out->delay_ns < 0)
        out->delay_ns = 0;
    if (!o->output_given && t->output_tokens > 0)
        out->output_tokens = t->output_tokens;
    else if (!o->output_given && t->answer != NULL && o->tokenizer != NULL)
        st = recorded_tokens(self, t, &out->output_tokens, err);
    if (st != IFM_OK || item->input_tokens == 0)
        return st;
    st = ifm_synthetic_blocks(&self->synthetic, item->hashes, (uint64_t)number,
                              item->input_tokens, &self->text, err);
    out->text = ifm_buffer_text(&self->text);
    out->n = self->text.length;
    out->input_tokens = item->input_tokens;
    return st;
}

/* ---- bodies -------------------------------------------------------------------------- */

static ifm_status make_body(const ifm_requests_source *self, const ifm_talk *talk,
                            const said *turn, ifm_asked *out, ifm_error *err)
{
    const ifm_source_options *o = &self->options;
    char *prompt = NULL;
    size_t n = 0;
    ifm_body body = {
        .chat = o->chat,
        .stream = o->stream,
        .model = o->model,
        .max_tokens = turn->output_tokens > 0 ? turn->output_tokens : 0,
        .sampling = o->sampling,
        .ignore_eos = o->ignore_eos,
        .extra = o->extra,
    };
    ifm_status st = IFM_OK;
    if (o->chat) {
        body.messages = talk->messages;
        body.n_messages = talk->n;
    } else {
        st = ifm_talk_as_text(talk, &prompt, &n, err);
        body.prompt = prompt;
        body.n_prompt = n;
    }
    if (st == IFM_OK)
        st = ifm_body_make(&body, &out->body, &out->n_body, err);
    free(prompt);
    return st;
}

/* The turn that `talk` is at; the talk goes into *out unless that was the last. */
static ifm_status ask(ifm_requests_source *self, ifm_talk *talk, ifm_asked *out,
                      ifm_error *err)
{
    const int64_t number = talk->number;
    const int32_t turn = talk->turn;
    ifm_item item = {0};
    size_t index = 0;
    said now;
    ifm_status st;
    if (self->options.file == NULL) {
        st = say_synthetic(self, number, turn, &now, err);
    } else {
        st = ifm_prompt_file_read(self->options.file, conversation_of(self, number), turn,
                                  &item, &index, err);
        if (st == IFM_OK)
            st = say_from_file(self, number, turn, &item, index, &now, err);
    }
    if (st == IFM_OK)
        st = now.messages != NULL ? ifm_talk_add_messages(talk, now.messages, err)
                                  : ifm_talk_add(talk, "user", now.text, now.n, err);
    *out = (ifm_asked){.number = number, .turn = turn};
    if (st == IFM_OK)
        st = make_body(self, talk, &now, out, err);
    if (st == IFM_OK) {
        out->input_tokens = now.input_tokens;
        out->output_tokens = now.output_tokens;
        out->delay_ns = now.delay_ns;
    }
    ifm_item_deinit(&item);
    if (st == IFM_OK && ++talk->turn < turns_of(self, number))
        out->talk = talk;
    else
        ifm_talk_free(talk);
    return st;
}

ifm_status ifm_requests_source_first(ifm_requests_source *self, int64_t number,
                                     ifm_asked *out, ifm_error *err)
{
    ifm_talk *talk = calloc(1, sizeof *talk);
    if (talk == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompts: no memory");
    talk->number = number;
    return ask(self, talk, out, err);
}

ifm_status ifm_requests_source_next(ifm_requests_source *self, ifm_talk *talk,
                                    const char *answer, size_t n_answer, ifm_asked *out,
                                    ifm_error *err)
{
    const ifm_status st = ifm_talk_add(talk, "assistant", answer, n_answer, err);
    if (st != IFM_OK) {
        ifm_talk_free(talk);
        return st;
    }
    return ask(self, talk, out, err);
}
