# SPDX-License-Identifier: Apache-2.0
# Backdoors, detectors and repairs from the command, and an audit that asks
# whether one can build on a model. Tables grow, so nothing counts their rows.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 160
data="records:r.bin?labels=class&shape=1x28x28"
recipe="--epochs 2 --lr 0.05 --batch 16 --evaluate-every 0 --threads 1 -q"
fast="--threads 1 -q"

# The tables, as text and as JSON.
for table in detectors repairs backdoors; do
    expect 0 $table
    expect 0 $table --json
    has out '"name"'
    expect 4 $table nobody
done
expect 0 detectors upstream
has out "stay"
expect 0 repairs fine-tuning
has out "epochs"
expect 0 backdoors badnets
has out "rate"

# A backdoor leaves a model, its trigger and a picture.
expect 0 backdoor badnets "$data" $recipe --target 1 --out bad.safetensors
has out "success (ASR)"
for file in bad.safetensors bad.json bad.trigger.safetensors bad.trigger.png; do
    check "$file is there" [ -s $file ]
done
expect 4 backdoor nobody "$data" $recipe --out x.safetensors
expect 4 backdoor badnets "$data" $recipe --target 9 --out x.safetensors
expect 4 backdoor badnets "$data" $recipe --param rate=2 --out x.safetensors
expect 0 train "$data" $recipe --out clean.safetensors

# Detection: of what differs from an upstream copy.
expect 0 detect clean.safetensors --data "$data" --upstream clean.safetensors \
    --detectors upstream $fast --out found
has out "passes"
has out "Fewer than 19 clean models"
check "its document is there" [ -s found/trust.json ]
cp found/trust.json first.json
expect 0 detect clean.safetensors --data "$data" --upstream clean.safetensors \
    --detectors upstream $fast --out found
check "what is there is not looked for again" cmp -s first.json found/trust.json
mkdir folder
cp clean.safetensors clean.json folder
expect 0 detect clean.safetensors --data "$data" --references folder \
    --upstream clean.safetensors --detectors upstream $fast --json
has out '"schema": "assay-trust/1"'
has out '"references": 1'
expect 3 detect clean.safetensors --data "$data" --detectors upstream $fast
has err "no detector can run .*upstream: no upstream model to compare with"
# Records alone are judged: no verdict on the model is missing.
expect 0 detect clean.safetensors --data "$data" --suspects "$data" \
    --detectors strip $fast
has out "of the suspects and"
# Four classes are too few for it to tell by itself: no pass.
expect 3 detect clean.safetensors --data "$data" --detectors freeeagle $fast
has out "cannot tell"
has out "too few classes to judge"
has out "inconclusive, by 0 detectors"
expect 4 detect --data "$data"
expect 4 detect clean.safetensors
expect 4 detect clean.safetensors --data "$data" --detectors nobody $fast
expect 4 detect clean.safetensors --data "$data" --detectors upstream \
    --detector-param upstream.stay=7 $fast
expect 2 detect nothing.safetensors --data "$data" $fast

# Repairs: before and after, by the true trigger.
tune="--repairs fine-tuning --repair-param fine-tuning.epochs=1 --batch 16"
expect 0 repair bad.safetensors --data "$data" $tune \
    --trigger bad.trigger.safetensors --target 1 $fast --out repaired
has out "restored (RA)"
has out "fine-tuning"
check "the model is there" [ -s repaired/fine-tuning.safetensors ]
cp repaired/repairs.json first.json
expect 0 repair bad.safetensors --data "$data" $tune \
    --trigger bad.trigger.safetensors --target 1 $fast --out repaired
check "what is there is not done again" cmp -s first.json repaired/repairs.json
expect 4 repair bad.safetensors --data "$data" --repairs nobody $fast
expect 4 repair bad.safetensors --data "$data" $tune \
    --trigger bad.trigger.safetensors $fast

# An audit of that question alone needs no training.
ask="--goals backdoor --detectors upstream --repairs none"
expect 0 audit clean.safetensors --data "$data" $ask \
    --upstream clean.safetensors $fast --out one
has out "Can one build on it?"
has out "PASSED"
check "no model was trained" [ -z "$(ls one/models 2>/dev/null)" ]
check "the report has its section" grep -q 'id="trust"' one/report.html
expect 1 audit clean.safetensors --data "$data" $ask $fast --out two
has out "INCONCLUSIVE"
has out "not run"
expect 0 audit clean.safetensors --data "$data" $ask --references-clean folder \
    --upstream clean.safetensors $fast --out one --json
has out '"given": 1'
expect 0 audit clean.safetensors --data "$data" --goals backdoor \
    --detectors upstream --upstream clean.safetensors --repairs fine-tuning \
    --repair-param fine-tuning.epochs=1 $fast --out one
has out "repair: accuracy"
expect 0 audit clean.safetensors --data "$data" $ask --plan
has out "look for backdoors"
expect 4 audit clean.safetensors --data "$data" --upstream clean.safetensors
has err "no detection is asked for"
expect 4 audit --members a.npz --nonmembers b.npz --detect
expect 4 audit clean.safetensors --data "$data" --goals nothing
has err "backdoor"
finish
