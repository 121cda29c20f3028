# SPDX-License-Identifier: Apache-2.0
# Audits from end to end on a tiny set: plan, run, reuse, change, resume,
# report; and a model that was trained before.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 480
data="records:r.bin?labels=class&shape=1x28x28"
quick="--epochs 3 --lr 0.05 --batch 16 --references 4 --threads 2"
few="--attacks gap,loss,modified-entropy,network-black-shadow,lira-online-fixed,rmia"

# 0 or 1: what is found on so few records is not the point here.
audit() {
    "$assay" audit "$@" >out 2>err </dev/null
    status=$?
    if [ $status -le 1 ]; then
        pass "assay audit $*"
    else
        fail "assay audit $*: status $status"
        sed 's/^/     /' err
    fi
}

expect 0 audit "$data" $quick $few --out run --plan
has out "train target, shadow, 4 reference models"
has out "Expected: about"
check "a plan writes nothing" [ ! -e run ]
audit "$data" $quick $few --out run
check "the last line names the report" \
    [ "$(tail -n 1 out)" = "Report  run/report.html" ]
check "no other does" [ "$(grep -c report.html out)" -eq 1 ]
for file in manifest.json findings.json report.html split.safetensors \
    models/target.safetensors models/reference-03.safetensors \
    evidence/target-members.safetensors scores/rmia.safetensors; do
    check "$file is there" [ -s "run/$file" ]
done
check "no checkpoint is left" [ -z "$(find run -name '*.ckpt')" ]
cp run/findings.json first.json

audit "$data" $quick $few --out run
check "a rerun gives equal findings" cmp -s run/findings.json first.json
check "the plan says so" \
    [ "$(grep -c "^  \(train\|run\) .* reused$" err)" -eq 3 ]
check "and trains nothing" sh -c '! grep -q "epoch 3 of 3.*loss" err'
audit "$data" $quick $few --out other
check "another folder gives equal findings" cmp -s other/findings.json first.json

audit "$data" $quick $few --out run --lr 0.04
has err "models/target.safetensors is made anew.*recipe"
audit "$data" $quick $few --out other --json
check "--json prints the findings" cmp -s out other/findings.json
expect 0 report other
check "report is written again" [ -s other/report.html ]
expect 0 report other --json
check "report --json prints the findings" cmp -s "$work/out" other/findings.json

# A folder shows the pictures of its own result, no others.
pictures() {
    find "$1/exposed" -name '*.png' | wc -l
}
: >other/exposed/mine.png
cp other/exposed/01-*.png other/exposed/99-1234.png
audit "$data" $quick $few --out other --exposed 3
check "three records are shown" [ "$(pictures other)" -eq 4 ]
check "a file of another name is left alone" [ -e other/exposed/mine.png ]
check "a picture from before is not" [ ! -e other/exposed/99-1234.png ]
rm other/exposed/mine.png
audit "$data" $quick $few --out other

# Each experiment has a folder of its own, which a rerun finds again.
expect 0 audit "$data" $quick $few --plan
name=$(sed -n '1s/Plan for \(.*\):/\1/p' out)
check "its name tells data and architecture" \
    [ "${name%-*}" = runs/records-r.bin-simplecnn-0 ]
expect 0 audit "$data" $quick --attacks gap --controls none --plan
check "other attacks go to the same" grep -q "Plan for $name:" out
for option in "--lr 0.04" "--records 50" "--resize 32" "--max-records 400" \
    "--seed 1"; do
    expect 0 audit "$data" $quick --attacks gap --controls none --plan $option
    check "$option does not" sh -c "! grep -q 'Plan for $name:' out"
done

# Killed in the middle, finished by the same command.
for wait in 0.5 0.9 1.4; do
    start audit "$data" $quick $few --out killed -q
    sleep $wait
    stop
done
audit "$data" $quick $few --out killed
check "killed and resumed gives equal findings" \
    cmp -s killed/findings.json first.json

# A positive control judges no baselines; alone, they get none.
audit "$data" --epochs 3 --lr 0.05 --batch 16 --attacks gap --controls full \
    --out gap
has err "No positive control"
check "no models for it are trained" [ ! -e gap/models/overfitted-target.safetensors ]
check "and none is called failed" sh -c '! grep -q "\"kind\": \"positive\"" gap/findings.json'

# Ctrl-C: status 130, and where it goes on.
"$assay" audit "$data" --epochs 5000 --out stopped >/dev/null 2>err </dev/null &
child=$!
await stopped/.lock
sleep 0.3
kill -INT $child
wait $child
check "Ctrl-C ends with status 130" [ $? -eq 130 ]
has err "What is done is kept in stopped; the same command"

# A second audit in a folder where one is at work ends at once.
start audit "$data" --epochs 5000 --out busy -q
await busy/.lock
expect 2 audit "$data" $quick $few --out busy
has err "busy: another audit is working there"
stop
audit "$data" $quick $few --out busy

# A model from before; a stranger's model.
expect 0 train "$data" --epochs 3 --lr 0.05 --batch 16 --out m.safetensors -q
audit m.safetensors --data "$data" --references 0 --attacks gap,loss --out old
has err "train shadow, 0 reference models"
expect 4 audit m.safetensors --data "$data" --defense mixup --out other2
has err "is trained already"
# Names from files cannot speak to the terminal.
mkdir pics
i=0
for picture in other/exposed/*.png; do
    i=$((i + 1))
    cp "$picture" pics/$i.png
done
printf 'file,label\n1.png,\033[2Jred\n2.png,blue\n3.png,blue\n' >pics/index.csv
expect 0 eval m.safetensors --data csv:pics/index.csv
has out "^?\[2Jred "
check "  without an escape sequence" \
    sh -c '! grep -q "$(printf "\033")" out'

expect 0 eval m.safetensors --data csv:pics/index.csv --json
check "classes are those of the data" [ "$(grep -c '"class"' out)" -eq 2 ]

# One option of a recipe leaves the rest of the model's own alone.
audit m.safetensors --data "$data" --attacks gap,loss --out old \
    --evaluate-every 0
grep '"recipe"' m.json | sed 's/\(evaluate_every[^0-9]*\)5/\10/' >a
grep '"recipe"' old/models/shadow.json >b
check "the model's recipe is kept but for that" cmp -s a b
check "which was changed" grep -q 'evaluate_every[^0-9]*0,' b
# Nothing is trained here, yet scores follow the evidence they come from.
plain="--attacks gap,loss --controls none"
audit m.safetensors --data "$data" $plain --out plain --threads 2
audit m.safetensors --data "$data" $plain --out plain --threads 2
check "all scores are reused" sh -c '! grep -q "made anew" err'
audit m.safetensors --data "$data" $plain --out plain --threads 1
has err "evidence/target-members.safetensors is made anew.*threads"
has err "scores/loss.safetensors is made anew.*evidence"
sed '/"quarter":/d; /"split.sha256":/d' m.json >assumed.json
cp m.safetensors assumed.safetensors
audit assumed.safetensors --data "$data" --assume-split $plain --out assumed
make_records o.bin 480 54321
audit assumed.safetensors --assume-split $plain --out assumed \
    --data "records:o.bin?labels=class&shape=1x28x28"
has err "scores/gap.safetensors is made anew.*evidence"
sed 's/"quarter": "target-train"/"quarter": "all"/' m.json >n.json
cp m.safetensors n.safetensors
expect 2 audit n.safetensors --data "$data" --out bad
has err "was trained on all"
make_records s.bin 400
expect 2 audit m.safetensors --out bad \
    --data "records:s.bin?labels=class&shape=1x28x28"
has err "trained on other data"
check "no folder is left of what cannot be audited" [ ! -e bad ]

# An attack's parameter: its scores are made anew, and only its.
audit "$data" $quick $few --out other --attack-param rmia.gamma=2
has err "scores/rmia.safetensors is made anew.*params"
check "one attack was run again" [ "$(grep -c "made anew" err)" -eq 2 ]
check "the findings have it" grep -q '"gamma": 2' other/findings.json
check "so has the manifest" \
    sh -c "grep -A 1 '\"rmia\": {' other/manifest.json | grep -q '\"gamma\": 2'"
audit "$data" $quick $few --out other
check "without it, the findings are as before" \
    cmp -s other/findings.json first.json

# By predictions alone: the evidence of the run above is such files.
audit --members other/evidence/target-members.safetensors \
    --nonmembers other/evidence/target-nonmembers.safetensors --out files
sed -n '/"model": {/,/^  }/p' other/findings.json | grep -A 4 _accuracy >a
sed -n '/"model": {/,/^  }/p' files/findings.json | grep -A 4 _accuracy >b
check "accuracies are the same without the model" cmp -s a b
has err "run 16 attacks"
expect 0 audit --members other/evidence/target-members.safetensors \
    --nonmembers other/evidence/target-nonmembers.safetensors --plan
name=$(sed -n 1p out)
cp other/evidence/target-members.safetensors .
expect 0 audit --members target-members.safetensors \
    --nonmembers other/evidence/target-nonmembers.safetensors --plan
check "other files of the same name have another folder" \
    [ "$name" != "$(sed -n 1p out)" ]
check "what could not run says why" grep -q '"status": "not run"' files/findings.json

# Attacks that ask the models themselves run in both controls too, and leave
# nothing of their trainings behind.
own="--attacks label-augmentation,label-boundary,trajectory,quantile"
own="$own --attack-param label-boundary.queries=60 --controls full"
audit "$data" --epochs 3 --lr 0.05 --batch 16 $own --out own
for name in label-augmentation label-boundary trajectory quantile; do
    check "$name ran" [ -s "own/scores/$name.safetensors" ]
    check "$name ran in the negative control" \
        [ -s "own/scores/control-$name.safetensors" ]
    check "$name ran in the positive control" \
        [ -s "own/scores/overfitted-$name.safetensors" ]
done
check "no checkpoint of theirs is left" [ -z "$(find own -name '*.ckpt')" ]
cp own/findings.json own.json
audit "$data" --epochs 3 --lr 0.05 --batch 16 $own --out again
check "another folder gives equal findings" cmp -s again/findings.json own.json

# A budget that is far too small drops references and says so.
audit "$data" --epochs 300 --references 16 --attacks gap,loss,rmia \
    --batch 16 --budget 1s --out small --plan
has out "reference models instead of 16"
check "plans leave no folder behind" [ ! -e small ]
expect 4 audit "$data" --budget 1s --no-estimates --out small --plan
has err "a budget is kept to by estimates"
# What no chosen attack uses is not given up either.
expect 0 audit "$data" --epochs 300 --references 16 --attacks gap,loss \
    --batch 16 --budget 1s --out small --plan
has out "over the budget"
check "nothing is said to be left out" \
    sh -c '! grep -q "instead of\|White-box" out'
check "the manifest has no references that were not trained" \
    grep -q '"references": 0' gap/manifest.json

# A model by others: what it was trained on, and what it was not.
make_records in.bin 120
make_records out.bin 240 777
in="records:in.bin?labels=class&shape=1x28x28"
out="records:out.bin?labels=class&shape=1x28x28"
expect 0 train "$in" --all --epochs 8 --lr 0.05 --batch 16 --threads 2 \
    --evaluate-every 0 --out theirs.safetensors
rm theirs.json
printf '{"preprocess": %s}' '{"channels": 1, "height": 28, "width": 28,
    "scale": 1, "mean": [0], "std": [1]}' >theirs.json
theirs="theirs.safetensors --data $in"
expect 2 audit $theirs --attacks gap --out without
has err "give such as --data and others as --nonmember-data"
audit $theirs --nonmember-data "$out" --scale 0.00392157 --mean 0.5 --std 0.5 \
    --attacks gap,loss,network-black-partial,rmia --controls none \
    --threads 2 --out public
has out "(simplecnn) on in.bin beside out.bin\|(simplecnn) on records beside"
check "what needs reference models says why it was not run" \
    grep -q "its training set is not at hand" public/findings.json
check "whose word it is is told" \
    grep -q "is the user's word, and if the two differ" public/findings.json
check "the quarters are as large as the others allow" \
    grep -q '"n": 80' public/findings.json
expect 4 audit "$in" --nonmember-data "$out"
has err "trained by this audit"
finish
