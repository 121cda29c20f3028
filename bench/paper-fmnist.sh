#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The setting of ML-Doctor (Liu et al., USENIX Security 2022) on Fashion-MNIST:
# 32x32, one channel, mean .1307, deviation .3081, SimpleCNN of two
# convolutions and two linear layers, random flip, SGD .01 with momentum .9 and
# weight decay 5e-4, a tenth of the rate from epoch 50 and again from 100,
# batches of 64, 300 epochs, 17,500 records per quarter, one shadow model; then
# the four attack networks, and thresholds on statistics beside them. Prints
# what the paper printed next to what was measured here.
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
    --attacks gap,confidence,loss,entropy,modified-entropy,network-black-shadow,network-black-partial,network-white-shadow,network-white-partial \
    $common --out "$work/run"
findings paper-fmnist "$work/run"
