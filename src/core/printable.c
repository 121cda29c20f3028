/* SPDX-License-Identifier: Apache-2.0 */
/* Characters that a reader must not be shown (printable.h). */

#include "core/printable.h"

size_t assay__unprintable(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    if ((p[0] < 0x20 && p[0] != '\0' && p[0] != '\n' && p[0] != '\t') ||
        p[0] == 0x7f)
        return 1;
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
        return 2; /* C1 controls */
    if (p[0] != 0xe2)
        return 0;
    if (p[1] == 0x80 && ((p[2] >= 0xaa && p[2] <= 0xae) || p[2] == 0x8e ||
                         p[2] == 0x8f || p[2] == 0xa8 || p[2] == 0xa9))
        return 3; /* marks, embeddings and overrides; line separators */
    if (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
        return 3; /* isolates */
    return 0;
}

void assay__make_printable(char *text)
{
    const char *from = text;
    char *to = text;

    while (*from != '\0') {
        size_t unsafe = assay__unprintable(from);

        if (unsafe > 0 || *from == '\n' || *from == '\t') {
            *to++ = '?';
            from += unsafe > 0 ? unsafe : 1;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}
