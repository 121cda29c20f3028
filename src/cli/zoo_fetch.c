/* SPDX-License-Identifier: Apache-2.0 */
/* assay zoo fetch: the file of a model, from its link. */

#include <inttypes.h>
#include <string.h>

#include "session.h"
#include "json_output.h"
#include "zoo.h"

struct values {
    struct assay__zoo_values common;
    const char *url;
    const char *sha256;
    int64_t max_mib;
    int allow_local;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"url", 0, ASSAY__OPTION_TEXT, "URL", NULL, 0, 0, NULL,
     "which of several links",
     offsetof(struct values, url)},
    {"sha256", 0, ASSAY__OPTION_TEXT, "HEX", NULL, 0, 0, NULL,
     "what the file must have, else it is thrown away",
     offsetof(struct values, sha256)},
    {"max-size", 0, ASSAY__OPTION_INT, "MIB", "4096", 1, 1048576, NULL,
     "largest file that is taken, in MiB",
     offsetof(struct values, max_mib)},
    {"allow-local", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "also from this machine and local networks, and through proxies",
     offsetof(struct values, allow_local)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Fetch", own_options, 0},
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__zoo_command_fetch = {
    .name = "zoo fetch",
    .summary = "Download the file of a model from its link.",
    .usage = "ID|NAME [options]",
    .examples = "assay zoo fetch 17\n"
                "assay zoo fetch resnet20 --sha256 12fca82f0bebc4135bf1f32f6e37"
                "10e61d5108578464b84fd6d7f5c1b04036c8",
    .notes = "The file goes into the folder `files` beside the zoo, named "
             "after its SHA-256. What\nis cut off goes on with the next try. "
             "The file is not opened; who made it could\nhave made it for "
             "whoever loads it.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

static int print_file(const struct values *v, const char *model,
                      const struct assay_zoo_file *f, struct assay_error *err)
{
    if (v->common.json)
        return assay__print_json(json_pack("{s:I, s:b, s:I, s:s, s:s}", "model",
                                           (json_int_t)f->model_id, "fetched",
                                           f->is_new, "size_bytes",
                                           (json_int_t)f->size_bytes, "sha256",
                                           f->sha256, "format", f->format),
                                 "the result", err);
    if (!v->common.quiet)
        printf("%s: model %" PRId64 ", %" PRIu64 " bytes, %s, SHA-256 %s%s\n",
               model, f->model_id, f->size_bytes, f->format, f->sha256,
               f->is_new ? "" : " (was here)");
    return ASSAY_OK;
}

static int fetch(const struct values *v, const struct assay__parsed *parsed,
                 struct assay__session *s, struct assay_error *err)
{
    int refuse = 1;
    const struct assay_zoo_fetch how = {
        .url = v->url,
        .sha256 = v->sha256,
        .max_bytes = (uint64_t)v->max_mib << 20,
        .allow_local = v->allow_local,
        .scan = assay__zoo_scan,
        .user = &refuse,
    };
    struct assay_zoo_file file;
    assay_zoo *zoo = NULL;
    int code;

    if (parsed->n_args != 1)
        return assay_error_set(err, ASSAY_ARG,
                               "no model is named; usage: assay zoo fetch %s",
                               assay__zoo_command_fetch.usage);
    code = assay__zoo_open(&zoo, &v->common, ASSAY_ZOO_WRITE, err);
    if (code == ASSAY_OK)
        code = assay_zoo_fetch_file(zoo, parsed->arg[0], &how, &s->ctx, &file,
                                    err);
    assay__progress_clear(&s->progress);
    if (code == ASSAY_OK)
        code = print_file(v, parsed->arg[0], &file, err);
    assay_zoo_close(zoo);
    return code;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_fetch;
    struct assay__common_values common = {
        .backend = "onednn", .algorithms = "tuned", .dtype = "f32"};
    struct assay__session session;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    common.json = v.common.json;
    common.quiet = v.common.quiet;
    code = assay__session_open(&session, command, &common, &err);
    /* No kernel runs here, so no choice of kernels is to be kept. */
    assay_tuning_free(session.tuning);
    session.tuning = NULL;
    if (code == ASSAY_OK)
        code = fetch(&v, &parsed, &session, &err);
    status = assay__session_end(&session, code, &err);
    assay__session_close(&session);
    return status;
}
