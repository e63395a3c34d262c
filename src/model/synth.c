/*
 * The weights are written in chunks, each from a random generator of its own that is seeded
 * by the chunk's number: any number of threads makes the same bytes, and nothing is ever
 * held in memory but a chunk a thread.
 *
 * The numbers are sums of eight 16-bit uniforms (Irwin–Hall), which is normal but for tails
 * that end at 4.9 standard deviations: all integer arithmetic until one last
 * multiplication, hence the same on every machine, and three times as quick as a logarithm.
 */
#include "model/synth.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/random.h"
#include "os/file.h"
#include "model/synth_plan.h"
#include "os/pool.h"

enum {
    CHUNK = 1 << 18, /* numbers */
    DEFAULT_THREADS = 2,
    MAX_TOKENIZER_BYTES = 1 << 30,
};

typedef struct plan {
    const ifm_synth_options *options;
    const ifm_synth_shape *shape;
    ifm_synth_tensor *tensors;
    size_t n_tensors;
    int64_t n_numbers;
    int64_t n_chunks;
} plan;

/* One run of the writers. */
typedef struct writing {
    const plan *plan;
    const char *path;
    int fd;
    int64_t n_header_bytes; /* the length in front included */
    uint64_t seed;
    unsigned char *buffers; /* [threads][CHUNK] numbers, as the file has them */
    _Atomic int64_t next_chunk;
    _Atomic int64_t n_done; /* bytes */
    atomic_int failure;     /* errno of the first that failed, or -1: cancelled */
} writing;

static int64_t count_of(const ifm_synth_tensor *tensor)
{
    return tensor->columns > 0 ? tensor->rows * tensor->columns : tensor->rows;
}

static ifm_status make_plan(plan *self, const ifm_synth_options *options, ifm_error *err)
{
    *self = (plan){.options = options, .shape = ifm_synth_shape_find(options->shape)};
    if (self->shape == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "no shape is called \"%s\", there are %s",
                        options->shape, ifm_synth_shapes());
    self->tensors = ifm_synth_tensors(self->shape, &self->n_tensors);
    if (self->tensors == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the list of tensors");
    for (size_t i = 0; i < self->n_tensors; i++) {
        ifm_synth_tensor *tensor = &self->tensors[i];
        tensor->first = self->n_numbers;
        tensor->first_chunk = self->n_chunks;
        self->n_numbers += count_of(tensor);
        self->n_chunks += (count_of(tensor) + CHUNK - 1) / CHUNK;
    }
    return IFM_OK;
}

static const char *type_name(ifm_dtype dtype)
{
    return dtype == IFM_DTYPE_F16 ? "F16" : dtype == IFM_DTYPE_BF16 ? "BF16" : "F32";
}

/* The length and the header. */
static void write_header(const plan *self, ifm_buffer *out)
{
    const ifm_synth_options *options = self->options;
    int64_t size = (int64_t)ifm_dtype_block_bytes(options->dtype);
    unsigned char length[8] = {0};
    ifm_buffer_append(out, length, sizeof length);
    ifm_buffer_printf(out,
                      "{\"__metadata__\":{\"format\":\"pt\",\"random_weights\":\"%s, "
                      "seed %llu\"}",
                      self->shape->name, (unsigned long long)options->seed);
    for (size_t i = 0; i < self->n_tensors; i++) {
        const ifm_synth_tensor *tensor = &self->tensors[i];
        ifm_buffer_printf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld", tensor->name,
                          type_name(options->dtype), (long long)tensor->rows);
        if (tensor->columns > 0)
            ifm_buffer_printf(out, ",%lld", (long long)tensor->columns);
        ifm_buffer_printf(out, "],\"data_offsets\":[%lld,%lld]}",
                          (long long)(tensor->first * size),
                          (long long)((tensor->first + count_of(tensor)) * size));
    }
    ifm_buffer_puts(out, "}");
    /* Behind the header the tensors begin at a multiple of 64, or 3 bytes past one, which
     * is where they begin in the hub's gpt2. */
    size_t beyond = options->odd_addresses ? 3 : 0;
    while (!out->failed && out->length % 64 != beyond)
        ifm_buffer_puts(out, " ");
    for (int i = 0; i < 8 && !out->failed; i++)
        out->data[i] = (char)((uint64_t)(out->length - 8) >> 8 * i);
}

/* Sum of four 16-bit numbers in x. */
static uint32_t sum_of_four(uint64_t x)
{
    const uint64_t low = 0x0000ffff0000ffffu;
    uint64_t pairs = (x & low) + (x >> 16 & low);
    return (uint32_t)pairs + (uint32_t)(pairs >> 32);
}

/* Mean 8 × 32767.5; the variance of one is (65536² − 1)/12. */
static float draw(ifm_random *random, float mean, float scale)
{
    uint32_t a = sum_of_four(ifm_random_u64(random));
    uint32_t b = sum_of_four(ifm_random_u64(random));
    return mean + ((float)(a + b) - 262140.0f) * scale;
}

static void fill(unsigned char *out, int64_t n, ifm_dtype dtype, ifm_random *random,
                 const ifm_synth_tensor *tensor)
{
    /* √(8 (65536² − 1)/12), rounded: a constant, so that no libm has a say. */
    const float scale = tensor->deviation / 53509.92f;
    for (int64_t i = 0; i < n; i++) {
        float x = draw(random, tensor->mean, scale);
        uint16_t half;
        switch (dtype) {
        case IFM_DTYPE_F16:
            half = ifm_f32_to_f16(x);
            memcpy(out + 2 * i, &half, sizeof half);
            break;
        case IFM_DTYPE_BF16:
            half = ifm_f32_to_bf16(x);
            memcpy(out + 2 * i, &half, sizeof half);
            break;
        case IFM_DTYPE_F32:
        default:
            memcpy(out + 4 * i, &x, sizeof x);
            break;
        }
    }
}

static bool write_all(int fd, const unsigned char *bytes, size_t n, int64_t offset)
{
    while (n > 0) {
        ssize_t written = pwrite(fd, bytes, n, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        offset += written;
        n -= (size_t)written;
    }
    return true;
}

/* The tensor that chunk number `chunk` belongs to. */
static const ifm_synth_tensor *tensor_of(const plan *self, int64_t chunk)
{
    size_t low = 0, high = self->n_tensors;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (self->tensors[middle].first_chunk <= chunk)
            low = middle;
        else
            high = middle;
    }
    return &self->tensors[low];
}

/* Makes and writes one chunk; returns its bytes, or -1 with errno. */
static int64_t write_chunk(const writing *self, int64_t chunk, unsigned char *buffer)
{
    const ifm_synth_tensor *tensor = tensor_of(self->plan, chunk);
    ifm_dtype dtype = self->plan->options->dtype;
    int64_t size = (int64_t)ifm_dtype_block_bytes(dtype);
    int64_t begin = (chunk - tensor->first_chunk) * CHUNK;
    int64_t n = count_of(tensor) - begin;
    n = n < CHUNK ? n : CHUNK;
    ifm_random random;
    ifm_random_init(&random, self->seed ^ (uint64_t)chunk * 0xd1342543de82ef95u);
    fill(buffer, n, dtype, &random, tensor);
    int64_t offset = self->n_header_bytes + (tensor->first + begin) * size;
    return write_all(self->fd, buffer, (size_t)(n * size), offset) ? n * size : -1;
}

static void write_chunks(void *arg, int thread)
{
    writing *self = arg;
    const ifm_synth_options *options = self->plan->options;
    int64_t size = (int64_t)ifm_dtype_block_bytes(options->dtype);
    unsigned char *buffer = self->buffers + (size_t)thread * CHUNK * (size_t)size;
    for (;;) {
        int64_t chunk = atomic_fetch_add(&self->next_chunk, 1);
        if (chunk >= self->plan->n_chunks || atomic_load(&self->failure) != 0)
            return;
        int64_t n = write_chunk(self, chunk, buffer);
        if (n < 0) {
            atomic_store(&self->failure, errno);
            return;
        }
        int64_t done = atomic_fetch_add(&self->n_done, n) + n;
        if (thread == 0 && options->progress != NULL &&
            !options->progress(options->progress_arg, done, self->plan->n_numbers * size))
            atomic_store(&self->failure, -1);
    }
}

static ifm_status run_writers(writing *self, ifm_error *err)
{
    const ifm_synth_options *options = self->plan->options;
    int threads = options->threads > 0 ? options->threads : DEFAULT_THREADS;
    ifm_pool *pool = NULL;
    self->buffers =
        malloc((size_t)threads * CHUNK * ifm_dtype_block_bytes(options->dtype));
    ifm_status st = ifm_pool_new(threads, &pool, err);
    if (st == IFM_OK && self->buffers == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory to write it", self->path);
    if (st == IFM_OK) {
        ifm_pool_run(pool, write_chunks, self);
        int code = atomic_load(&self->failure);
        if (code < 0)
            st = ifm_fail(err, IFM_ERR_CANCELLED, "%s: stopped, not written", self->path);
        else if (code > 0)
            st = ifm_fail_errno(err, code, "%s: cannot write its %lld numbers",
                                self->path, (long long)self->plan->n_numbers);
    }
    ifm_pool_free(pool);
    free(self->buffers);
    return st;
}

static ifm_status write_weights(const plan *self, const char *path, ifm_error *err)
{
    ifm_output output;
    ifm_buffer header = {0};
    ifm_status st = ifm_output_open(&output, path, err);
    if (st != IFM_OK)
        return st;
    write_header(self, &header);
    if (header.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for its header", path);
    else if (!write_all(fileno(output.stream), (const unsigned char *)header.data,
                        header.length, 0))
        st = ifm_fail_errno(err, errno, "%s: cannot write", path);
    if (st == IFM_OK) {
        writing run = {
            .plan = self,
            .path = path,
            .fd = fileno(output.stream),
            .n_header_bytes = (int64_t)header.length,
        };
        ifm_random random;
        ifm_random_init(&random, self->options->seed);
        run.seed = ifm_random_u64(&random);
        st = run_writers(&run, err);
    }
    ifm_buffer_deinit(&header);
    if (st == IFM_OK)
        return ifm_output_commit(&output, err);
    ifm_output_abort(&output);
    return st;
}

static ifm_status write_file(const char *path, const void *bytes, size_t n,
                             ifm_error *err)
{
    ifm_output output;
    ifm_status st = ifm_output_open(&output, path, err);
    if (st != IFM_OK)
        return st;
    fwrite(bytes, 1, n, output.stream); /* an error stays until the commit */
    return ifm_output_commit(&output, err);
}

static ifm_status write_config(const plan *self, const char *path, ifm_error *err)
{
    ifm_buffer text = {0};
    ifm_synth_config(self->shape, self->options->dtype, &text);
    ifm_status st = text.failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path)
                                : write_file(path, text.data, text.length, err);
    ifm_buffer_deinit(&text);
    return st;
}

static ifm_status copy_file(const char *from, const char *to, ifm_error *err)
{
    char *bytes;
    size_t n;
    ifm_status st = ifm_file_read(from, MAX_TOKENIZER_BYTES, &bytes, &n, err);
    if (st != IFM_OK)
        return st;
    st = write_file(to, bytes, n, err);
    free(bytes);
    return st;
}

static ifm_status copy_tokenizer(const ifm_synth_options *options, ifm_error *err)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer.json"};
    ifm_buffer from = {0}, to = {0};
    ifm_status st = IFM_OK;
    for (size_t i = 0; st == IFM_OK && i < sizeof names / sizeof names[0]; i++) {
        ifm_buffer_clear(&from);
        ifm_buffer_clear(&to);
        ifm_buffer_printf(&from, "%s/%s", options->tokenizer, names[i]);
        ifm_buffer_printf(&to, "%s/%s", options->directory, names[i]);
        if (from.failed || to.failed)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to copy the tokenizer");
        else if (ifm_file_exists(from.data))
            st = copy_file(from.data, to.data, err);
    }
    ifm_buffer_deinit(&from);
    ifm_buffer_deinit(&to);
    return st;
}

ifm_status ifm_model_synth(const ifm_synth_options *options, ifm_error *err)
{
    plan self;
    ifm_buffer weights = {0}, config = {0};
    bool is_new = !ifm_file_exists(options->directory);
    ifm_status st = make_plan(&self, options, err);
    if (st == IFM_OK)
        st = ifm_directory_make(options->directory, err);
    ifm_buffer_printf(&weights, "%s/model.safetensors", options->directory);
    ifm_buffer_printf(&config, "%s/config.json", options->directory);
    if (st == IFM_OK && (weights.failed || config.failed))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a path");
    if (st == IFM_OK)
        st = write_weights(&self, weights.data, err);
    if (st == IFM_OK)
        st = write_config(&self, config.data, err);
    if (st == IFM_OK && options->tokenizer != NULL)
        st = copy_tokenizer(options, err);
    if (st != IFM_OK && is_new)
        rmdir(options->directory); /* if nothing came of it */
    ifm_buffer_deinit(&weights);
    ifm_buffer_deinit(&config);
    free(self.tensors);
    return st;
}
