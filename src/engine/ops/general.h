/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_OPS_GENERAL_H
#define ASSAY_ENGINE_OPS_GENERAL_H

/* The functions behind the ops with kinds, for backends that loop over them
 * in layouts of their own. Kinds are in range: the shapes were checked. */

typedef double assay__unary_function(double x, double a, double b);
typedef double assay__binary_function(double a, double b);

assay__unary_function *assay__unary_value(int kind);
assay__unary_function *assay__unary_slope(int kind);
assay__binary_function *assay__binary_value(int kind);
/* By side 0 or 1. */
assay__binary_function *assay__binary_slope(int kind, int side);

#endif
