/*
 * A pull, step by step:
 *
 *   1. ask the hub for the commit and the files of the revision
 *   2. choose those that are the model
 *   3. ask for each one's hash and size, unless it is there; see whether there is room
 *   4. fetch the blobs, one after the other, and link each into the snapshot
 *   5. shards that only the index names: the same with them
 *   6. let the revision's ref say the commit
 */
#include "hub/pull.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "hub/blob.h"
#include "hub/cache.h"
#include "hub/choose.h"
#include "hub/name.h"
#include "hub/origin.h"
#include "hub/repository.h"
#include "hub/resolve.h"
#include "hub/snapshot.h"
#include "os/file.h"

enum { MAX_ANSWER = 32 << 20 };

/* One of the files that are wanted. */
typedef struct item {
    const char *file; /* borrowed */
    char *url, *what, *etag;
    int64_t n_bytes; /* -1: not known */
    bool here;       /* linked in the snapshot already */
} item;

typedef struct pull {
    const char *name; /* as the person wrote it */
    const ifm_hub_watch *watch;
    ifm_hub_name parts;
    const char *revision;
    char *endpoint, *cache, *directory, *token;
    ifm_http *http;
    ifm_hub_place place;
    ifm_hub_repository repository;
    ifm_hub_choice choice;
    item *items;
    size_t n_items;
    ifm_hub_account account;
    ifm_hub_pulled *out;
} pull;

/* ---- the beginning ---------------------------------------------------------------- */

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "pull: no memory");
}

static char *endpoint(void)
{
    const char *named = ifm_hub_variable("HF_ENDPOINT");
    char *url = strdup(named != NULL ? named : "https://huggingface.co");
    for (size_t n = url != NULL ? strlen(url) : 0; n > 0 && url[n - 1] == '/'; n--)
        url[n - 1] = '\0';
    return url;
}

static ifm_status begin(pull *self, const char *revision, ifm_error *err)
{
    ifm_status st = ifm_hub_name_parse(self->name, &self->parts, err);
    if (st == IFM_OK && revision != NULL) {
        /* Checked as if it stood in the name. */
        ifm_hub_name other;
        char *text = ifm_hub_format("%s@%s", self->parts.repo, revision);
        st = text != NULL ? ifm_hub_name_parse(text, &other, err) : no_memory(err);
        free(text);
        if (st == IFM_OK)
            ifm_hub_name_deinit(&other);
    }
    self->revision = revision != NULL ? revision : self->parts.revision;
    if (st == IFM_OK)
        st = ifm_hub_cache_directory(&self->cache, err);
    if (st != IFM_OK)
        return st;
    self->endpoint = endpoint();
    self->directory = ifm_hub_repo_directory(self->cache, self->parts.repo);
    self->place = (ifm_hub_place){self->cache, self->directory};
    return self->endpoint != NULL && self->directory != NULL ? IFM_OK : no_memory(err);
}

static ifm_status connect_to_hub(pull *self, ifm_error *err)
{
    ifm_status st = ifm_hub_token(&self->token, err);
    const ifm_http_options options = {self->endpoint, self->token, self->watch};
    if (st == IFM_OK)
        st = ifm_http_new(&options, &self->http, err);
    return st;
}

/* ---- 1. what is there ------------------------------------------------------------- */

static ifm_status on_answer(void *user, const ifm_http_reply *reply, const char *bytes,
                            size_t n, ifm_error *err)
{
    ifm_buffer *answer = user;
    if (reply->body_bytes == 0)
        ifm_buffer_clear(answer); /* of a try that failed */
    if (answer->length + n > MAX_ANSWER)
        return ifm_fail(err, IFM_ERR_LIMIT, "%s: answers with more than %d MB",
                        reply->host, MAX_ANSWER >> 20);
    ifm_buffer_append(answer, bytes, n);
    return answer->failed ? no_memory(err) : IFM_OK;
}

/* A branch's '/' must not end the part of the URL. */
static char *api_url(pull *self)
{
    ifm_buffer revision = {0};
    for (const char *p = self->revision; *p != '\0'; p++)
        if (*p == '/')
            ifm_buffer_puts(&revision, "%2F");
        else if (*p == '+')
            ifm_buffer_puts(&revision, "%2B");
        else
            ifm_buffer_append(&revision, p, 1);
    char *url = ifm_hub_format("%s/api/models/%s/revision/%s", self->endpoint,
                               self->parts.repo, ifm_buffer_text(&revision));
    ifm_buffer_deinit(&revision);
    return url;
}

static ifm_status ask(pull *self, ifm_error *err)
{
    ifm_buffer answer = {0};
    ifm_http_reply reply;
    char *url = api_url(self);
    char *what = ifm_hub_format("%s", self->name);
    const ifm_http_request request = {
        .url = url, .what = what, .sink = on_answer, .user = &answer};
    ifm_status st = url != NULL && what != NULL
                        ? ifm_http_do(self->http, &request, &reply, err)
                        : no_memory(err);
    if (st == IFM_OK)
        st = ifm_http_expect(self->http, &request, &reply, err);
    if (st == IFM_OK)
        st = ifm_hub_repository_parse(ifm_buffer_text(&answer), answer.length, self->name,
                                      &self->repository, err);
    if (st == IFM_OK)
        self->out->host = strdup(reply.host);
    ifm_buffer_deinit(&answer);
    free(url);
    free(what);
    return st;
}

/* ---- 3. what it is ---------------------------------------------------------------- */

static bool is_linked(const pull *self, const char *file, int64_t *n_bytes)
{
    char *path = ifm_hub_format("%s/snapshots/%s/%s", self->directory,
                                self->repository.commit, file);
    ifm_file_stamp stamp;
    bool there = path != NULL && ifm_file_stat(path, &stamp);
    *n_bytes = there ? (int64_t)stamp.size : -1;
    free(path);
    return there;
}

/* An etag becomes the name of a file. */
static bool is_usable_etag(const char *etag)
{
    size_t n = strlen(etag);
    return n > 0 && n <= 128 && etag[0] != '.' &&
           strspn(etag, "0123456789abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-") == n;
}

static ifm_status look_at(pull *self, item *one, ifm_error *err)
{
    ifm_http_reply reply;
    char *escaped = ifm_http_escape(self->http, one->file);
    one->url = ifm_hub_format("%s/%s/resolve/%s/%s", self->endpoint, self->parts.repo,
                              self->repository.commit, escaped != NULL ? escaped : "");
    one->what = ifm_hub_format("%s: %s", self->parts.repo, one->file);
    bool fits = escaped != NULL && one->url != NULL && one->what != NULL;
    free(escaped);
    if (!fits)
        return no_memory(err);
    const ifm_http_request request = {.url = one->url, .what = one->what, .head = true};
    ifm_status st = ifm_http_do(self->http, &request, &reply, err);
    if (st == IFM_OK)
        st = ifm_http_expect(self->http, &request, &reply, err);
    if (st != IFM_OK)
        return st;
    if (!is_usable_etag(reply.etag))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: %s says no hash of it (ETag): is that a hub?", one->what,
                        reply.host);
    one->etag = strdup(reply.etag);
    one->n_bytes = reply.size;
    return one->etag != NULL ? IFM_OK : no_memory(err);
}

static ifm_status add_items(pull *self, const ifm_hub_files *wanted, size_t *first,
                            ifm_error *err)
{
    *first = self->n_items;
    item *grown =
        realloc(self->items, (self->n_items + wanted->count + 1) * sizeof *grown);
    if (grown == NULL)
        return no_memory(err);
    self->items = grown;
    ifm_status st = IFM_OK;
    for (size_t i = 0; st == IFM_OK && i < wanted->count; i++) {
        item *one = &self->items[self->n_items++];
        *one = (item){.file = wanted->paths[i]};
        one->here = is_linked(self, one->file, &one->n_bytes);
        if (!one->here)
            st = look_at(self, one, err);
    }
    return st;
}

static ifm_status check_room(pull *self, size_t first, ifm_error *err)
{
    int64_t missing = 0;
    for (size_t i = first; i < self->n_items; i++) {
        const item *one = &self->items[i];
        if (one->here)
            continue;
        if (one->n_bytes < 0 || self->account.all_bytes < 0) {
            self->account.all_bytes = -1;
            continue;
        }
        self->account.all_bytes += one->n_bytes;
        missing += one->n_bytes - ifm_hub_blob_bytes_here(&self->place, one->etag);
    }
    return ifm_hub_check_room(self->cache, missing, err);
}

/* ---- 4. the bytes ----------------------------------------------------------------- */

static ifm_status fetch_items(pull *self, const ifm_hub_files *wanted, ifm_error *err)
{
    size_t first;
    ifm_status st = add_items(self, wanted, &first, err);
    if (st == IFM_OK)
        st = check_room(self, first, err);
    for (size_t i = first; st == IFM_OK && i < self->n_items; i++) {
        const item *one = &self->items[i];
        if (one->here)
            continue;
        const ifm_hub_blob blob = {one->etag, one->n_bytes, one->url, one->what,
                                   one->file};
        st = ifm_hub_blob_fetch(self->http, self->watch, &self->place, &blob,
                                &self->account, err);
        if (st == IFM_OK)
            st = ifm_hub_link(self->directory, self->repository.commit, one->file,
                              one->etag, err);
    }
    return st;
}

/* ---- 5. shards -------------------------------------------------------------------- */

/* Takes those that the hub has and that were not fetched; those that it does not have are an
 * error: the model is not whole. */
static ifm_status add_shards(pull *self, const char *index, ifm_hub_files *more,
                             ifm_error *err)
{
    ifm_hub_files shards = {0};
    ifm_status st = ifm_hub_shards(index, &shards, err);
    for (size_t i = 0; st == IFM_OK && i < shards.count; i++) {
        const char *file = shards.paths[i];
        if (!ifm_hub_files_have(&self->repository.files, file))
            st = ifm_fail(err, IFM_ERR_FORMAT,
                          "%s: " IFM_HUB_INDEX " names %s, which the hub does not have",
                          self->name, file);
        else if (!ifm_hub_files_have(&self->choice.wanted, file) &&
                 !ifm_hub_files_add(more, file, strlen(file)))
            st = no_memory(err);
    }
    ifm_hub_files_deinit(&shards);
    return st;
}

static ifm_status fetch_shards(pull *self, ifm_hub_files *more, ifm_error *err)
{
    if (!ifm_hub_files_have(&self->choice.wanted, IFM_HUB_INDEX))
        return IFM_OK;
    char *index = ifm_hub_format("%s/snapshots/%s/" IFM_HUB_INDEX, self->directory,
                                 self->repository.commit);
    ifm_status st = index != NULL ? add_shards(self, index, more, err) : no_memory(err);
    if (st == IFM_OK && more->count > 0)
        st = fetch_items(self, more, err);
    free(index);
    return st;
}

/* ---- the end ---------------------------------------------------------------------- */

static ifm_status finish(pull *self, ifm_error *err)
{
    ifm_hub_pulled *out = self->out;
    ifm_status st = IFM_OK;
    if (strcmp(self->revision, self->repository.commit) != 0)
        st = ifm_hub_write_ref(self->directory, self->revision, self->repository.commit,
                               err);
    bool gguf = self->choice.kind == IFM_HUB_GGUF;
    out->path =
        ifm_hub_format("%s/snapshots/%s%s%s", self->directory, self->repository.commit,
                       gguf ? "/" : "", gguf ? self->choice.gguf : "");
    out->revision = strdup(self->repository.commit);
    out->license = self->repository.license;
    self->repository.license = NULL;
    for (size_t i = 0; i < self->n_items; i++) {
        int64_t n_bytes = 0;
        if (is_linked(self, self->items[i].file, &n_bytes))
            out->bytes += n_bytes;
    }
    out->n_files = self->n_items;
    out->new_bytes = self->account.new_bytes;
    out->n_unchecked = self->account.n_unchecked;
    if (st == IFM_OK && (out->path == NULL || out->revision == NULL))
        st = no_memory(err);
    return st;
}

static ifm_status fetch_all(pull *self, ifm_hub_files *more, ifm_error *err)
{
    ifm_status st = connect_to_hub(self, err);
    if (st == IFM_OK)
        st = ask(self, err);
    if (st == IFM_OK)
        st = ifm_hub_choose(&self->repository.files, self->name, self->parts.select,
                            &self->choice, err);
    if (st == IFM_OK && self->choice.kind == IFM_HUB_SAFETENSORS &&
        !ifm_hub_files_have(&self->choice.wanted, "config.json"))
        st = ifm_fail(err, IFM_ERR_NOT_FOUND, "%s: has weights, but no config.json",
                      self->name);
    if (st == IFM_OK)
        st = ifm_hub_place_make(&self->place, err);
    if (st == IFM_OK)
        st = fetch_items(self, &self->choice.wanted, err);
    if (st == IFM_OK)
        st = fetch_shards(self, more, err);
    return st == IFM_OK ? finish(self, err) : st;
}

static void release(pull *self)
{
    for (size_t i = 0; i < self->n_items; i++) {
        free(self->items[i].url);
        free(self->items[i].what);
        free(self->items[i].etag);
    }
    free(self->items);
    ifm_hub_choice_deinit(&self->choice);
    ifm_hub_repository_deinit(&self->repository);
    ifm_http_free(self->http);
    ifm_hub_name_deinit(&self->parts);
    free(self->endpoint);
    free(self->cache);
    free(self->directory);
    free(self->token);
}

static ifm_status find_pulled(const char *name, ifm_hub_pulled *out, ifm_error *err)
{
    ifm_error why = {0};
    if (ifm_hub_resolve_cached(name, &out->path, &why) == IFM_OK)
        return IFM_OK;
    return ifm_fail(
        err, IFM_ERR_NOT_FOUND,
        "%s: is not (all of it) in the hub's cache, and HF_HUB_OFFLINE forbids "
        "to fetch it: unset it",
        name);
}

ifm_status ifm_hub_pull(const char *name, const char *revision,
                        const ifm_hub_watch *watch, ifm_hub_pulled *out, ifm_error *err)
{
    *out = (ifm_hub_pulled){0};
    pull self = {.name = name, .watch = watch, .out = out};
    ifm_hub_files more = {0};
    ifm_status st = begin(&self, revision, err);
    if (st == IFM_OK && ifm_hub_offline()) {
        bool plain = strcmp(self.revision, "main") == 0;
        const char *select = self.parts.select;
        char *full = ifm_hub_format("%s%s%s%s%s", self.parts.repo, plain ? "" : "@",
                                    plain ? "" : self.revision, select != NULL ? ":" : "",
                                    select != NULL ? select : "");
        st = full != NULL ? find_pulled(full, out, err) : no_memory(err);
        free(full);
    } else if (st == IFM_OK) {
        st = fetch_all(&self, &more, err);
    }
    release(&self);
    ifm_hub_files_deinit(&more);
    if (st != IFM_OK)
        ifm_hub_pulled_deinit(out);
    return st;
}

void ifm_hub_pulled_deinit(ifm_hub_pulled *self)
{
    free(self->path);
    free(self->revision);
    free(self->license);
    free(self->host);
    *self = (ifm_hub_pulled){0};
}
