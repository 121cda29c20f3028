#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What private training costs: steps of batch 64 with group norm, clipped by
# record and with noise, beside plain ones (bench/dp.c). Fails where a step
# takes more than 1.5 times the plain one's time of the CPU, or its plan more
# than 1.3 times the memory. THREADS (2) changes the run.
set -eu

bench=${1:?usage: dp.sh BUILD}/bench/bench_dp
GOMP_SPINCOUNT=0 # waiting threads must not count as work
export GOMP_SPINCOUNT
figures=$(dirname "$bench")/dp.txt
: >"$figures"
for net in "simplecnn 32" "resnet18 32" "resnet18 64"; do
    # shellcheck disable=SC2086
    "$bench" $net --threads "${THREADS:-2}" --steps 4 --blocks 9 |
        tee -a "$figures"
done
awk '{
    sub(/.*CPU:[^;]*ratio /, ""); if ($1 > time) time = $1
    sub(/.*ratio /, ""); if ($1 > memory) memory = $1
}
END {
    printf "dp: worst_time=%s worst_memory=%s\n", time, memory
    exit !(NR == 3 && time <= 1.5 && memory <= 1.3)
}' "$figures"
