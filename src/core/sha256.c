/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 in hex, on libcrypto; see fs.h. */

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"

int assay__sha256_begin(struct assay__sha256 *h)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    h->state = ctx;
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
        return ASSAY_OK;
    EVP_MD_CTX_free(ctx);
    h->state = NULL;
    return ASSAY_NOMEM;
}

void assay__sha256_add(struct assay__sha256 *h, const void *data, size_t size)
{
    if (h->state)
        EVP_DigestUpdate(h->state, data, size);
}

void assay__sha256_end(struct assay__sha256 *h, char text[ASSAY__SHA256_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned int n = 0;

    if (h->state)
        EVP_DigestFinal_ex(h->state, digest, &n);
    EVP_MD_CTX_free(h->state);
    h->state = NULL;
    for (size_t i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

int assay__sha256_file(const char *path, char text[ASSAY__SHA256_TEXT],
                       struct assay_error *err)
{
    static const size_t chunk = 1 << 16;
    unsigned char buffer[1 << 16];
    struct assay__sha256 h;
    FILE *f = fopen(path, "rb");
    size_t n;
    int failed;

    if (!f)
        return assay_error_set(err, ASSAY_IO, "%s: cannot open: %s", path,
                               strerror(errno));
    if (assay__sha256_begin(&h)) {
        fclose(f);
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
    }
    while ((n = fread(buffer, 1, chunk, f)) > 0)
        assay__sha256_add(&h, buffer, n);
    failed = ferror(f);
    assay__sha256_end(&h, text);
    fclose(f);
    if (failed)
        return assay_error_set(err, ASSAY_IO, "%s: cannot read", path);
    return ASSAY_OK;
}
