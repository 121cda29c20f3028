/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FUZZ_FILES_H
#define ASSAY_FUZZ_FILES_H

/* For readers that open a file themselves: inputs under a name in a folder of
 * this process, which stays behind in /tmp. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The path of file `name`; until the next call. */
static inline const char *fuzz_path(const char *name)
{
    static char folder[] = "/tmp/assay-fuzz-XXXXXX";
    static char path[sizeof(folder) + 64];
    static int made;

    if (!made && !mkdtemp(folder))
        abort();
    made = 1;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static inline void fuzz_write(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(fuzz_path(name), "wb");

    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
}

#endif
