/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_BACKDOORS_BACKDOORS_H
#define ASSAY_BACKDOORS_BACKDOORS_H

/* What the backdoors share. */

#include "assay/backdoor.h"

/*
 * Train a fresh model of in->spec on the records of in->train, the share
 * `rate` of them stamped with out->trigger and relabelled, into out->model.
 */
int assay__backdoor_train(const struct assay_backdoor_input *in, double rate,
                          struct assay_backdoored *out,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
