#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Whole audits of two networks that a stranger trained: ResNet-20 and
# ResNet-56 for CIFAR-10 (github.com/akamaster/pytorch_resnet_cifar10), whose
# members are known: the training batch, as they were trained on all of
# CIFAR-10's training set, and the test batch. Membership with every attack
# that a public model allows, and stealing over five budgets beside what the
# same queries are worth with true labels.
# MODELS is the folder with the two .th files, DATA that of data_batch_1.bin
# and test_batch.bin, or of these as .xz (wants xz). RECORDS (3300, of a third
# of each batch), EPOCHS (20) of copies, SEED and THREADS change the run. Passes
# when correctness tells members apart by half the gap, as it must: AUC - .5 -
# gap / 2 within .002.
set -eu
. "$(dirname "$0")/lib.sh"

shared=$here/../../shared/data
models=${MODELS:-$shared/models/cifar10}
data=${DATA:-$shared/cifar10}
bad=0

# steal NAME: budgets, epochs and rate of one attack.
steal() {
    printf ' --attack-param %s.budgets=5,%s.epochs=%s,%s.lr=.01' \
        "$1" "$1" "${EPOCHS:-20}" "$1"
}

# The path of one batch.
batch() {
    if [ -f "$data/$1.bin.xz" ]; then
        [ -f "$work/$1.bin" ] || xz -dc "$data/$1.bin.xz" >"$work/$1.bin"
        echo "$work/$1.bin"
    else
        echo "$data/$1.bin"
    fi
}
members=$(batch data_batch_1)
others=$(batch test_batch)

for model in resnet20-12fca82f resnet56-4bfd9763; do
    out=$work/$model
    printf '== %s\n' "$model"
    # shellcheck disable=SC2046,SC2086
    "$assay" audit "$models/akamaster_$model.th" \
        --data "cifar10:$members" \
        --nonmember-data "cifar10:$others" \
        --mean .485,.456,.406 --std .229,.224,.225 \
        --records "${RECORDS:-3300}" --arch resnet20-cifar-a \
        --copy-arch resnet20-cifar-a --epochs "${EPOCHS:-20}" --lr .05 \
        --schedule cosine --augment flip,crop:4 --evaluate-every 0 \
        --attacks gap,confidence,loss,entropy,modified-entropy,network-black-partial,network-white-partial,label-boundary,lira-online,rmia,steal-shadow,steal-labels-shadow,scratch-shadow \
        $(steal steal-shadow) $(steal steal-labels-shadow) \
        $(steal scratch-shadow) --controls none --no-estimates $common \
        --out "$out" || [ $? -eq 1 ]
    python3 - "$out/findings.json" <<'TEXT' || bad=1
import json, sys
f = json.load(open(sys.argv[1]))
attack = {a["name"]: a for a in f["attacks"]}
auc = attack["gap"]["auc"]["value"]
gap = f["model"]["gap"]["value"]
print("gap_auc=%.4f half_gap=%.4f" % (auc, .5 + gap / 2))
for name in ("scratch-shadow", "steal-shadow", "steal-labels-shadow"):
    print(name, *("%d:%.3f (%.3f-%.3f)" % (
        p["queries"], p["agreement"]["value"], p["agreement"]["low"],
        p["agreement"]["high"])
        for p in sorted(attack[name]["curve"], key=lambda p: p["queries"])))
sys.exit(abs(auc - .5 - gap / 2) > .002)
TEXT
done
echo "public: $([ $bad = 0 ] && echo passed || echo failed)"
exit $bad
