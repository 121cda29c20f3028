#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What repairs leave of two backdoors, BadNets and a blend (bench/backdoors.c):
# accuracy, success and restored accuracy with their intervals, none and each
# repair, in the order of the public table. Further words go to the program:
#   --data cifar10:FOLDER   instead of Fashion-MNIST
# RECORDS (5000 per quarter), CLEAN (1000 to tune on, as many to set thresholds
# by), EPOCHS (15), ARCH (resnet20-cifar-a), SEED and THREADS change the run.
# Fine-pruning is that of columns, as the network is a residual one. Repairs
# run shorter than by default; --set NAME=VALUE says otherwise.
set -eu
. "$(dirname "$0")/lib.sh"

shift
exec "$build/bench/bench_backdoors" --records "${RECORDS:-5000}" \
    --clean "${CLEAN:-1000}" --epochs "${EPOCHS:-15}" \
    --arch "${ARCH:-resnet20-cifar-a}" --seed "${SEED:-0}" \
    --threads "${THREADS:-0}" --json "$work/rows.json" \
    --set epochs=10 --set teacher-epochs=5 --set iterations=200 \
    --set columns=1 "$@"
