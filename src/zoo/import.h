/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_IMPORT_H
#define ASSAY_ZOO_IMPORT_H

/*
 * Readers of strangers' files: bytes in, rows to a sink. A reader claims a
 * file by its content (a damaged one too, so that it can say what is wrong)
 * and stops at the first row that it, or the sink, refuses.
 */

#include <stdbool.h>

#include "zoo/row.h"

struct assay__zoo_input {
    const char *name;          /* of the file, without folders */
    const char *folder;        /* the name of the folder it lies in, or "" */
    const unsigned char *data; /* one NUL behind it */
    size_t size;
    const char *sha256; /* of all of it */
};

struct assay__zoo_importer {
    const char *name;
    const char *source; /* when the user names none */
    bool onto;          /* it may speak of a model that is there already */
    bool (*probe)(const struct assay__zoo_input *in);
    int (*read)(const struct assay__zoo_input *in, assay__zoo_sink *sink,
                void *user, struct assay_error *err);
};

#define ASSAY_ZOO_IMPORTER(name) \
    extern const struct assay__zoo_importer assay__zoo_importer_##name;
#include "zoo/importers.def"
#undef ASSAY_ZOO_IMPORTER

#endif
