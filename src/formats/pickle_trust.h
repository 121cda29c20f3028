/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_PICKLE_TRUST_H
#define ASSAY_FORMATS_PICKLE_TRUST_H

/*
 * What the names in a pickle are worth. The default is no: only what
 * pickle_allowed.def lists is harmless. What is not there is dangerous when
 * it belongs to Python itself or to a library that is known to run code,
 * read files or load further pickles, and unknown otherwise.
 */

enum assay__pickle_trust {
    ASSAY__TRUST_ALLOWED,
    ASSAY__TRUST_UNKNOWN,
    ASSAY__TRUST_DANGEROUS
};

/* `*why` (may be NULL) is half a sentence: "is part of Python itself". */
enum assay__pickle_trust assay__pickle_judge(const char *module,
                                             const char *name,
                                             const char **why);

#endif
