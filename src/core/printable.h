/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_PRINTABLE_H
#define ASSAY_CORE_PRINTABLE_H

#include <stddef.h>

/*
 * Text from strangers' files, before a terminal or a page shows it.
 */

/*
 * Length in bytes of the UTF-8 character at `text` when it must not be
 * shown: controls but for newline and tab, and what turns the direction of
 * text around or breaks its line. Else 0.
 */
size_t assay__unprintable(const char *text);

/* Make text one line without such characters, in place: a '?' for each of
 * them, newlines and tabs among them. It does not grow. */
void assay__make_printable(char *text);

#endif
