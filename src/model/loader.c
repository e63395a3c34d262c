/* The loader: threads that take chunks of the files, in order. */
#include "model/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "os/pages.h"

/* A chunk holds the lock of the address space for some tens of microseconds. */
enum { CHUNK_BYTES = 4 << 20, MAX_THREADS = 16 };

struct ifm_loader {
    const ifm_weights *weights;
    _Atomic size_t next; /* chunk, counted through all files */
    _Atomic bool stop;
    int n_threads; /* running; 0 after they were joined */
    pthread_t threads[MAX_THREADS];
};

/* Chunk number `chunk`; false when there are no more. */
static bool find_chunk(const ifm_loader *self, size_t chunk, ifm_mapping *out)
{
    for (size_t i = 0; i < ifm_weights_file_count(self->weights); i++) {
        ifm_mapping file = {0};
        (void)ifm_weights_file(self->weights, i, &file);
        const size_t chunks = (file.size + CHUNK_BYTES - 1) / CHUNK_BYTES;
        if (chunk < chunks) {
            const size_t at = chunk * CHUNK_BYTES, left = file.size - at;
            *out = (ifm_mapping){file.data + at, left < CHUNK_BYTES ? left : CHUNK_BYTES};
            return true;
        }
        chunk -= chunks;
    }
    return false;
}

static void *load(void *arg)
{
    ifm_loader *self = arg;
    ifm_mapping chunk;
    while (!atomic_load_explicit(&self->stop, memory_order_relaxed) &&
           find_chunk(self, atomic_fetch_add(&self->next, 1), &chunk))
        ifm_pages_populate(chunk.data, chunk.size);
    return NULL;
}

ifm_status ifm_loader_start(const ifm_weights *weights, int threads, ifm_loader **out,
                            ifm_error *err)
{
    ifm_loader *self = calloc(1, sizeof *self);
    *out = self;
    if (!self)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory to load it");
    self->weights = weights;
    for (size_t i = 0; i < ifm_weights_file_count(weights); i++) {
        ifm_mapping file = {0};
        (void)ifm_weights_file(weights, i, &file);
        if (file.size > 0)
            ifm_pages_prefer_huge(file.data, file.size);
    }
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    while (self->n_threads < threads &&
           pthread_create(&self->threads[self->n_threads], NULL, load, self) == 0)
        self->n_threads++;
    return IFM_OK;
}

void ifm_loader_wait(ifm_loader *self)
{
    for (int i = 0; i < self->n_threads; i++)
        pthread_join(self->threads[i], NULL);
    self->n_threads = 0;
}

void ifm_loader_free(ifm_loader *self)
{
    if (!self)
        return;
    atomic_store(&self->stop, true);
    ifm_loader_wait(self);
    free(self);
}
