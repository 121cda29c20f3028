/* SPDX-License-Identifier: Apache-2.0 */
/* Any words, one per line, as the command line of each command. */

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "core/mem.h"
#include "fuzz.h"

enum { WORDS_MAX = 32 };

static int split(char *text, char **argv)
{
    int argc = 0;
    char *rest = text;
    char *word;

    while (argc < WORDS_MAX && (word = strsep(&rest, "\n")) != NULL)
        argv[argc++] = word;
    return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = assay__malloc(size + 1);
    char *argv[WORDS_MAX];
    int argc;
    size_t i;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    argc = split(text, argv);
    for (i = 0; assay__commands[i] != NULL; i++) {
        const struct assay__command *command = assay__commands[i];
        void *values = assay__calloc(1, command->values_size + 1);
        struct assay__parsed parsed;
        struct assay_error err;

        if (values != NULL)
            (void)!assay__options_parse(command, argc, argv, values, &parsed,
                                        &err);
        assay__free(values);
    }
    assay__free(text);
    return 0;
}
