#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What detectors of models find, and how often they are wrong: N clean models
# and N with a backdoor (BadNets, Blended and the others of BACKDOORS in
# turn, targets in turn), of one architecture on Fashion-MNIST, each of a
# split of its own; areas under the ROC curve with intervals, and false
# alarms at each detector's own threshold. Neural Cleanse makes a twelfth of
# its updates. With SHADOWS (0) MNTD runs too and learns from as many further
# clean models, and as many with a backdoor. Models are kept with KEEP=1, and
# with OUT=FOLDER, where a second run goes on.
# ABS takes a minute a model and runs where DETECTORS names it.
# N, ARCH, RECORDS, EPOCHS, BACKDOORS, SHADOWS, CLEAN, DETECTORS, SEED and
# THREADS change the run.
set -eu
. "$(dirname "$0")/lib.sh"

n=${N:-20}
out=${OUT:-$work}
recipe="--records ${RECORDS:-5000} --epochs ${EPOCHS:-8} --batch 64 --lr .05 \
    --schedule cosine --augment none --evaluate-every 0 --resize 32x32 \
    --threads ${THREADS:-1} --quiet"
mkdir -p "$out/clean" "$out/bad" "$out/clean-shadows" "$out/bad-shadows"

clean() { # file seed architecture
    # shellcheck disable=SC2086
    [ -f "$1" ] || "$assay" train fashion-mnist --arch "$3" $recipe \
        --seed "$2" --out "$1" >>"$out/models.txt"
}
bad() { # file seed architecture backdoor target
    extra=
    case $4 in
    badnets) extra='--param side=5' ;; # of 3 pixels half do not take
    trojannn | latent | badencoder) # these alter a clean model of their own
        base=$out/bases/$3-$2.safetensors
        mkdir -p "$out/bases"
        clean "$base" "$2" "$3"
        extra="--clean $base" ;;
    esac
    # shellcheck disable=SC2086
    [ -f "$1" ] || "$assay" backdoor "$4" fashion-mnist --arch "$3" $recipe \
        $extra --target "$5" --seed "$2" --out "$1" >>"$out/models.txt"
}

# The i-th of the kinds, in turn.
kind() {
    # shellcheck disable=SC2086
    set -- "$1" ${BACKDOORS:-badnets blended}
    shift $(($1 % ($# - 1) + 1))
    echo "$1"
}

i=0
while [ $i -lt "$n" ]; do
    clean "$out/clean/c$i.safetensors" $((${SEED:-0} + i)) "${ARCH:-resnet18}"
    bad "$out/bad/b$i.safetensors" $((${SEED:-0} + 1000 + i)) \
        "${ARCH:-resnet18}" "$(kind $i)" $((i % 10))
    i=$((i + 1))
done
i=0
while [ $i -lt "${SHADOWS:-0}" ]; do
    clean "$out/clean-shadows/s$i.safetensors" $((${SEED:-0} + 2000 + i)) \
        "${ARCH:-resnet18}"
    bad "$out/bad-shadows/s$i.safetensors" $((${SEED:-0} + 3000 + i)) \
        "${ARCH:-resnet18}" "$(kind $i)" $(((i + 5) % 10))
    i=$((i + 1))
done

shadows=
[ "${SHADOWS:-0}" = 0 ] ||
    shadows="--clean-shadows $out/clean-shadows --backdoored-shadows $out/bad-shadows"
detectors=${DETECTORS:-neural-cleanse,freeeagle${shadows:+,mntd}}
quick=
case $detectors in
*neural-cleanse*)
    quick="--detector-param neural-cleanse.rounds=40
        --detector-param neural-cleanse.batches=2" ;;
esac
case $detectors in
*abs*)
    quick="$quick --detector-param abs.candidates=5
        --detector-param abs.rounds=10 --detector-param abs.batches=5
        --detector-param abs.neurons=64 --detector-param abs.levels=2
        --detector-param abs.seeds=8" ;;
esac
status=0
# shellcheck disable=SC2086
"$assay" detect "$out/bad" --references "$out/clean" --data fashion-mnist \
    --clean "${CLEAN:-300}" $shadows \
    --detectors "$detectors" \
    $quick \
    --out "$out/found" --seed "${SEED:-0}" --threads "${THREADS:-1}" \
    >"$out/detect.txt" || status=$?
[ $status -le 1 ] || [ $status -eq 3 ] || exit $status
sed -n '/^all models/,/^$/p' "$out/detect.txt"
