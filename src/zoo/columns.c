/* SPDX-License-Identifier: Apache-2.0 */
/* The table of columns (columns.h). */

#include "zoo/columns.h"

#include <string.h>

static const struct assay__zoo_column columns[] = {
#define ASSAY_ZOO_COLUMN(name, type, unit, sense, help) \
    {{#name, ASSAY_ZOO_##type, unit, sense, help}, "m." #name},
#include "zoo/columns.def"
#undef ASSAY_ZOO_COLUMN
    {{"id", ASSAY_ZOO_INTEGER, "", 0, "the zoo's own number"}, "m.id"},
    {{"name", ASSAY_ZOO_TEXT, "", 0, "not unique"}, "m.name"},
    {{"source", ASSAY_ZOO_TEXT, "", 0, "which import it is from"}, "s.name"},
    {{"dataset", ASSAY_ZOO_TEXT, "", 0, "trained on; any spelling"}, "d.name"},
    {{"data_category", ASSAY_ZOO_TEXT, "", 0, "of the dataset"}, "d.category"},
    {{"training_size", ASSAY_ZOO_INTEGER, "records", 0, "of the dataset"},
     "d.training_size"},
    {{"gap", ASSAY_ZOO_REAL, "fraction", -1, "train less test accuracy"},
     "(m.train_accuracy-m.test_accuracy)"},
    {{"path", ASSAY_ZOO_TEXT, "", 0, "of its first file that is here"},
     "(SELECT f.path FROM files f WHERE f.model_id=m.id AND "
     "f.sha256 IS NOT NULL ORDER BY f.id LIMIT 1)"},
    {{"sha256", ASSAY_ZOO_TEXT, "", 0, "of that file"},
     "(SELECT f.sha256 FROM files f WHERE f.model_id=m.id AND "
     "f.sha256 IS NOT NULL ORDER BY f.id LIMIT 1)"},
    {{"size_bytes", ASSAY_ZOO_INTEGER, "bytes", 0, "of that file"},
     "(SELECT f.size_bytes FROM files f WHERE f.model_id=m.id AND "
     "f.sha256 IS NOT NULL ORDER BY f.id LIMIT 1)"},
};

size_t assay__zoo_column_count(void)
{
    return sizeof(columns) / sizeof(columns[0]);
}

const struct assay__zoo_column *assay__zoo_column(size_t i)
{
    return &columns[i];
}

const struct assay__zoo_column *assay__zoo_column_find(const char *name)
{
    size_t i;

    for (i = 0; i < assay__zoo_column_count(); i++) {
        if (strcmp(columns[i].told.name, name) == 0)
            return &columns[i];
    }
    return NULL;
}

const struct assay_zoo_column *assay_zoo_column(size_t i)
{
    return i < assay__zoo_column_count() ? &columns[i].told : NULL;
}

void assay__zoo_dataset_key(const char *name, char *key, size_t size)
{
    size_t n = 0;

    for (; *name != '\0' && n + 1 < size; name++) {
        char c = *name;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            (unsigned char)c >= 0x80)
            key[n++] = c;
    }
    key[n] = '\0';
}
