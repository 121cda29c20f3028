# SPDX-License-Identifier: Apache-2.0
# assay diff: a run beside the same run with a defence.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 480
common="--epochs 3 --lr 0.05 --batch 16 --references 0 --controls none
--threads 2 --attacks gap,loss,steal-shadow --attack-param steal-shadow.epochs=2"

# 0 or 1: what is found on so few records is not the point here.
# shellcheck disable=SC2086
audit_to() {
    folder=$1
    shift
    "$assay" audit "records:r.bin?labels=class&shape=1x28x28" $common \
        --out "$folder" "$@" >out 2>err
    check "audit into $folder" [ $? -le 1 ]
}

audit_to plain
audit_to labels --defense label-only
expect 0 diff plain labels
has out "Test accuracy"
has out "no defence"
has out "Labels alone"
has out "Copy from posteriors, shadow data"
has out "Training of the target"
# The value of a JSON estimate that is called $1, the first of these in $2.
value_of() {
    awk -v name="\"$1\": {" 'index($0, name) { inside = 1 }
        inside && /"value"/ { sub(/,$/, ""); print $2; exit }' "$2"
}
expect 0 diff plain labels --json
accuracy=$(value_of test_accuracy plain/findings.json)
check "what was before is the first run's" \
    [ "$(value_of before out)" = "${accuracy:-unknown}" ]
expect 0 diff plain plain --json
has out '"schema": "assay-diff/1"'
grep -A3 '"change"' out | grep '"value"' >changes
check "the accuracy, the gap and three attacks are compared" \
    [ "$(wc -l <changes)" -eq 5 ]
check "a run does not differ from itself" \
    sh -c "! grep -qv '\"value\": 0\.0$' changes"
expect 4 diff plain
expect 2 diff plain nowhere
has err "nowhere"
finish
