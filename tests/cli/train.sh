# SPDX-License-Identifier: Apache-2.0
# Training and evaluation from end to end; equal seeds, equal bytes; a run
# that is killed goes on where it was.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 320
data="records:r.bin?labels=class&shape=1x28x28"
recipe="--epochs 6 --lr 0.05 --batch 16 --evaluate-every 2 --threads 1"

expect 0 train "$data" $recipe --out a.safetensors --json
has out '"accuracy"'
has out '"train_accuracy"'
expect 0 train "$data" $recipe --out b.safetensors
has out "test accuracy"
check "equal seeds give equal models" cmp -s a.safetensors b.safetensors
check "no checkpoint is left" [ ! -e a.safetensors.ckpt ]
expect 0 train "$data" $recipe --seed 1 --out c.safetensors -q
check "other seeds give other models" sh -c '! cmp -s a.safetensors c.safetensors'
check "quiet is quiet" [ ! -s err ]

expect 0 eval a.safetensors --data "$data" --quarter target-test --json
has out '"accuracy": \(0\.\|1\.0\)'
expect 0 eval a.safetensors --data "$data"
has out "class"

# Defended: a promise with DP-SGD, a teacher for distillation, and a note by
# which an audit defends the models that help it.
private="--defense dp-sgd --defense-param noise=2 --defense-param clip=1"
expect 0 train "$data" $recipe $private --out private.safetensors
has out "defence  *dp-sgd noise=2"
has err "noise follows from --seed"
has out "privacy  *epsilon [0-9.]* (PRV at most [0-9.]*) at delta"
check "the sidecar says so" grep -q '"defense": "dp-sgd .*noise=2' private.json
expect 0 train "$data" $recipe $private --out private2.safetensors --json
has out '"epsilon_rdp": [0-9.]'
check "private models are equal too" \
    cmp -s private.safetensors private2.safetensors
expect 0 audit private.safetensors --data "$data" --attacks loss --plan
has out "trained with dp-sgd"
expect 1 audit private.safetensors --data "$data" --goals backdoor \
    --detectors freeeagle --out trust
has out "INCONCLUSIVE"
expect 4 audit private.safetensors --data "$data" --goals backdoor \
    --defense dp-sgd --out trust2
has err "was trained with"
sed 's/"defense": "dp-sgd[^"]*"/"defense": "none"/' private.json >lie.json
cp private.safetensors lie.safetensors
expect 2 audit lie.safetensors --data "$data" --attacks loss --plan
has err 'is no defence'
for n in -1 12abc 99999999999999999999 0; do
    sed "s/\"train.n\": \"[0-9]*\"/\"train.n\": \"$n\"/" private.json >lie.json
    expect $([ $n = 0 ] && echo 0 || echo 2) audit lie.safetensors \
        --data "$data" --attacks loss --plan
done
sed 's/"defense": "dp-sgd[^"]*"/"defense": "\\u001b[2Jred"/' private.json >lie.json
expect 0 audit lie.safetensors --data "$data" --attacks loss --plan \
    --defense none
has out "trained with .*red"
check "  without an escape sequence" \
    sh -c '! grep -q "$(printf "\033")" out'
expect 4 audit private.safetensors --data "$data" --goals backdoor \
    --defense rounding --out trust2
has err "detectors look into the model itself"
expect 0 repair private.safetensors --data "$data" --reverse none \
    --repairs fine-tuning --repair-param fine-tuning.epochs=1 --out mended
check "it is repaired" [ -s mended/fine-tuning.json ]
check "a repaired model promises nothing" \
    sh -c '! grep -q dp-sgd mended/fine-tuning.json'
expect 0 train "$data" $recipe --defense distillation --out d.safetensors
check "it is another model" sh -c '! cmp -s a.safetensors d.safetensors'
check "no teacher's checkpoint is left" [ ! -e d.safetensors.teacher.ckpt ]
expect 4 train "$data" $recipe --defense rounding --out x.safetensors
has err "changes what a model answers"
expect 4 train "$data" $recipe --defense nobody --out x.safetensors
expect 4 train "$data" $recipe --defense-param noise=2 --out x.safetensors

# Killed at several moments, then finished.
long="--epochs 40 --lr 0.02 --batch 16 --evaluate-every 0 --threads 1"
expect 0 train "$data" $long --out whole.safetensors -q
for wait in 0.3 0.5 0.7; do
    start train "$data" $long --out killed.safetensors -q
    sleep $wait
    stop
done
expect 0 train "$data" $long --out killed.safetensors
check "killed and resumed gives equal bytes" \
    cmp -s whole.safetensors killed.safetensors
expect 0 train "$data" $long --defense distillation --out whole.safetensors -q
for wait in 0.3 0.6 0.9; do
    start train "$data" $long --defense distillation --out cut.safetensors -q
    sleep $wait
    stop
done
expect 0 train "$data" $long --defense distillation --out cut.safetensors
check "with a teacher too" cmp -s whole.safetensors cut.safetensors

# Ctrl-C: status 130, a word on how to go on, and no model yet.
very_long="--epochs 2000 --lr 0.01 --batch 16 --evaluate-every 0 --threads 1"
"$assay" train "$data" $very_long --out stopped.safetensors \
    >out 2>err </dev/null &
child=$!
sleep 2
kill -INT $child
wait $child
check "Ctrl-C ends with status 130" [ $? -eq 130 ]
has err "goes on from there"
check "no model is left" [ ! -e stopped.safetensors ]
check "a checkpoint is" [ -e stopped.safetensors.ckpt ]
finish
