#include "text/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text/json.h"

enum { TICK_NS = 20 * 1000 * 1000 };

/* The beginning of a key; the source's path follows. */
typedef struct stamps {
    ifm_file_stamp files[IFM_SOURCE_FILES]; /* all zero: no such file */
} stamps;

static bool stamp_files(const ifm_source *source, stamps *s)
{
    memset(s, 0, sizeof *s);
    if (source->is_gguf) {
        if (!ifm_file_stat(source->path, &s->files[0]))
            s->files[0] = (ifm_file_stamp){0};
        return true;
    }
    for (int i = 0; i < IFM_SOURCE_FILES; i++) {
        char *path = ifm_text_path(source->path, ifm_source_files[i]);
        if (path == NULL)
            return false;
        if (!ifm_file_stat(path, &s->files[i]))
            s->files[i] = (ifm_file_stamp){0};
        free(path);
    }
    return true;
}

bool ifm_cache_key(const ifm_source *source, ifm_buffer *key)
{
    stamps s;
    if (!stamp_files(source, &s))
        return false;
    ifm_buffer_clear(key);
    ifm_buffer_append(key, &s, sizeof s);
    if (source->path[0] != '/') {
        char here[4096];
        if (getcwd(here, sizeof here) == NULL)
            return false;
        ifm_buffer_puts(key, here);
        ifm_buffer_puts(key, "/");
    }
    ifm_buffer_puts(key, source->path);
    return !key->failed;
}

bool ifm_cache_is_too_fresh(const ifm_buffer *key)
{
    stamps s;
    struct timespec now;
    memcpy(&s, key->data, sizeof s);
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return true;
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    for (int i = 0; i < IFM_SOURCE_FILES; i++) {
        int64_t age_ns = now_ns - s.files[i].modified_ns;
        if (age_ns >= 0 && age_ns < TICK_NS)
            return true;
    }
    return false;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The XDG Base Directory Specification wants relative paths ignored. */
static bool find_place(const char *cache_dir, ifm_buffer *place)
{
    const char *ours = cache_dir != NULL ? cache_dir : variable("IFM_CACHE_DIR");
    const char *xdg = variable("XDG_CACHE_HOME"), *home = variable("HOME");
    if (ours != NULL) {
        ifm_buffer_puts(place, ours);
    } else if (xdg != NULL && xdg[0] == '/') {
        ifm_buffer_puts(place, xdg);
        ifm_buffer_puts(place, "/inferometer");
    } else if (home != NULL) {
        ifm_buffer_puts(place, home);
        ifm_buffer_puts(place, "/.cache/inferometer");
    }
    return place->length > 0;
}

char *ifm_cache_path(const char *cache_dir, const ifm_buffer *key)
{
    ifm_buffer path = {0};
    const char *source = key->data + sizeof(stamps);
    if (!find_place(cache_dir, &path)) {
        ifm_buffer_deinit(&path);
        return NULL;
    }
    uint64_t name = ifm_tables_hash(source, key->length - sizeof(stamps));
    char file[] = "/tokenizer-0123456789abcdef.bin"; /* printf's first call costs 6 us */
    for (int i = 0; i < 16; i++)
        file[sizeof "/tokenizer-" - 1 + i] =
            "0123456789abcdef"[name >> (60 - 4 * i) & 15];
    ifm_buffer_puts(&path, file);
    return ifm_buffer_take(&path);
}

bool ifm_cache_open(const char *path, const ifm_buffer *key, ifm_mapping *mapping,
                    ifm_tables *tables)
{
    if (ifm_mapping_open(mapping, path, NULL) != IFM_OK)
        return false;
    ifm_mapping_populate(mapping, ifm_tables_first_bytes(mapping->data, mapping->size));
    if (ifm_tables_attach(tables, mapping->data, mapping->size) &&
        tables->header->n_key == key->length &&
        memcmp(tables->key, key->data, key->length) == 0)
        return true;
    ifm_mapping_close(mapping);
    return false;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

static bool make_parent(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    bool made = ifm_directory_make(path, NULL) == IFM_OK;
    *slash = '/';
    return made;
}

/* Not through ifm_output: two threads must not share a temporary name, and waiting for the
 * disk (fsync) would cost a cold start more than the cache saves. What a crash leaves behind
 * has a wrong checksum. */
bool ifm_cache_write(const char *path, const ifm_tables_header *block)
{
    ifm_buffer temporary = {0};
    bool written = false;
    ifm_buffer_printf(&temporary, "%s.XXXXXX", path);
    if (temporary.failed || !make_parent(temporary.data))
        goto done;
    int fd = mkstemp(temporary.data);
    if (fd < 0)
        goto done;
    written = write_all(fd, (const char *)block, (size_t)block->n_bytes);
    written = close(fd) == 0 && written;
    written = written && rename(temporary.data, path) == 0;
    if (!written)
        unlink(temporary.data);
done:
    ifm_buffer_deinit(&temporary);
    return written;
}
