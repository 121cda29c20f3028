/* SPDX-License-Identifier: Apache-2.0 */
/* The program `assay`: everything is in commands.c and the commands. */

#include "commands.h"

int main(int argc, char **argv)
{
    return assay__main(argc, argv);
}
