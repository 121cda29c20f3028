#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Speak the ten digits: sh bench/spoken-digits.sh FOLDER [N]. N files of each
# (150), FOLDER/DIGIT/NUMBER.wav, by espeak-ng in all its voice variants, at
# rates of 120 to 219 words a minute and pitches of 20 to 79. Synthetic
# speech: it stands in for a speech set where there is none, and figures on it
# say so. Equal versions of espeak-ng give equal files.
set -eu

folder=${1:-}
n=${2:-150}
if [ -z "$folder" ]; then
    echo "usage: spoken-digits.sh FOLDER [N]" >&2
    exit 4
fi
command -v espeak-ng >/dev/null || {
    echo "spoken-digits: no espeak-ng here (Debian: espeak-ng)" >&2
    exit 3
}
variants=$(espeak-ng --voices=variant | awk 'NR > 1 { print $NF }' |
    sed 's|^!v/||' | LC_ALL=C sort)
[ -n "$variants" ] || { echo "spoken-digits: no voice variants" >&2; exit 2; }

# shellcheck disable=SC2086
set -- $variants
digit=0
for word in zero one two three four five six seven eight nine; do
    mkdir -p "$folder/$digit"
    i=0
    while [ $i -lt "$n" ]; do
        # Another variant, rate and pitch for each file; the steps have no
        # common divisor with 100 and 60, so that all come up.
        shift_by=$(((i * 7 + digit * 3) % $# + 1))
        eval "variant=\${$shift_by}"
        espeak-ng -v "en-us+$variant" -s $((120 + (i * 37 + digit) % 100)) \
            -p $((20 + (i * 23 + digit * 5) % 60)) \
            -w "$folder/$digit/$(printf %04d $i).wav" "$word"
        i=$((i + 1))
    done
    digit=$((digit + 1))
done
