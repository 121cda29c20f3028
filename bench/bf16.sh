#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What bf16 arithmetic changes: the same audit with the same seed in float and
# in bf16 (float master weights), every reported metric side by side, and how
# much faster the target trained. Ends with `bf16: skipped`, and status 77,
# where the processor or the backend has no bf16.
# ARCH, RECORDS, EPOCHS, REFERENCES, SEED and THREADS change the run.
set -eu
. "$(dirname "$0")/lib.sh"

measure() {
    # shellcheck disable=SC2086
    audit fashion-mnist --arch "${ARCH:-simplecnn}" \
        --records "${RECORDS:-4000}" --epochs "${EPOCHS:-30}" \
        --references "${REFERENCES:-8}" --controls none --evaluate-every 0 \
        $common --dtype "$1" --out "$work/$1"
}

if ! "$assay" train fashion-mnist --records 64 --epochs 1 --dtype bf16 -q \
    --out "$work/try.safetensors" >/dev/null 2>"$work/why.txt"; then
    cat "$work/why.txt"
    echo "bf16: skipped"
    exit 77
fi
measure f32
measure bf16
findings bf16 "$work/f32" "$work/bf16"
