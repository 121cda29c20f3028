/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file to be scanned. */

#include "assay/scan.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_scan scan;
    struct assay_error err;

    if (assay_scan_bytes(&scan, data, size, "a.pt", &err) == ASSAY_OK)
        assay_scan_release(&scan);
    return 0;
}
