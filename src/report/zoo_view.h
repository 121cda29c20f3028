/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_ZOO_VIEW_H
#define ASSAY_REPORT_ZOO_VIEW_H

/*
 * The pages of a zoo, from its JSON export (docs/zoo.md): an index of models
 * by dataset, a page for each model. A key of another type than expected
 * counts as absent. `b` starts empty; look at b->failed afterwards.
 */

#include "core/buf.h"
#include "report/view.h"

/* ASSAY_FORMAT when it is no export of a zoo. */
int assay__zoo_document_check(const json_t *doc,
                              struct assay_error *err) ASSAY_MUST_CHECK;
void assay__zoo_index_write(const json_t *doc, struct assay__buf *b);
void assay__zoo_model_write(const json_t *doc, const json_t *model,
                            struct assay__buf *b);
/* Name of a model's page in the folder `models`: its number. */
void assay__zoo_page_name(const json_t *model, char name[40]);
/* From the first byte to the body; `rules` (or NULL) are more style. */
void assay__zoo_head(const json_t *doc, const char *title, const char *rules,
                     struct assay__buf *b);

#endif
