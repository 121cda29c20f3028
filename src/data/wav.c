/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of WAV files, a sub-folder per class (class_files.c), as
 * spectrograms: images of one channel that networks for images take
 * (spectrogram.c tells how they are made).
 */

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "core/thread.h"
#include "data/data.h"
#include "data/sound.h"

#define FILE_MAX_BYTES ((size_t)1 << 28)

static const char *const suffixes[] = {".wav", ".wave", NULL};
static const struct assay__file_kind sounds = {suffixes, ".wav or .wave",
                                               "sounds"};

struct loading {
    struct assay_dataset *ds;
    char *const *path;
    struct assay__spectrogram how;
};

static int draw_file(void *user, size_t i, struct assay_error *err)
{
    const struct loading *l = user;
    struct assay__sound sound = {0};
    unsigned char *data = NULL;
    size_t size = 0;
    int rc = assay__read_file(l->path[i], FILE_MAX_BYTES, &data, &size, err);

    if (rc)
        return rc;
    /* One second more than is shown, for the filter's reach. */
    rc = assay__wav_read(&sound, data, size,
                         (size_t)ASSAY__RATE_MAX * ((size_t)l->how.seconds + 1),
                         err);
    if (!rc)
        rc = assay__spectrogram_draw(
            &l->how, &sound, l->ds->pixels + i * assay__dataset_elements(l->ds),
            err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", l->path[i]);
    assay__sound_release(&sound);
    assay__free(data);
    return rc;
}

static int load(struct assay_dataset *ds, const struct assay__spec *spec,
                const struct assay__class_files *files, struct assay_error *err)
{
    struct loading l = {.ds = ds, .path = files->path};
    struct assay__dataset_shape shape = {.channels = 1};
    int rc;

    l.how.height = shape.height = spec->size[0] ? spec->size[0] : 32;
    l.how.width = shape.width = spec->size[0] ? spec->size[1] : 32;
    l.how.rate = spec->rate ? spec->rate : 16000;
    l.how.seconds = spec->seconds ? spec->seconds : 1;
    if ((size_t)l.how.height * (size_t)l.how.width > (size_t)1 << 22)
        return assay_error_set(err, ASSAY_LIMIT,
                               "spectrograms of %dx%d; at most 4194304 pixels "
                               "are made",
                               l.how.height, l.how.width);
    rc = assay__spectrogram_init(&l.how, err);
    if (!rc)
        rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = assay__dataset_grow(ds, files->n, err);
    if (!rc)
        rc = assay__thread_run(assay__thread_cores(), files->n, draw_file, &l,
                               err);
    if (!rc)
        memcpy(ds->labels, files->label, files->n * sizeof(*files->label));
    assay__spectrogram_release(&l.how);
    return rc;
}

static int open_wav(struct assay_dataset *ds, const struct assay__spec *spec,
                    struct assay_error *err)
{
    struct assay__class_files files = {0};
    int rc;

    rc = assay__class_files_find(&files, spec->path, &sounds, spec->max_records,
                                 err);
    if (!rc)
        rc = assay__dataset_classes(ds, (int)files.n_classes,
                                    (const char *const *)files.class_name, err);
    if (!rc)
        rc = load(ds, spec, &files, err);
    assay__class_files_release(&files);
    return rc;
}

static bool probe(const char *path)
{
    return assay__class_files_probe(path, &sounds);
}

const struct assay_dataset_kind assay_dataset_kind_wav = {
    .name = "wav",
    .takes = ASSAY__SPEC_SIZE | ASSAY__SPEC_AUDIO,
    .probe = probe,
    .open = open_wav,
};
