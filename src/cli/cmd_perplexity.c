/* inferometer perplexity: what a model's speed costs in quality. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "hub/resolve.h"
#include "inferometer/tokenizer.h"
#include "measure/statistics.h"
#include "model/perplexity.h"
#include "os/file.h"
#include "result/fields.h"

enum { TEXT_LIMIT = INT32_MAX, USUAL_CONTEXT = 512 };

/* Everything that one invocation holds. */
typedef struct subject {
    const ifm_arguments *arguments;
    ifm_model *model, *reference;
    ifm_buffer text;
    int32_t *ids;
    size_t n_ids;
    int32_t bos_id, context;
    double bytes; /* of the scored tokens */
    ifm_perplexity scores;
    ifm_stats nll, divergence;
    ifm_output json;
    ifm_progress progress;
} subject;

static ifm_status open_model(const char *name, ifm_model **model, char **path,
                             ifm_error *err)
{
    ifm_status st = ifm_hub_resolve(name, path, err);
    return st == IFM_OK ? ifm_model_open(*path, NULL, model, err) : st;
}

static ifm_status read_text(subject *self, ifm_error *err)
{
    const char *path = ifm_arguments_string(self->arguments, "file");
    char *data = NULL;
    size_t n = 0;
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "no text: name a file with -f FILE, or -f - for standard input");
    if (strcmp(path, "-") == 0)
        return ifm_read_stdin(&self->text, TEXT_LIMIT, err);
    ifm_status st = ifm_file_read(path, TEXT_LIMIT, &data, &n, err);
    if (st == IFM_OK)
        ifm_buffer_append(&self->text, data, n);
    free(data);
    if (self->text.failed)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    return st;
}

/* As llama.cpp does: BOS by the model's rule, special tokens in the text are mere text. */
static ifm_status encode(subject *self, const char *path, ifm_error *err)
{
    ifm_tokenizer *tokenizer = NULL;
    int32_t *first = NULL;
    size_t n_first = 0;
    self->bos_id = -1;
    ifm_status st = ifm_tokenizer_open(path, NULL, &tokenizer, err);
    if (st == IFM_OK)
        st = ifm_tokenizer_encode(tokenizer, ifm_buffer_text(&self->text),
                                  self->text.length, IFM_ENCODE_BOS, &self->ids,
                                  &self->n_ids, err);
    if (st == IFM_OK)
        st =
            ifm_tokenizer_encode(tokenizer, "", 0, IFM_ENCODE_BOS, &first, &n_first, err);
    if (st == IFM_OK && n_first > 0)
        self->bos_id = first[0];
    const int32_t context = self->context;
    const size_t whole = self->n_ids / (size_t)context * (size_t)context;
    const int64_t chunks = ifm_arguments_int(self->arguments, "chunks");
    for (size_t i = 0; st == IFM_OK && i < whole; i++) {
        size_t n;
        ifm_tokenizer_bytes(tokenizer, self->ids[i], &n);
        if (chunks > 0 && i / (size_t)context >= (size_t)chunks)
            break;
        if (i % (size_t)context > (size_t)context / 2)
            self->bytes += (double)n;
    }
    free(first);
    ifm_tokenizer_close(tokenizer);
    return st;
}

static bool on_chunk(void *arg, int64_t chunk, int64_t chunks)
{
    char text[64];
    snprintf(text, sizeof text, "scoring: chunk %" PRId64 " of %" PRId64, chunk, chunks);
    ifm_progress_say(arg, text);
    return !ifm_interrupt_happened();
}

static int32_t context_of(const subject *self)
{
    const int32_t most = ifm_model_describe(self->model)->n_positions;
    if (ifm_arguments_given(self->arguments, "context"))
        return (int32_t)ifm_arguments_int(self->arguments, "context");
    return most < USUAL_CONTEXT ? most : USUAL_CONTEXT;
}

static ifm_status score(subject *self, ifm_error *err)
{
    const ifm_arguments *a = self->arguments;
    const ifm_perplexity_job job = {
        .model = self->model,
        .reference = self->reference,
        .ids = self->ids,
        .n_ids = self->n_ids,
        .bos_id = self->bos_id,
        .context = self->context,
        .max_chunks = ifm_arguments_int(a, "chunks"),
        .session = {.threads = (int32_t)ifm_arguments_int(a, "threads")},
        .progress = on_chunk,
        .progress_arg = &self->progress,
    };
    ifm_status st = ifm_perplexity_run(&job, &self->scores, err);
    ifm_progress_erase(&self->progress);
    return st;
}

/* The summaries sort what they summarize; the document is written before. */
static void summarize(subject *self)
{
    self->nll = ifm_stats_of(self->scores.nll, self->scores.n);
    if (self->scores.divergence)
        self->divergence = ifm_stats_of(self->scores.divergence, self->scores.n);
}

/* exp is convex, so the interval is that of the mean, turned: not symmetric. */
static void print_report(const subject *self)
{
    const ifm_perplexity *s = &self->scores;
    const ifm_stats *nll = &self->nll;
    printf("%s, %s\n", ifm_model_describe(self->model)->name,
           ifm_model_describe(self->model)->dtype);
    printf("  perplexity       %.6g   95%% interval %.6g to %.6g\n", exp(nll->mean),
           exp(nll->mean_ci95[0]), exp(nll->mean_ci95[1]));
    printf("  bits per byte    %.4g\n",
           nll->mean * (double)s->n / log(2) / (self->bytes > 0 ? self->bytes : NAN));
    printf("  scored           %zu tokens: the second half of %" PRId64
           " chunks of %" PRId64 "\n",
           s->n, s->chunks, (int64_t)self->context);
    if (!self->reference)
        return;
    const ifm_stats *kl = &self->divergence;
    printf("\nbeside %s, %s, perplexity %.6g\n",
           ifm_model_describe(self->reference)->name,
           ifm_model_describe(self->reference)->dtype, exp(s->reference_nll));
    printf("  KL divergence    mean %.6f   95%% interval %.6f to %.6f\n", kl->mean,
           kl->mean_ci95[0], kl->mean_ci95[1]);
    printf("                   median %.6f   p90 %.6f   p99 %.6f   largest %.6f\n",
           kl->p50, kl->p90, kl->p99, kl->max);
    printf("  same top token   %.2f%%   %zu of %zu tokens\n",
           100.0 * (double)s->n_same_top / (double)s->n, s->n_same_top, s->n);
}

static json_t *chunk_means(const ifm_perplexity *s)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < s->chunks; i++) {
        double sum = 0;
        for (size_t j = 0; j < s->per_chunk; j++)
            sum += s->nll[(size_t)i * s->per_chunk + j];
        json_array_append_new(array, ifm_json_number(sum / (double)s->per_chunk));
    }
    return ifm_json_whole(array, (size_t)s->chunks);
}

static json_t *model_facts(const ifm_model *model)
{
    ifm_fields f = ifm_fields_new();
    const ifm_model_info *info = ifm_model_describe(model);
    ifm_fields_text(&f, "name", info->name);
    ifm_fields_text(&f, "path", info->path);
    ifm_fields_text(&f, "family", info->family);
    ifm_fields_text(&f, "dtype", info->dtype);
    ifm_fields_text(&f, "kernels", info->kernels);
    return ifm_fields_take(&f);
}

static void add_divergence(const subject *self, ifm_fields *f)
{
    const ifm_stats *kl = &self->divergence;
    ifm_fields_set(f, "reference", model_facts(self->reference));
    ifm_fields_real(f, "reference_perplexity", exp(self->scores.reference_nll));
    ifm_fields_real(f, "kl_mean", kl->mean);
    ifm_fields_real(f, "kl_p50", kl->p50);
    ifm_fields_real(f, "kl_p90", kl->p90);
    ifm_fields_real(f, "kl_p99", kl->p99);
    ifm_fields_real(f, "kl_max", kl->max);
    ifm_fields_real(f, "same_top_frac",
                    (double)self->scores.n_same_top / (double)self->scores.n);
}

static ifm_status write_document(subject *self, json_t *chunks, ifm_error *err)
{
    const ifm_perplexity *s = &self->scores;
    const bool to_stdout = self->json.stream == NULL;
    FILE *out = to_stdout ? stdout : self->json.stream;
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "schema", "inferometer.perplexity/1");
    ifm_fields_set(&f, "model", model_facts(self->model));
    ifm_fields_int(&f, "context", self->context);
    ifm_fields_int(&f, "chunks", s->chunks);
    ifm_fields_bool(&f, "complete", s->chunks == s->all_chunks);
    ifm_fields_int(&f, "scored_tokens", (int64_t)s->n);
    ifm_fields_real(&f, "perplexity", exp(self->nll.mean));
    ifm_fields_real(&f, "mean_nll", self->nll.mean);
    ifm_fields_real(&f, "mean_nll_ci95_low", self->nll.mean_ci95[0]);
    ifm_fields_real(&f, "mean_nll_ci95_high", self->nll.mean_ci95[1]);
    ifm_fields_real(&f, "bits_per_byte",
                    self->nll.mean * (double)s->n / log(2) / self->bytes);
    ifm_fields_set(&f, "chunk_mean_nll", chunks);
    if (self->reference)
        add_divergence(self, &f);
    json_t *document = ifm_fields_take(&f);
    if (document == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "the document does not fit in memory");
    const bool written = json_dumpf(document, out, JSON_INDENT(2)) == 0 &&
                         fputc('\n', out) != EOF && fflush(out) == 0;
    json_decref(document);
    if (!written)
        return ifm_fail_errno(err, errno ? errno : EIO, "cannot write the document");
    return to_stdout ? IFM_OK : ifm_output_commit(&self->json, err);
}

/* The file is opened before the work, so that a wrong path costs nothing. */
static ifm_status open_document(subject *self, ifm_error *err)
{
    const char *path = ifm_arguments_string(self->arguments, "json");
    if (path == NULL || strcmp(path, "-") == 0)
        return IFM_OK;
    ifm_status st = ifm_output_open(&self->json, path, err);
    if (st == IFM_OK && self->json.temporary != NULL)
        ifm_interrupt_remember_file(self->json.temporary);
    return st;
}

static ifm_status conclude(subject *self, ifm_error *err)
{
    const char *path = ifm_arguments_string(self->arguments, "json");
    ifm_status st = IFM_OK;
    json_t *chunks = chunk_means(&self->scores);
    summarize(self);
    if (path != NULL)
        st = write_document(self, chunks, err);
    else
        json_decref(chunks);
    if (!ifm_arguments_flag(self->arguments, "quiet") &&
        (path == NULL || strcmp(path, "-") != 0))
        print_report(self);
    if (st == IFM_OK && self->scores.chunks < self->scores.all_chunks)
        st = ifm_fail(err, IFM_ERR_CANCELLED,
                      "interrupted: %" PRId64 " of %" PRId64 " chunks were scored",
                      self->scores.chunks, self->scores.all_chunks);
    return st;
}

static ifm_status run(subject *self, ifm_error *err)
{
    const char *other = ifm_arguments_string(self->arguments, "kl-against");
    char *path = NULL, *other_path = NULL;
    ifm_status st = read_text(self, err);
    if (st == IFM_OK)
        st = ifm_interrupt_install(err);
    if (st == IFM_OK)
        st = open_document(self, err);
    if (st == IFM_OK)
        st = open_model(ifm_arguments_string(self->arguments, "model"), &self->model,
                        &path, err);
    if (st == IFM_OK && other != NULL)
        st = open_model(other, &self->reference, &other_path, err);
    if (st == IFM_OK) {
        self->context = context_of(self);
        st = encode(self, path, err);
    }
    if (st == IFM_OK)
        st = score(self, err);
    if (st == IFM_OK && self->scores.n > 0)
        st = conclude(self, err);
    free(path);
    free(other_path);
    return st;
}

static int run_perplexity(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    subject self = {.arguments = arguments};
    ifm_progress_init(&self.progress, ifm_arguments_flag(arguments, "quiet"));
    ifm_status st = run(&self, &err);
    ifm_output_abort(&self.json);
    ifm_perplexity_deinit(&self.scores);
    ifm_model_close(self.model);
    ifm_model_close(self.reference);
    ifm_buffer_deinit(&self.text);
    free(self.ids);
    return st == IFM_OK ? IFM_EXIT_FINE : ifm_command_fail(&ifm_command_perplexity, &err);
}

static const ifm_option options[] = {
    {.name = "model",
     .letter = 'm',
     .type = IFM_OPTION_STRING,
     .argument = "MODEL",
     .help = "the model to judge (default: the bundled one)"},
    {.name = "file",
     .letter = 'f',
     .type = IFM_OPTION_STRING,
     .argument = "FILE",
     .help = "the text, UTF-8; \"-\" is standard input"},
    {.name = "context",
     .letter = 'c',
     .type = IFM_OPTION_INT,
     .argument = "N",
     .min = 4,
     .max = 1 << 24,
     .help = "tokens of a chunk (default: 512, or all that a smaller model has)"},
    {.name = "chunks",
     .type = IFM_OPTION_INT,
     .argument = "N",
     .min = 1,
     .max = INT32_MAX,
     .help = "score only the first N chunks"},
    {.name = "kl-against",
     .type = IFM_OPTION_STRING,
     .argument = "MODEL",
     .help = "a model of the same vocabulary, unquantized as a rule: how far the "
             "predictions are from its"},
    {.name = "threads",
     .letter = 't',
     .type = IFM_OPTION_INT,
     .argument = "N",
     .max = 1024,
     .help = "compute threads; by default one for each physical core this process may "
             "use"},
    {.name = "json",
     .type = IFM_OPTION_STRING,
     .argument = "FILE",
     .help = "write the figures, chunk by chunk, as JSON; \"-\" is standard output"},
    {.name = "quiet",
     .letter = 'q',
     .type = IFM_OPTION_FLAG,
     .help = "no report, no progress"},
};

const ifm_command ifm_command_perplexity = {
    .name = "perplexity",
    .summary = "say how well a model predicts a text, and what quantization costs",
    .details =
        "Cuts the text into chunks of N tokens and scores the second half of each, as "
        "llama.cpp's perplexity tool does, so that the figures can be set side by side. "
        "Perplexity depends on text, context and vocabulary: compare only what shares "
        "all "
        "three.\n"
        "\n"
        "With --kl-against, the Kullback-Leibler divergence of the predictions from "
        "another model's is given for each token, and how often both would choose the "
        "same one: what quantization costs shows there long before it shows in the "
        "perplexity.",
    .examples = "inferometer perplexity -m model-q4_1.gguf -f text.txt\tone model\n"
                "inferometer perplexity -m model-q4_1.gguf -f text.txt --kl-against "
                "model-f16.gguf\twhat q4_1 costs\n",
    IFM_OPTIONS(options),
    .run = run_perplexity,
};
