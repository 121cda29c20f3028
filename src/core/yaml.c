/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcyaml speaks to a log: what it said of a mistake, and where, is caught
 * there and becomes one message.
 */

#include "core/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* What libcyaml said: its first line, and the first place it named. */
struct complaint {
    char what[120];
    int line;
    int column;
};

/* The number behind `word`; 0 when it is not there. */
static int number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    return at != NULL ? (int)strtol(at + strlen(word), NULL, 10) : 0;
}

static void listen(cyaml_log_t level, void *user, const char *fmt, va_list args)
    ASSAY_PRINTF(3, 0);
static void listen(cyaml_log_t level, void *user, const char *fmt, va_list args)
{
    struct complaint *c = user;
    char text[200];
    const char *place;

    (void)level;
    vsnprintf(text, sizeof(text), fmt, args);
    text[strcspn(text, "\n")] = '\0';
    place = strstr(text, "(line: ");
    if (place != NULL && c->line == 0) {
        c->line = number_after(place, "(line: ");
        c->column = number_after(place, "column: ");
    } else if (place == NULL && c->what[0] == '\0' &&
               strncmp(text, "Load: ", 6) == 0) {
        snprintf(c->what, sizeof(c->what), "%.110s", text + 6);
    }
}

static void *memory(void *user, void *old, size_t size)
{
    (void)user;
    if (size == 0) {
        assay__free(old);
        return NULL;
    }
    return assay__realloc(old, size, 1);
}

/* libcyaml names the place before an unknown key; the key itself is the next
 * line that begins with it. */
static void find_key(const char *text, struct complaint *c)
{
    static const char start[] = "Unexpected key: ";
    const char *key = c->what + sizeof(start) - 1;
    const char *line = text;
    int number = 1;

    if (strncmp(c->what, start, sizeof(start) - 1) != 0)
        return;
    while (*line != '\0') {
        size_t indent = strspn(line, " -\t");

        if (number >= c->line &&
            strncmp(line + indent, key, strlen(key)) == 0 &&
            line[indent + strlen(key)] == ':') {
            c->line = number;
            c->column = (int)indent + 1;
            return;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
        number++;
    }
}

static cyaml_config_t config_for(struct complaint *said)
{
    cyaml_config_t config;

    memset(&config, 0, sizeof(config));
    config.log_fn = listen;
    config.log_ctx = said;
    config.mem_fn = memory;
    config.log_level = CYAML_LOG_ERROR;
    config.flags = CYAML_CFG_NO_ALIAS;
    return config;
}

int assay__yaml_load(void **data, const char *text, size_t size,
                     const cyaml_schema_value_t *schema, const char *what,
                     struct assay_error *err)
{
    struct complaint said = {"", 0, 0};
    const cyaml_config_t config = config_for(&said);
    cyaml_data_t *loaded = NULL;
    cyaml_err_t result;

    result = cyaml_load_data((const uint8_t *)text, size, &config, schema,
                             &loaded, NULL);
    if (result == CYAML_OK && loaded != NULL) {
        *data = loaded;
        return ASSAY_OK;
    }
    (void)cyaml_free(&config, schema, loaded, 0);
    if (result == CYAML_ERR_OOM)
        return assay_error_set(err, ASSAY_NOMEM, "%s", what);
    if (result == CYAML_OK)
        return assay_error_set(err, ASSAY_FORMAT, "%.90s: empty", what);
    find_key(text, &said);
    return assay_error_set(
        err, ASSAY_FORMAT, "%.90s: line %d, column %d: %s", what, said.line,
        said.column, said.what[0] != '\0' ? said.what : cyaml_strerror(result));
}

void assay__yaml_free(const cyaml_schema_value_t *schema, void *data)
{
    struct complaint said = {"", 0, 0};
    const cyaml_config_t config = config_for(&said);

    (void)cyaml_free(&config, schema, data, 0);
}
