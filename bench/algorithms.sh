#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Does it cost accuracy to choose algorithms by timing? The same trainings with
# direct convolutions and with those that training chose (Winograd among them),
# several seeds each: test accuracy, and whether the difference of the means
# lies within what the seeds' spread lets chance do.
# ARCHS, RECORDS, EPOCHS, SEEDS and THREADS change the run; KEEP=1 goes on with
# one that was interrupted.
set -eu
. "$(dirname "$0")/lib.sh"

# accuracy ARCH SEED ALGORITHMS
accuracy() {
    model=$work/$1-$2-$3.safetensors
    [ -f "$model" ] || "$assay" train fashion-mnist --arch "$1" --seed "$2" \
        --algorithms "$3" --threads "${THREADS:-0}" --resize 32x32 \
        --records "${RECORDS:-4000}" --epochs "${EPOCHS:-6}" \
        --milestones 4 --evaluate-every 0 -q --out "$model" >/dev/null
    "$assay" eval "$model" --data fashion-mnist --quarter target-test \
        --json -q
}

for arch in ${ARCHS:-simplecnn3 vgg19_bn resnet18}; do
    seed=0
    while [ "$seed" -lt "${SEEDS:-5}" ]; do
        for way in direct tuned; do
            accuracy "$arch" "$seed" "$way" >"$work/eval-$arch-$seed-$way.json"
        done
        seed=$((seed + 1))
    done
done
exec python3 "$here/algorithms.py" "$work" ${ARCHS:-simplecnn3 vgg19_bn resnet18}
