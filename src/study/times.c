/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timings.json counts the starts of each cell and the seconds of the process
 * that finished it. It is no input of anything.
 */

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "study/study.h"

enum { TIMINGS_MAX_BYTES = 16 << 20 };

json_t *assay__study_times_read(const assay_study *s)
{
    char *path = assay__path_join(s->options.out, "timings.json");
    json_t *root = NULL;

    if (path != NULL && assay__exists(path) &&
        assay__json_read(path, TIMINGS_MAX_BYTES, &root, NULL) == ASSAY_OK &&
        !json_is_object(json_object_get(root, "cells"))) {
        json_decref(root);
        root = NULL;
    }
    assay__free(path);
    return root != NULL ? root
                        : json_pack("{s:s, s:{}}", "schema",
                                    "assay-study-timings/1", "cells");
}

int assay__study_times_note(const assay_study *s, json_t *times, size_t i,
                            double seconds, struct assay_error *err)
{
    json_t *cells = json_object_get(times, "cells");
    json_t *entry = json_object_get(cells, s->cell[i].name);
    json_int_t starts = json_integer_value(json_object_get(entry, "starts"));
    char *path = assay__path_join(s->options.out, "timings.json");
    int code;

    entry = json_pack("{s:I, s:o}", "starts", starts + (seconds < 0), "seconds",
                      seconds < 0 ? json_null() : assay__json_real(seconds));
    if (path == NULL || json_object_set_new(cells, s->cell[i].name, entry) != 0)
        code =
            assay_error_set(err, ASSAY_NOMEM, "times of %s", s->cell[i].name);
    else
        code = assay__json_write(path, times, err);
    assay__free(path);
    return code;
}
