/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_DOWNLOAD_H
#define ASSAY_ZOO_DOWNLOAD_H

/* One file over the network (libcurl), into a part file that survives. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "assay/context.h"

struct assay__download {
    const char *url;
    const char *part; /* file that grows; "PART.tag" says of what version */
    uint64_t max_bytes;
    bool allow_local;
    const struct assay_context *ctx; /* or NULL */
};

/*
 * All of the file into `part`, going on from what is there. Errors: as
 * assay_zoo_fetch_file(). After _LIMIT the part is gone, after others it may
 * stay.
 */
int assay__download(const struct assay__download *d,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/* Whether it is an address that all of the Internet can reach: not of this
 * machine, a local network, a group, or reserved; not one that stands for
 * such (mapped and translated ones). */
bool assay__address_is_public(const struct sockaddr *address);

#endif
