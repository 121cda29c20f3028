# SPDX-License-Identifier: Apache-2.0
# The zoo from outside: imports, questions, two writers at once, kills.
# ASSAY_KILLS changes the number of kills.
. "$(dirname "$0")/../support/cli.sh"

XDG_DATA_HOME=$work/data
export XDG_DATA_HOME
cd "$work" || exit 2

# A table of $1 models, named after $2.
make_models() {
    echo "name,architecture,family,dataset,weights_url,top1,year,provenance"
    awk -v n="$1" -v name="$2" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "%s-%d,net-%d,ResNet,CIFAR-10,http://x/%d,%.2f,%d,o/r@1\n",
                name, i, i % 7, i, 50 + i % 50, 2010 + i % 15
    }'
}

expect 4 zoo
has err "Commands:"
expect 0 zoo --help
has out "leaderboard"
expect 4 zoo lst
has err 'did you mean "list"'
for command in list show query leaderboard columns stats import add fetch audit export pages check; do
    expect 0 zoo $command --help
    has out "Usage: assay zoo $command"
done
expect 3 zoo list
has err "no zoo is there yet"
expect 4 zoo import
expect 2 zoo import none.csv

make_models 60 a >a.csv
printf 'x,architecture\n' >bad.csv
expect 0 zoo import a.csv
has out "60 new"
check "the zoo is where XDG says" [ -s data/assay/zoo.db ]
expect 0 zoo import a.csv --json
has out '"unchanged": 60'
expect 2 zoo import bad.csv
has err "neither a table of models"
expect 0 zoo list --limit 5
has out "5 of 60; --limit 0 shows all"
expect 0 zoo query --where family=resnet --where 'test_accuracy>0.95' \
    --sort -year,name --columns name,test_accuracy,year
has out "a-49  *0.99  *2014"
check "  four models" [ "$(wc -l <out)" -eq 5 ]
expect 0 zoo query --where name=a-3 --json
has out '"matching": 1'
expect 4 zoo query --where nothing=3
has err 'no column and no fact is called "nothing"'
expect 0 zoo query --sql 'SELECT count(*) AS n FROM models'
has out "60"
expect 4 zoo query --sql 'DELETE FROM models'
has err "not authorized"
expect 4 zoo query --sql 'SELECT 1' --sort name
expect 0 zoo leaderboard --limit 2
has out "   2  CIFAR-10  a-"
expect 0 zoo show a-7
has out 'test_accuracy  *0.57 ("57.00") fraction'
expect 0 zoo show 8 --json
has out '"name": "a-7"'
expect 3 zoo show nobody
expect 0 zoo columns
has out "mia_mentropy_auc"
expect 0 zoo check
has out "sound"

# Control characters reach no terminal.
printf 'name,architecture,dataset,provenance\n\033[31mred,A,D,p\n' >esc.csv
expect 0 zoo import esc.csv --zoo esc.db
expect 0 zoo list --zoo esc.db
has out "?\[31mred"
check "no escape is printed" sh -c "! grep -q '$(printf '\033')' out"

# Files in, and models out.
printf 'abc' >m.bin
expect 0 zoo add m.bin --zoo files.db
has out "model 1 (new), 3 bytes, unknown, SHA-256 ba7816bf"
expect 0 zoo add m.bin --zoo files.db --json
has out '"new": false'
printf 'cposix\nsystem\n(S"true"\ntR.' >evil.pkl
expect 0 zoo add evil.pkl --zoo evil.db
expect 0 zoo show 1 --zoo evil.db
has out "scan  *dangerous: pickle-dangerous posix.system"
expect 2 zoo add none.bin --zoo files.db
expect 0 zoo export --format cyclonedx --where name=m.bin --zoo files.db
has out '"content": "ba7816bf'
expect 0 zoo export --format csv --out all.csv
check "all models are in the CSV" [ "$(wc -l <all.csv)" -eq 61 ]
expect 4 zoo export --format xml
expect 0 zoo pages --out pages --where 'name~a-1'
has out "pages/index.html"
check "a page for each model" [ "$(ls pages/models | wc -l)" -eq 11 ]
check "no scripts" sh -c '! grep -rqi "<script" pages --include=*.html'
expect 3 zoo stats
has err "SecurityNet's table is not in the zoo"
expect 0 zoo stats --x year --y test_accuracy
has out "  60  "

# An audit's findings belong to a model.
small=${ASSAY_SOURCE:-.}/tests/golden/run-small/findings.json
if [ -f "$small" ]; then
    expect 0 zoo import "$small" --model m.bin --zoo files.db
    has out "1 changed"
    expect 0 zoo show 1 --zoo files.db
    has out "run 1  fail  assay .*in run-small"
    has out "run 1  correctness  *auc  *0.549792"
    expect 0 zoo query --where 'correctness.auc>0.5' --zoo files.db
    has out "m.bin"
else
    skip "an audit's findings: ASSAY_SOURCE is not set"
fi

# No network here: what is refused before there would be one.
cat >links.csv <<'TABLE'
name,architecture,dataset,provenance,weights_url
here,A,D,p,http://127.0.0.1:9/x
disk,A,D,p,file:///etc/passwd
many,A,D,p,https://a/1 https://a/2
TABLE
expect 0 zoo import links.csv --zoo links.db
expect 2 zoo fetch here --zoo links.db
has err "address of this machine or a local network (--allow-local)"
expect 4 zoo fetch disk --zoo links.db
has err "no http or https link"
expect 4 zoo fetch many --zoo links.db
has err "choose one (--url)"
expect 2 zoo fetch here --allow-local --zoo links.db
expect 3 zoo fetch nobody --zoo links.db

# Audits of models that are here: one that Assay trained, one that is none.
make_records r.bin 240
data="records:r.bin?labels=class&shape=1x28x28"
expect 0 train "$data" --epochs 2 --batch 16 --out t.safetensors -q
expect 4 zoo audit --zoo files.db
has err "no --data is given"
expect 3 zoo audit --data "$data" --where name=none --zoo files.db
has err "no model of these has a file here"
expect 0 zoo add t.safetensors --zoo files.db
"$assay" zoo audit --data "$data" --references 0 --attacks gap,loss \
    --out audits --zoo files.db >out 2>err </dev/null
check "one cannot be audited: status 2" [ $? -eq 2 ]
has out "m.bin *not audited: "
has out "t.safetensors *\(pass\|warning\|fail\|inconclusive\) "
check "the run folder is there" [ -s audits/model-2/findings.json ]
expect 0 zoo show t.safetensors --zoo files.db
has out "in model-2"
has out "loss  *auc"
"$assay" zoo audit --data "$data" --references 0 --attacks gap,loss \
    --out audits --zoo files.db --where id=2 --json >out 2>err </dev/null
check "alone it can: status 0 or 1" [ $? -le 1 ]
has out '"folder": "audits/model-2"'
has out '"reused": [1-9]'
expect 0 zoo query --sql 'SELECT count(*) FROM runs WHERE model_id=2' \
    --zoo files.db
check "  the same audit is one run" [ "$(tail -n 1 out)" -eq 1 ]
echo changed >>t.safetensors
expect 2 zoo audit --data "$data" --where id=2 --out audits --zoo files.db
has out "not audited: .*other bytes than when it was noted"

# Two writers at once, from nothing: both are in, whole.
make_models 2000 b >b.csv
make_models 2000 c >c.csv
"$assay" zoo import b.csv --zoo two.db --source b -q &
first=$!
"$assay" zoo import c.csv --zoo two.db --source c -q &
second=$!
wait $first
check "the first writer ends well" [ $? -eq 0 ]
wait $second
check "the second writer ends well" [ $? -eq 0 ]
expect 0 zoo query --zoo two.db --sql \
    'SELECT source_id, count(*) FROM models GROUP BY 1'
check "  both have all rows" [ "$(grep -c '2000$' out)" -eq 2 ]

# kill -9 anywhere in an import: none or all of its rows. The moments are
# spread over the time that an import takes.
now() {
    echo $(($(date +%s%N) / 1000000))
}
kills=${ASSAY_KILLS:-8}
i=0
killed=0
begin=$(now)
expect 0 zoo import b.csv --zoo timed.db -q
took=$(($(now) - begin))
while [ $i -lt "$kills" ]; do
    i=$((i + 1))
    moment=$((took * (2 * i - 1) / (2 * kills)))
    "$assay" zoo import b.csv --zoo kill.db --source "s$i" -q 2>/dev/null &
    child=$!
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    status=$?
    [ $status -ne 137 ] || killed=$((killed + 1))
    # The rows of this import, and the sources that have another number.
    "$assay" zoo query --zoo kill.db --sql "SELECT
        (SELECT count(*) FROM models m JOIN sources s ON s.id=source_id
         WHERE s.name='s$i'), (SELECT count(*) FROM (SELECT 1 FROM models
         GROUP BY source_id HAVING count(*) <> 2000))" >out 2>err
    case $? in
    0) set -- $(tail -n 1 out) ;;
    3) set -- 0 0 ;; # it was killed before there was a zoo
    *) set -- "no answer" 0 ;;
    esac
    case "$status $1 $2" in
    "0 2000 0" | "137 2000 0" | "137 0 0") ;;
    *) fail "kill $i of $moment ms: status $status, $1 rows, $2 torn imports" ;;
    esac
done
check "$killed of $kills imports were killed before their end" \
    [ "$killed" -gt 0 ]
expect 0 zoo import b.csv --zoo kill.db --source s1
expect 0 zoo check --zoo kill.db
expect 0 zoo query --zoo kill.db --sql \
    "SELECT count(*), count(DISTINCT m.name) FROM models m JOIN sources s ON
     s.id=source_id WHERE s.name='s1'"
check "what was killed is then whole" grep -q '2000  *2000' out

# The public tables, where they are.
tables=${ASSAY_SOURCE:-.}/../shared/data/zoo
if [ -d "$tables" ]; then
    expect 0 zoo import "$tables/models.csv" "$tables/securitynet.csv" \
        --zoo public.db
    has out "3431 new"
    has out "529 new"
    expect 0 zoo query --zoo public.db --json --limit 1
    has out '"matching": 3960'
else
    skip "the public tables: ../shared/data/zoo is not there"
fi
finish
