# SPDX-License-Identifier: Apache-2.0
# A tiny study of altered extractors; what is kept is used again, also after a
# kill.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 320
data="records:r.bin?labels=class&shape=1x28x28"
expect 0 train "$data" --epochs 4 --lr 0.05 --batch 16 --threads 1 \
    --out f.safetensors -q
tiny="--data $data --pairs 2 --seeds 1 --neighbours 6 --held 3 --natural 6
--steps 10 --epochs 3 --full-epochs 1 --threads 1 --algorithms direct"

expect 0 reuse f.safetensors $tiny --out run
has out "attacks succeed"
has out "2 attacks of 1 trigger on simplecnn"
check "findings are written" [ -s run/reuse.json ]
check "a cell for each host and pair" [ "$(ls run/cells | wc -l)" = 6 ]
cp run/reuse.json first.json
expect 0 reuse f.safetensors $tiny --out run --json
has out '"schema": "assay-reuse/1"'
check "the same again" cmp -s run/reuse.json first.json

for wait in 0.2 0.5; do
    start reuse f.safetensors $tiny --out killed -q
    sleep $wait
    stop
done
expect 0 reuse f.safetensors $tiny --out killed -q
check "killed and resumed gives the same" cmp -s killed/reuse.json first.json

# One at a time in a folder.
start reuse f.safetensors $tiny --pairs 40 --out busy -q
await busy/.lock
expect 2 reuse f.safetensors $tiny --out busy
has err "busy: another assay reuse is working there"
stop

expect 0 reuse f.safetensors,f.safetensors $tiny --out two --tuning partial \
    --regression label --keep-models
has out "mean distance from the target"
check "altered extractors are kept" \
    [ "$(ls two/models/*.safetensors | wc -l)" = 2 ]
# A repair makes a host of its own, beside the one without, which is kept.
expect 0 reuse f.safetensors $tiny --out run --repairs fine-tuning --json
has out '"repair": "fine-tuning"'
check "hosts with it are new, the others are not" \
    [ "$(ls run/cells | wc -l)" = 12 ]
expect 0 reuse f.safetensors $tiny --out run --repairs fine-tuning --json \
    --repair-param fine-tuning.epochs=1
has out '"epochs": 1\.0'
check "with another setting they are new" [ "$(ls run/cells | wc -l)" = 18 ]
expect 4 reuse f.safetensors $tiny --out run --repairs fine-tuning \
    --repair-param anp.eps=1
expect 4 reuse f.safetensors $tiny --out run --repairs nad,nad
has err "is there twice"
expect 0 reuse f.safetensors $tiny --out run --repairs fine-tuning -q \
    --repair-param fine-tuning.epochs=20
check "a default that is named is one" [ "$(ls run/cells | wc -l)" = 18 ]
expect 0 reuse f.safetensors $tiny --out run -q
check "those come out as before" cmp -s run/reuse.json first.json
expect 4 reuse f.safetensors $tiny --out run --repairs prayer
has err "no repair is called"
expect 4 reuse f.safetensors $tiny --out run --regression label \
    --repairs fine-tuning
has err "repairs classifiers"
expect 2 reuse f.safetensors $tiny --out run --repairs clp
has err "clp"
expect 4 reuse f.safetensors $tiny --out run --regression age
has err "no attribute 'age'"
expect 4 reuse f.safetensors $tiny --out run --layer conv9
has err "no layer 'conv9' with weights"
expect 2 reuse none.safetensors $tiny --out run
finish
