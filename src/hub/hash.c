#include "hub/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/error.h"

enum { PIECE = 1 << 20 };

struct ifm_hash {
    EVP_MD_CTX *context;
};

ifm_hash_kind ifm_hash_kind_of(const char *name)
{
    size_t n = strlen(name);
    if (strspn(name, "0123456789abcdef") != n)
        return IFM_HASH_NONE;
    return n == 64 ? IFM_HASH_SHA256 : n == 40 ? IFM_HASH_GIT_SHA1 : IFM_HASH_NONE;
}

const char *ifm_hash_kind_name(ifm_hash_kind kind)
{
    static const char *const names[] = {"none", "sha256", "git sha1"};
    return names[kind];
}

ifm_status ifm_hash_new(ifm_hash_kind kind, int64_t n_bytes, ifm_hash **out,
                        ifm_error *err)
{
    *out = NULL;
    ifm_hash *self = calloc(1, sizeof *self);
    EVP_MD_CTX *context = self != NULL ? EVP_MD_CTX_new() : NULL;
    if (context == NULL) {
        free(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "hash: no memory");
    }
    self->context = context;
    const EVP_MD *method = kind == IFM_HASH_GIT_SHA1 ? EVP_sha1() : EVP_sha256();
    bool fine = EVP_DigestInit_ex(context, method, NULL) == 1;
    if (kind == IFM_HASH_GIT_SHA1) {
        char head[40];
        int n = snprintf(head, sizeof head, "blob %lld", (long long)n_bytes);
        fine = fine && ifm_hash_add(self, head, (size_t)n + 1); /* with its NUL */
    }
    if (!fine) {
        ifm_hash_free(self);
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "hash: this system's libcrypto computes no %s",
                        ifm_hash_kind_name(kind));
    }
    *out = self;
    return IFM_OK;
}

bool ifm_hash_add(ifm_hash *self, const void *bytes, size_t n)
{
    return EVP_DigestUpdate(self->context, bytes, n) == 1;
}

bool ifm_hash_finish(ifm_hash *self, char digits[65])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(self->context, bytes, &n) != 1 || n > 32)
        return false;
    for (unsigned i = 0; i < n; i++)
        snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

void ifm_hash_free(ifm_hash *self)
{
    if (self != NULL)
        EVP_MD_CTX_free(self->context);
    free(self);
}

ifm_status ifm_hash_add_file(ifm_hash *self, int fd, const char *path,
                             bool (*stop)(void *user, int64_t done), void *user,
                             ifm_error *err)
{
    int64_t done = 0;
    ifm_status st = IFM_OK;
    char *piece = malloc(PIECE);
    if (piece == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    for (ssize_t n; st == IFM_OK; done += n) {
        do
            n = read(fd, piece, PIECE);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            st = ifm_fail_errno(err, errno, "%s: cannot read at byte %lld", path,
                                (long long)done);
        if (n <= 0)
            break;
        if (!ifm_hash_add(self, piece, (size_t)n))
            st = ifm_fail(err, IFM_ERR_UNSUPPORTED, "%s: libcrypto failed", path);
        else if (stop != NULL && stop(user, done + n))
            st = ifm_fail(err, IFM_ERR_CANCELLED, "%s: interrupted", path);
    }
    free(piece);
    return st;
}
