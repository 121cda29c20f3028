#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ML-Doctor's DP-SGD on Fashion-MNIST (Liu et al., USENIX Security 2022): the
# setting of paper-fmnist.sh with a noise multiplier of .95 (NOISE=.9 is the
# paper's other), target and shadow model trained privately, the four attack
# networks on them. Prints what the paper printed next to what was measured
# here, and the epsilon that is claimed. The paper does not print its clip
# norm; CLIP sets it here. AUGMENT and SCHEDULE change the recipe.
# RECORDS, EPOCHS, SEED and THREADS change the run; KEEP=1 goes on with one that
# was interrupted.
set -eu
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086
audit fashion-mnist --records "${RECORDS:-17500}" --epochs "${EPOCHS:-300}" \
    --arch simplecnn --resize 32x32 --mean .1307 --std .3081 \
    --augment "${AUGMENT:-flip}" --optimizer sgd --lr "${LR:-.01}" --momentum .9 \
    --weight-decay 5e-4 --schedule "${SCHEDULE:-multistep}" --milestones 50,100 --gamma .1 \
    --batch 64 --evaluate-every 10 --references 0 --controls none \
    --defense dp-sgd --defense-param "noise=${NOISE:-.95}" \
    --defense-param "clip=${CLIP:-1.5}" \
    --attacks gap,loss,network-black-shadow,network-black-partial,network-white-shadow,network-white-partial \
    $common --out "$work/run"
findings paper-dp "$work/run"
