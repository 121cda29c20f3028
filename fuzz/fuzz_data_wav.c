/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes are a WAV file, copied so that a read past its end is seen; what
 * it gives is drawn. */

#include <string.h>

#include "core/mem.h"
#include "data/sound.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__spectrogram s = {
        .height = 4, .width = 4, .rate = 1000, .seconds = 1};
    unsigned char *copy = assay__malloc(size ? size : 1);
    struct assay__sound sound = {0};
    struct assay_error err;
    uint8_t pixels[16];

    if (copy && size)
        memcpy(copy, data, size);
    if (copy && assay__wav_read(&sound, copy, size, 4096, &err) == ASSAY_OK &&
        assay__spectrogram_init(&s, &err) == ASSAY_OK) {
        (void)!assay__spectrogram_draw(&s, &sound, pixels, &err);
        assay__spectrogram_release(&s);
    }
    assay__sound_release(&sound);
    assay__free(copy);
    return 0;
}
