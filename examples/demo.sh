#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A first audit, from nothing to a report, in a few minutes on two cores:
# SimpleCNN on Fashion-MNIST, eight reference models, every attack. Deliberately
# few records and no weight decay, as in many a first model: it overfits, and
# the report shows what that gives away. Ends with the path of the report.
#   examples/demo.sh [ASSAY [RUN]]
set -eu

assay=${1:-assay}
run=${2:-runs/demo}

status=0
"$assay" audit fashion-mnist --records 4000 --epochs 30 --milestones 20 \
    --references 8 --weight-decay 0 --augment none --out "$run" || status=$?
# Findings over the policy are what a demonstration is for.
[ "$status" -le 1 ]
