#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ML-Doctor's model stealing on Fashion-MNIST (Liu et al., USENIX Security
# 2022): its target (as in paper-fmnist.sh), copies of the same architecture
# from posteriors on the shadow quarters and on half of the training records,
# and models from scratch on the same records. Prints what the paper printed
# next to what was measured here.
# RECORDS, EPOCHS, SEED and THREADS change the run; KEEP=1 goes on with one that
# was interrupted.
set -eu
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086
audit fashion-mnist --records "${RECORDS:-17500}" --epochs "${EPOCHS:-300}" \
    --arch simplecnn --resize 32x32 --mean .1307 --std .3081 \
    --augment flip --optimizer sgd --lr .01 --momentum .9 \
    --weight-decay 5e-4 --schedule multistep --milestones 50,100 --gamma .1 \
    --batch 64 --evaluate-every 10 --references 0 --controls none \
    --attacks scratch-shadow,scratch-partial,steal-shadow,steal-partial \
    $common --out "$work/run"
findings paper-steal "$work/run"
