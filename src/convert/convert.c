/*
 * Carrying a plan out: rows are read as f32, changed, quantized by all threads, and written
 * by one, some megabytes at a time.
 */
#include "convert/convert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "convert/plan.h"
#include "format/quant.h"
#include "os/cpu.h"
#include "os/pool.h"

enum {
    CHUNK_NUMBERS = 1 << 21, /* of a tensor, in flight: 8 MB as f32 */
    COLUMNS = 16,            /* read at once when a matrix is transposed */
};

typedef struct job {
    const ifm_convert_tensor *tensor;
    int64_t row, n_rows; /* of this chunk */
    unsigned char *out;  /* [n_rows] rows of the new type */
    float *scratch;      /* [threads] rows, COLUMNS each */
    int64_t n_scratch;   /* numbers of a thread's */
    int threads;
} job;

/* Numbers [first, first + n) of a tensor, both multiples of its block. */
static void read_numbers(const ifm_tensor *from, int64_t first, int64_t n, float *x)
{
    const unsigned char *bytes = from->data;
    ifm_dequantize(from->dtype, bytes + ifm_dtype_bytes_of(from->dtype, first), n, x);
}

/* Rows [row, row + n) of the changed tensor are columns of the file's. */
static void read_columns(const ifm_convert_tensor *tensor, int64_t row, int64_t n,
                         float *x)
{
    const int64_t width = tensor->from->shape[1];
    float piece[COLUMNS];
    for (int64_t i = 0; i < tensor->width; i++) {
        read_numbers(tensor->from, i * width + row, n, piece);
        for (int64_t j = 0; j < n; j++)
            x[j * tensor->width + i] = piece[j];
    }
}

/* Where the checkpoint has the row that is `row` when the halves of each head are
 * interleaved: 0, D/2, 1, D/2 + 1, … */
static int64_t rotated_row(const ifm_convert_tensor *tensor, int64_t row)
{
    const int64_t n = tensor->n_rows / tensor->n_head, in_head = row % n;
    return row - in_head + in_head % 2 * (n / 2) + in_head / 2;
}

/* Reads n ≤ COLUMNS rows from `row` on. */
static void read_rows(const ifm_convert_tensor *tensor, int64_t row, int64_t n, float *x)
{
    const int64_t width = tensor->width;
    if (tensor->from == NULL)
        memcpy(x, tensor->made + row * width, (size_t)(n * width) * sizeof *x);
    else if (tensor->change == IFM_CONVERT_TRANSPOSED)
        read_columns(tensor, row, n, x);
    else if (tensor->change == IFM_CONVERT_ROTATED)
        for (int64_t i = 0; i < n; i++)
            read_numbers(tensor->from, rotated_row(tensor, row + i) * width, width,
                         x + i * width);
    else
        read_numbers(tensor->from, row * width, n * width, x);
}

static bool is_copy(const ifm_convert_tensor *tensor)
{
    return tensor->from != NULL && tensor->change == IFM_CONVERT_ROWS &&
           tensor->from->dtype == tensor->dtype;
}

static void convert_rows(void *arg, int thread)
{
    const job *self = arg;
    const ifm_convert_tensor *tensor = self->tensor;
    const int64_t row_bytes = ifm_dtype_bytes_of(tensor->dtype, tensor->width);
    float *x = self->scratch + thread * self->n_scratch;
    int64_t begin, end;
    ifm_pool_part(self->n_rows, COLUMNS, thread, self->threads, &begin, &end);
    for (int64_t i = begin; i < end; i += COLUMNS) {
        int64_t n = end - i < COLUMNS ? end - i : COLUMNS;
        read_rows(tensor, self->row + i, n, x);
        ifm_quantize(tensor->dtype, x, n * tensor->width, NULL,
                     self->out + i * row_bytes);
    }
}

/* What writing needs, from the first tensor to the last. */
typedef struct output {
    const ifm_convert_options *options;
    ifm_output file;
    ifm_pool *pool;
    unsigned char *bytes; /* of a chunk */
    float *scratch;
    int64_t n_scratch, n_done, n_all;
} output;

static ifm_status write_bytes(output *self, const void *bytes, size_t n, ifm_error *err)
{
    if (n > 0 && fwrite(bytes, 1, n, self->file.stream) != n)
        return ifm_fail_errno(err, errno, "%s: cannot write", self->options->to);
    self->n_done += (int64_t)n;
    if (self->options->progress != NULL &&
        !self->options->progress(self->options->progress_arg, self->n_done, self->n_all))
        return ifm_fail(err, IFM_ERR_CANCELLED, "%s: interrupted, nothing was written",
                        self->options->to);
    return IFM_OK;
}

static int64_t chunk_rows(const ifm_convert_tensor *tensor)
{
    int64_t n = CHUNK_NUMBERS / (tensor->width > 0 ? tensor->width : 1);
    return n < COLUMNS ? COLUMNS : n;
}

static ifm_status write_tensor(output *self, const ifm_convert_tensor *tensor,
                               ifm_error *err)
{
    static const char zeros[IFM_GGUF_ALIGNMENT];
    const int64_t row_bytes = ifm_dtype_bytes_of(tensor->dtype, tensor->width);
    const int64_t step = chunk_rows(tensor);
    ifm_status st = IFM_OK;
    for (int64_t row = 0; st == IFM_OK && row < tensor->n_rows; row += step) {
        int64_t n = tensor->n_rows - row < step ? tensor->n_rows - row : step;
        const unsigned char *bytes = self->bytes;
        if (is_copy(tensor)) {
            bytes = (const unsigned char *)tensor->from->data + row * row_bytes;
        } else {
            job work = {tensor,
                        row,
                        n,
                        self->bytes,
                        self->scratch,
                        self->n_scratch,
                        ifm_pool_threads(self->pool)};
            ifm_pool_run(self->pool, convert_rows, &work);
        }
        st = write_bytes(self, bytes, (size_t)(n * row_bytes), err);
    }
    if (st == IFM_OK)
        st = write_bytes(self, zeros,
                         ifm_gguf_padding((uint64_t)(tensor->n_rows * row_bytes)), err);
    return st;
}

/* Room for the largest chunk of any tensor. */
static ifm_status reserve(output *self, const ifm_convert_plan *plan, ifm_error *err)
{
    int64_t n_bytes = 1, width = 1;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const ifm_convert_tensor *tensor = &plan->tensors[i];
        int64_t rows = chunk_rows(tensor);
        rows = rows < tensor->n_rows ? rows : tensor->n_rows;
        int64_t n = rows * ifm_dtype_bytes_of(tensor->dtype, tensor->width);
        if (!is_copy(tensor)) {
            n_bytes = n > n_bytes ? n : n_bytes;
            width = tensor->width > width ? tensor->width : width;
        }
    }
    self->n_scratch = COLUMNS * width;
    self->bytes = malloc((size_t)n_bytes);
    self->scratch = malloc((size_t)(self->n_scratch * ifm_pool_threads(self->pool)) *
                           sizeof *self->scratch);
    if (self->bytes == NULL || self->scratch == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for rows of %lld numbers",
                        self->options->to, (long long)width);
    return IFM_OK;
}

/* Known before an hour of work, where the file system tells. */
static ifm_status check_room(const char *path, int64_t n_bytes, ifm_error *err)
{
    char *directory = strdup(path);
    struct statvfs room;
    if (directory == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    char *slash = strrchr(directory, '/');
    if (slash != NULL)
        slash[slash == directory] = '\0';
    int failed = statvfs(slash != NULL ? directory : ".", &room);
    free(directory);
    if (failed != 0)
        return IFM_OK;
    double free_bytes = (double)room.f_bavail * (double)room.f_frsize;
    if (free_bytes >= (double)n_bytes)
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_IO, "%s: takes %.1f MB, but only %.1f MB are free there",
                    path, (double)n_bytes / 1e6, free_bytes / 1e6);
}

static ifm_status write_file(output *self, const ifm_convert_plan *plan, ifm_error *err)
{
    ifm_buffer header = {0};
    const ifm_convert_options *options = self->options;
    int threads = options->threads > 0 ? options->threads : ifm_cpu_room_now().threads;
    ifm_status st = check_room(options->to, self->n_all, err);
    if (st == IFM_OK)
        st = ifm_output_open(&self->file, options->to, err);
    if (st == IFM_OK)
        st = ifm_pool_new(threads, &self->pool, err);
    if (st == IFM_OK)
        st = reserve(self, plan, err);
    if (st == IFM_OK)
        st = ifm_gguf_finish_header(&plan->writer, &header, err);
    if (st == IFM_OK)
        st = write_bytes(self, header.data, header.length, err);
    for (size_t i = 0; st == IFM_OK && i < plan->n_tensors; i++)
        st = write_tensor(self, &plan->tensors[i], err);
    if (st == IFM_OK)
        st = ifm_output_commit(&self->file, err);
    ifm_output_abort(&self->file);
    ifm_pool_free(self->pool);
    free(self->scratch);
    free(self->bytes);
    ifm_buffer_deinit(&header);
    return st;
}

static int compare_orders(const void *a, const void *b)
{
    const ifm_convert_tensor *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The head is "output", or the embedding when there is none. */
static const char *head_of(const ifm_convert_plan *plan)
{
    for (size_t i = 0; i < plan->n_tensors; i++)
        if (strcmp(plan->tensors[i].name, "output.weight") == 0)
            return "output.weight";
    return "token_embd.weight";
}

static void choose_type(const ifm_convert_plan *plan, const char *head,
                        ifm_convert_tensor *tensor, ifm_convert_report *report)
{
    const ifm_convert_shape shape = {tensor->name, tensor->n_dimensions, tensor->width,
                                     strcmp(tensor->name, head) == 0, plan->n_layer};
    tensor->dtype = IFM_DTYPE_F32;
    if (!ifm_convert_is_matrix(&shape))
        return;
    ifm_dtype wanted = ifm_convert_wanted(plan->mix, &shape);
    tensor->dtype = ifm_convert_fitting(wanted, tensor->width);
    if (tensor->dtype != wanted && report->n_fallback++ == 0) {
        report->fallback_width = tensor->width;
        report->fallback_from = wanted;
        report->fallback_to = tensor->dtype;
    }
}

/* The quantized type of most bytes that are going to be quantized once more. */
static ifm_dtype find_requantized(const ifm_convert_plan *plan)
{
    size_t bytes[IFM_DTYPE_COUNT] = {0}, most = 0;
    ifm_dtype found = IFM_DTYPE_COUNT;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const ifm_convert_tensor *tensor = &plan->tensors[i];
        if (tensor->from != NULL && ifm_dtype_is_quantized(tensor->from->dtype) &&
            !is_copy(tensor))
            bytes[tensor->from->dtype] += tensor->from->n_bytes;
    }
    for (int i = 0; i < IFM_DTYPE_COUNT; i++) {
        if (bytes[i] > most) {
            most = bytes[i];
            found = (ifm_dtype)i;
        }
    }
    return found;
}

/* Chooses the types, and announces the tensors in the order in which they are written. */
static ifm_status finish_plan(ifm_convert_plan *plan, ifm_convert_report *report,
                              ifm_error *err)
{
    const char *head = head_of(plan);
    if (plan->n_tensors > 0)
        qsort(plan->tensors, plan->n_tensors, sizeof *plan->tensors, compare_orders);
    ifm_gguf_put_u32(&plan->writer, "general.file_type", plan->mix->file_type);
    ifm_gguf_put_u32(&plan->writer, "general.quantization_version", 2);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        ifm_convert_tensor *tensor = &plan->tensors[i];
        if (i > 0 && strcmp(tensor->name, tensor[-1].name) == 0)
            return ifm_fail(err, IFM_ERR_FORMAT, "two tensors become \"%s\"",
                            tensor->name);
        choose_type(plan, head, tensor, report);
        ifm_gguf_put_tensor(&plan->writer, tensor->name, tensor->dtype,
                            tensor->n_dimensions, tensor->shape);
        report->n_numbers += tensor->n_rows * tensor->width;
        report->bytes_before += tensor->from != NULL ? (int64_t)tensor->from->n_bytes : 0;
    }
    report->n_tensors = (int64_t)plan->n_tensors;
    report->requantized = find_requantized(plan);
    report->no_tokenizer = plan->no_tokenizer;
    report->file_bytes = (int64_t)ifm_gguf_file_bytes(&plan->writer);
    return IFM_OK;
}

/* The directory that a path to weights means: its own, or the one it lies in. */
static char *directory_of(const char *path)
{
    char *directory = strdup(path);
    if (directory == NULL || ifm_file_is_directory(path))
        return directory;
    char *slash = strrchr(directory, '/');
    if (slash == NULL)
        strcpy(directory, "."); /* no file's name is shorter */
    else
        slash[slash == directory] = '\0';
    return directory;
}

static ifm_status make_plan(ifm_convert_plan *plan, const ifm_weights *weights,
                            const char *path, ifm_error *err)
{
    if (ifm_weights_gguf(weights) != NULL)
        return ifm_convert_plan_gguf(plan, weights, err);
    char *directory = directory_of(path);
    if (directory == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    ifm_status st = ifm_convert_plan_directory(plan, weights, directory, err);
    free(directory);
    return st;
}

ifm_status ifm_convert(const ifm_convert_options *options, ifm_convert_report *report,
                       ifm_error *err)
{
    ifm_weights *weights = NULL;
    ifm_convert_plan plan = {.mix = ifm_convert_find_mix(options->type)};
    *report = (ifm_convert_report){.requantized = IFM_DTYPE_COUNT};
    if (plan.mix == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "unknown type \"%s\", expected one of %s",
                        options->type, ifm_convert_types());
    ifm_status st = ifm_weights_open(options->from, &weights, err);
    if (st == IFM_OK)
        st = make_plan(&plan, weights, options->from, err);
    if (st == IFM_OK)
        st = finish_plan(&plan, report, err);
    if (st == IFM_OK) {
        output out = {.options = options, .n_all = report->file_bytes};
        st = write_file(&out, &plan, err);
    }
    ifm_convert_plan_deinit(&plan);
    ifm_weights_close(weights);
    return st;
}
