/* Sleeping on a word, anywhere that has POSIX threads. */
#include "os/wait.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void ifm_wait_while(_Atomic uint32_t *word, uint32_t value)
{
    pthread_mutex_lock(&mutex);
    while (atomic_load_explicit(word, memory_order_acquire) == value)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

void ifm_wake_all(_Atomic uint32_t *word)
{
    (void)word;
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}
