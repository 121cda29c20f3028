#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 at random moments of `assay zoo audit` over three small models, the
# same command again after each, until all are audited; then from nothing
# again, until there were KILLS (200). Moments are uniform over 1.2 times what
# the undisturbed command takes; SEED draws them.
#
# After each kill the zoo must be whole, each model have the findings of one
# run or of none, and none less than before. What a command finds finished it
# must say that it reuses. At the end of each round findings are those of the
# undisturbed command, number by number.
set -eu
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-200}
models=3
cd "$work"
bad=0

# In a subshell, which becomes the command: its number is the command's.
audit() {
    # shellcheck disable=SC2086
    exec "$assay" zoo audit --data fashion-mnist --records 100 \
        --references 2 --attacks gap,loss,lira-offline $common \
        --out "$1" --zoo "$2" --quiet 2>err
}

sql() {
    "$assay" zoo query --zoo "$1" --sql "$2" | tail -n +2
}

numbers() {
    sql "$1" "SELECT r.model_id, f.attack, f.metric, f.value, f.low, f.high,
        f.n FROM findings f JOIN runs r ON r.id = f.run_id ORDER BY 1, 2, 3"
}

fail() {
    echo "FAILED after $hit kills: $*"
    sed 's/^/    /' err
    bad=1
}

hit=0
for seed in $(seq "$models"); do
    "$assay" train fashion-mnist --records 100 --epochs 1 --evaluate-every 0 \
        --seed "$seed" --out "m$seed.safetensors" -q >out
    "$assay" zoo add "m$seed.safetensors" --zoo none.db -q
done
cp none.db whole.db
begun=$(date +%s.%N)
(audit whole whole.db) >whole.txt || [ $? -eq 1 ]
span=$(echo "$begun $(date +%s.%N)" | awk '{ printf "%.3f", $2 - $1 }')
numbers whole.db >whole.csv
each=$(($(wc -l <whole.csv) / models))
echo "undisturbed: $span s, $each findings for each of $models models"

rounds=0
parts=0
doubled=0
lost=0
reused=0
silent=0
before=0
cp none.db kill.db
i=0
while [ "$hit" -lt "$kills" ]; do
    i=$((i + 1))
    there=$(find kill -name findings.json 2>/dev/null | sed 's|/[^/]*$||')
    (audit kill kill.db) >cut.txt &
    child=$!
    sleep "$(awk -v s="${SEED:-0}" -v i="$i" -v span="$span" 'BEGIN {
        srand(s * 100003 + i); printf "%.3f", rand() * span * 1.2 }')"
    kill -9 "$child" 2>/dev/null || true
    status=0
    wait "$child" 2>/dev/null || status=$?
    for folder in $there; do
        line=$(grep "$folder/report.html" cut.txt || true)
        case $line in
        '') ;; # killed before its turn came
        *reused:*) reused=$((reused + 1)) ;;
        *) silent=$((silent + 1)) ;;
        esac
    done
    "$assay" zoo check --zoo kill.db -q >out 2>err || fail "the zoo is damaged"
    runs=$(sql kill.db "SELECT count(*) FROM runs")
    [ "$runs" -ge "$before" ] || lost=$((lost + 1))
    before=$runs
    doubled=$((doubled + $(sql kill.db "SELECT count(*) FROM (SELECT 1 FROM
        runs GROUP BY model_id HAVING count(*) > 1)")))
    parts=$((parts + $(sql kill.db "SELECT count(*) FROM runs r WHERE
        (SELECT count(*) FROM findings f WHERE f.run_id = r.id) <> $each")))
    if [ "$status" -eq 137 ]; then
        hit=$((hit + 1))
        continue
    fi
    [ "$status" -le 1 ] || fail "the command ended with status $status"
    numbers kill.db >cut.csv
    cmp -s whole.csv cut.csv || fail "other findings than undisturbed"
    rounds=$((rounds + 1))
    rm -rf kill kill.db kill.db-wal kill.db-shm
    cp none.db kill.db
    before=0
done
[ "$((parts + doubled + lost + silent))" -eq 0 ] || bad=1
echo "zoo-audit: kills=$hit rounds=$rounds parts=$parts doubled=$doubled" \
    "lost=$lost reused=$reused silent=$silent"
exit "$bad"
