/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_ZIP_BYTES_H
#define ASSAY_TESTS_ZIP_BYTES_H

/*
 * Zips of stored members by hand, with whatever lie a test wants told.
 */

#include <stdint.h>
#include <string.h>

enum { ZIP_BYTES_MAX = 1 << 16, ZIP_MEMBERS_MAX = 64 };

struct zip_member {
    const char *name;
    const void *data;
    size_t size;
    const char *local_name; /* NULL: as `name` */
    uint32_t flags, method;
    uint32_t claim; /* size that the directory states, when not 0 */
    uint32_t mode;  /* of Unix */
    uint32_t crc_xor;
    uint32_t gap; /* bytes before the member */
    size_t at;    /* out: of the data */
};

struct zip_bytes {
    unsigned char data[ZIP_BYTES_MAX];
    size_t size;
    size_t directory_at;
};

static inline uint32_t zip_crc(const void *bytes, size_t n)
{
    const unsigned char *data = bytes;
    uint32_t crc = ~0u;

    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static inline void zip_put(struct zip_bytes *z, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes && z->size < ZIP_BYTES_MAX; i++)
        z->data[z->size++] = (unsigned char)(value >> (8 * i));
}

static inline void zip_text(struct zip_bytes *z, const void *text, size_t n)
{
    if (n > ZIP_BYTES_MAX - z->size)
        n = ZIP_BYTES_MAX - z->size;
    if (n)
        memcpy(z->data + z->size, text, n);
    z->size += n;
}

/* What local header and directory entry have alike. */
static inline void zip_common(struct zip_bytes *z, const struct zip_member *m,
                              const char *name, uint32_t claim)
{
    zip_put(z, 20, 2);
    zip_put(z, m->flags, 2);
    zip_put(z, m->method, 2);
    zip_put(z, 0x00210000, 4);
    zip_put(z, zip_crc(m->data, m->size) ^ m->crc_xor, 4);
    zip_put(z, m->size, 4);
    zip_put(z, claim ? claim : m->size, 4);
    zip_put(z, strlen(name), 2);
    zip_put(z, 0, 2);
}

/* Append an archive to what is in `z` already. */
static inline void zip_make(struct zip_bytes *z, struct zip_member *m, size_t n)
{
    size_t at[ZIP_MEMBERS_MAX];
    size_t base = z->size;
    size_t directory;

    for (size_t i = 0; i < n && i < ZIP_MEMBERS_MAX; i++) {
        const char *name = m[i].local_name ? m[i].local_name : m[i].name;

        for (uint32_t k = 0; k < m[i].gap; k++)
            zip_put(z, 'g', 1);
        at[i] = z->size - base;
        zip_put(z, 0x04034b50, 4);
        zip_common(z, &m[i], name, 0);
        zip_text(z, name, strlen(name));
        m[i].at = z->size;
        zip_text(z, m[i].data, m[i].size);
    }
    directory = z->size;
    z->directory_at = directory;
    for (size_t i = 0; i < n && i < ZIP_MEMBERS_MAX; i++) {
        zip_put(z, 0x02014b50, 4);
        zip_put(z, 0x0314, 2);
        zip_common(z, &m[i], m[i].name, m[i].claim);
        zip_put(z, 0, 2);
        zip_put(z, 0, 2);
        zip_put(z, 0, 2);
        zip_put(z, (uint64_t)m[i].mode << 16, 4);
        zip_put(z, at[i], 4);
        zip_text(z, m[i].name, strlen(m[i].name));
    }
    zip_put(z, 0x06054b50, 4);
    zip_put(z, 0, 4);
    zip_put(z, n, 2);
    zip_put(z, n, 2);
    zip_put(z, z->size - 12 - directory, 4);
    zip_put(z, directory - base, 4);
    zip_put(z, 0, 2);
}

#endif
