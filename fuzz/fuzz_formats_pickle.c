/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a pickle, with its tree kept and without. */

#include "formats/pickle_machine.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct assay__pickle_hooks hooks = {0};
    struct assay__pickle_machine m;
    struct assay_error err;

    for (int keep = 0; keep < 2; keep++) {
        assay__pickle_machine_init(&m, &hooks, keep);
        (void)!assay__pickle_run(&m, data, size, 0, NULL, &err);
        assay__pickle_machine_release(&m);
    }
    return 0;
}
