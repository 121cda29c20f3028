#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# LiRA and RMIA on Fashion-MNIST with 16 reference models, each trained on a
# random half of the audited records: TPR at 0.1 % and 1 % FPR and AUC, beside
# the loss threshold and correctness. One seed, 17,500 members and as many
# non-members: TPR at 0.1 % FPR rests on 17 non-members, so look at its
# interval in the report. The headline variants are fixed in findings.py.
# RECORDS, EPOCHS, REFERENCES, SEED and THREADS change the run; KEEP=1 goes on
# with one that was interrupted.
set -eu
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086
audit fashion-mnist --records "${RECORDS:-0}" --epochs "${EPOCHS:-60}" \
    --milestones 30,45 --references "${REFERENCES:-16}" --controls none \
    --attacks gap,loss,lira-online,lira-online-fixed,lira-offline,lira-offline-fixed,rmia,rmia-offline \
    --evaluate-every 0 $common --out "$work/run"
findings lira "$work/run"
