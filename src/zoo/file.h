/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_FILE_H
#define ASSAY_ZOO_FILE_H

/* Files of models: what they are, by their bytes, and their rows. */

#include "zoo/put.h"

/* Size, SHA-256 and format; nothing but bytes is looked at. */
int assay__zoo_file_look(const char *path, struct assay_zoo_file *file,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Let `scan` look, NULL: nobody. Its line, or "", in `verdict`. */
int assay__zoo_file_scan(const char *path, assay_zoo_scan *scan, void *user,
                         char verdict[160],
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Note within a transaction that the file of `p->model_id` lies at `path`;
 * `url` (or NULL) is where it came from. */
int assay__zoo_file_put(struct assay__zoo_put *p, const char *path,
                        const char *url, const struct assay_zoo_file *file,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
