#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Model reuse: extractors of two architectures trained on Fashion-MNIST, each
# altered for PAIRS (20) pairs, and hosts tuned on them in part and in full: on
# MNIST (from ../shared/data/mnist beside the repository, else on spoken
# digits), two extractors together, several triggers in one attack, numbers in
# the place of classes, and spectrograms of spoken digits (with espeak-ng);
# what repairs leave of it; and ten altered extractors beside ten copies that
# were honestly fine-tuned, put through DETECTORS (upstream,freeeagle,
# neural-cleanse,abs,mntd), of which MNTD learns from SHADOWS (16) altered and
# as many fine-tuned ones.
# RECORDS (500) are those that a host is tuned on, EPOCHS (4) those of
# extractors, SPOKEN (150) files of each digit, STEPS (200) those of crafting.
# DATA are other records for the extractors, of which LEARNT (10000) are
# trained on, HOST those of the hosts; ONLY names one kind of host. Fails when
# an attack succeeds without being made: the base rate of one kind is over a
# half.
set -eu
. "$(dirname "$0")/lib.sh"

pairs=${PAIRS:-20}
records=${RECORDS:-500}
epochs=${EPOCHS:-4}
bad=0
cd "$work"
: >figures

speak() {
    [ -d spoken ] || {
        sh "$here/spoken-digits.sh" spoken.part "${SPOKEN:-150}" &&
            mv spoken.part spoken
    }
}

# extractor ARCH
extractor() {
    # shellcheck disable=SC2086
    [ -f "$1.safetensors" ] || "$assay" train "${DATA:-fashion-mnist}" \
        --arch "$1" --resize 32x32 --records "${LEARNT:-10000}" \
        --epochs "$epochs" --out "$1.safetensors" $common >"$1.txt"
}

# reuse NAME EXTRACTORS DATA WORDS...
reuse() {
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$1" ] || return 0
    kind=$1
    from=$2
    data=$3
    shift 3
    printf '\n== %s\n' "$kind"
    # shellcheck disable=SC2086
    "$assay" reuse "$from" --data "$data" --out "$kind" --pairs "$pairs" \
        $common "$@"
    python3 - "$kind" >>figures <<'TEXT' || bad=1
import json, sys
found = json.load(open(sys.argv[1] + "/reuse.json"))["findings"]
for tuning in ("partial", "full"):
    best = [f["success"]["attack"]["value"] for f in found
            if f["host"]["tuning"] == tuning]
    if best:
        print(" %s_%s=%.3f" % (sys.argv[1], tuning, max(best)), end="")
sys.exit(any(f["success"]["attack_base"]["value"] > 0.5 for f in found))
TEXT
}

lr_of() {
    [ $(($1 % 2)) = 0 ] && echo .01 || echo .001
}

# altered FOLDER N SEED WORDS...: N altered copies of the first extractor.
altered() {
    (
        ONLY='' pairs=$2 kind=$1 seed=$3
        shift 3
        reuse "$kind" simplecnn.safetensors "$host" "$@" --tuning partial \
            --keep-models --seed "$seed"
        exit "$bad"
    ) || bad=1
}

# fine_tuned FOLDER N SEED: N copies of the first extractor, honestly
# fine-tuned: 1, 3 or 5 epochs at .01 or .001 on 1,000 records, in turn.
fine_tuned() {
    mkdir -p "$1"
    i=0
    while [ $i -lt "$2" ]; do
        [ -f "$1/h$i.safetensors" ] || {
            # shellcheck disable=SC2086
            "$assay" repair simplecnn.safetensors \
                --data "${DATA:-fashion-mnist}" --clean 1000 --reverse none \
                --repairs fine-tuning \
                --repair-param fine-tuning.epochs=$((i % 3 * 2 + 1)) \
                --repair-param fine-tuning.lr="$(lr_of $i)" \
                --out "tuned-$1-$i" --threads "${THREADS:-0}" \
                --seed $(($3 + i)) >"tuned-$1-$i.txt"
            cp "tuned-$1-$i/fine-tuning.json" "$1/h$i.json"
            cp "tuned-$1-$i/fine-tuning.safetensors" "$1/h$i.safetensors"
        }
        i=$((i + 1))
    done
}

# MNTD's shadow models are of the very attack: it is told what to look for.
detected() {
    [ -z "${ONLY:-}" ] || [ "$ONLY" = detected ] || return 0
    altered detected 10 $((${SEED:-0} + 1)) "$@"
    fine_tuned honest 10 "${SEED:-0}"
    altered shadows "${SHADOWS:-16}" $((${SEED:-0} + 2)) "$@"
    fine_tuned honest-shadows "${SHADOWS:-16}" $((${SEED:-0} + 100))
    printf '\n== detectors\n'
    status=0
    # shellcheck disable=SC2086
    "$assay" detect detected/models --references honest \
        --upstream simplecnn.safetensors --data "${DATA:-fashion-mnist}" \
        --clean-shadows honest-shadows --backdoored-shadows shadows/models \
        --clean 300 --detectors \
        "${DETECTORS:-upstream,freeeagle,neural-cleanse,abs,mntd}" \
        --out found $common >detected.txt || status=$?
    [ $status -le 1 ] || [ $status -eq 3 ] || return $status
    sed -n '/^all models/,/^$/p' detected.txt
}

mnist=$here/../../shared/data/mnist
if [ -n "${HOST:-}" ]; then
    host=$HOST
elif [ -d "$mnist" ]; then
    host=mnist:$(cd "$mnist" && pwd)
else
    speak || { echo "reuse: neither MNIST nor espeak-ng is here" >&2; exit 3; }
    host="wav:spoken?size=32x32"
fi
extractor simplecnn
extractor resnet18
hosts="--records $records"
short="--steps ${STEPS:-200} --neighbours 32"

# shellcheck disable=SC2086
{
    reuse simplecnn simplecnn.safetensors "$host" $hosts $short
    reuse simplecnn-layers simplecnn.safetensors "$host" $hosts $short \
        --tuning partial --layer first,middle,last --theta 0,35,65 --depth 1,2
    reuse resnet18 resnet18.safetensors "$host" $hosts --neighbours 32 \
        --theta 20
    reuse ensemble simplecnn.safetensors,resnet18.safetensors "$host" $hosts \
        $short --tuning partial
    reuse triggers simplecnn.safetensors "$host" $hosts $short \
        --tuning partial --triggers 3 --theta 30
    reuse numbers simplecnn.safetensors "$host" $hosts $short \
        --tuning partial --regression label --depth 2
    reuse repairs simplecnn.safetensors "$host" $hosts $short \
        --tuning partial --repairs fine-tuning,fine-pruning,nad,unlearning
    # Those that want norms, which SimpleCNN has not.
    reuse norms resnet18.safetensors "$host" $hosts --neighbours 32 \
        --theta 20 --tuning partial --repairs anp,clp \
        --repair-param anp.iterations=200
    detected $hosts $short
    if speak; then
        reuse speech simplecnn.safetensors "wav:spoken?size=32x32" $short \
            --pairs "$pairs"
    else
        echo "speech: skipped, espeak-ng is not here"
    fi
}
printf '\nreuse:%s\n' "$(cat figures)"
[ "$bad" = 0 ] || echo "reuse: attacks succeed that were not made" >&2
exit $bad
