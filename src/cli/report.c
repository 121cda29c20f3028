/* SPDX-License-Identifier: Apache-2.0 */
/* assay report: write a run's report again from its findings, or a study's
 * page from study.json. */

#include <string.h>

#include "assay/report.h"
#include "commands.h"
#include "core/fs.h"
#include "core/mem.h"
#include "session.h"

struct values {
    struct assay__common_values common;
};

static const struct assay__option_group groups[] = {
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_report = {
    .name = "report",
    .summary = "Write the report of a run or study again.",
    .usage = "RUN [options]",
    .examples = "assay report runs/first\n"
                "assay report runs/first --json\n"
                "assay report studies/first",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

static int print_document(const char *folder, const char *name,
                          struct assay_error *err)
{
    enum { FINDINGS_MAX_BYTES = 256 << 20 };
    char *path = assay__path_join(folder, name);
    unsigned char *data = NULL;
    size_t size = 0;
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", folder);
    code = assay__read_file(path, FINDINGS_MAX_BYTES, &data, &size, err);
    if (code == ASSAY_OK)
        fwrite(data, 1, size, stdout);
    assay__free(data);
    assay__free(path);
    return code;
}

static int is_study(const char *folder)
{
    char *path = assay__path_join(folder, "study.json");
    int is = path != NULL && assay__exists(path);

    assay__free(path);
    return is;
}

static int report_study(const struct assay__session *s, const char *folder,
                        struct assay_error *err)
{
    int code = assay_study_report_write(folder, &s->ctx, err);

    if (code == ASSAY_OK && s->json)
        return print_document(folder, "study.json", err);
    if (code == ASSAY_OK)
        printf("Report  %s/study.html\n", folder);
    return code;
}

static int report_run(const struct assay__session *s, const char *folder,
                      struct assay_error *err)
{
    int code = assay_report_write(folder, &s->ctx, err);

    if (code == ASSAY_OK && s->json)
        return print_document(folder, "findings.json", err);
    if (code == ASSAY_OK)
        code = assay_report_terminal(folder, stdout, s->color, s->width, err);
    return code;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    const char *folder = call->parsed.arg[0];

    if (call->parsed.n_args != 1)
        return assay__call_misused(call, "no RUN is given", err);
    return is_study(folder) ? report_study(&call->session, folder, err)
                            : report_run(&call->session, folder, err);
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_report,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
