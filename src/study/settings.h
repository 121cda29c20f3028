/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_STUDY_SETTINGS_H
#define ASSAY_STUDY_SETTINGS_H

#include "study/grid.h"

/* What the preset says of models and images. */
void assay__study_settings_init(struct assay__study_settings *settings,
                                const struct assay__study_preset *preset);
/* What `set` gives, over it. ASSAY_FORMAT names the key, value and limit. */
int assay__study_settings_apply(struct assay__study_settings *settings,
                                const struct assay__study_set *set,
                                struct assay_error *err) ASSAY_MUST_CHECK;

#endif
