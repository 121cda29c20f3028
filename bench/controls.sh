#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Do attacks find what is there, and nothing where nothing is? Both controls of
# `assay audit --controls full`, for every attack:
#   negative  a model that never saw the audited records takes the target's
#             place: AUC 0.5 must lie in the interval (95 % for all together)
#   positive  a target and a shadow model that know 500 records by heart: the
#             whole interval of each attack that is no baseline lies above 0.5
# It knows half of RECORDS by heart where these are fewer than 1,000.
# RECORDS, EPOCHS, REFERENCES, SEED and THREADS change the run.
set -eu
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086
audit fashion-mnist --records "${RECORDS:-3000}" --epochs "${EPOCHS:-20}" \
    --references "${REFERENCES:-8}" --controls full --evaluate-every 0 \
    $common --out "$work/run"
findings controls "$work/run"
