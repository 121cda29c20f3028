# SPDX-License-Identifier: Apache-2.0
# Studies from end to end on a tiny set: plan, run, tables, another row, cells
# that fail. Kills are in study_kill.sh.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/study.sh"

cd "$work" || exit 2
make_study_data
write_study a.yaml simplecnn "sweep: {epochs: [1, 2], datasets: [one]}"
expect 0 study a.yaml --out whole --threads 2 --plan
has out "one-simplecnn-none-s0"
has out "3 cells: 0 are there, 3 to do with 6 models to train"
check "a plan writes nothing" [ ! -e whole ]
expect 0 study a.yaml --out whole --threads 2 --plan --no-estimates
has out "one-simplecnn-none-s0 .*not timed"
has out "3 to do with 6 models to train"
check "no time is expected then" sh -c '! grep -q "Expected:" out'
expect 0 study a.yaml --out whole --threads 2
has err "cell 1/3: one-simplecnn-none-s0"
has err "cell 3/3: one-simplecnn-none-e1-s0"
for file in $tables study.html timings.json \
    cells/one-simplecnn-none-s0/report.html; do
    check "$file is there" [ -s "whole/$file" ]
done
# 3 cells: the target's 3 metrics, and 3 attacks with 5 rates, AUC, accuracy,
# PPV, advantage and epsilon.
check "results.csv has a line per metric" \
    [ "$(wc -l <whole/results.csv)" -eq $((1 + 3 * (3 + 3 * 10))) ]
has whole/correlations.csv "at least 4 are needed"
check "no time is in the tables" \
    sh -c "! grep -l 'seconds\|20[0-9][0-9]-' whole/*.csv whole/study.json"

# Nothing is left to do, and nothing changes.
for file in $tables; do cp "whole/$file" "first-$file"; done
expect 0 study a.yaml --out whole --threads 2
has err "3 cells: 3 are there, 0 to do with 0 models to train"
check "no cell runs again" sh -c '! grep -q "^cell" err'
for file in $tables; do
    check "$file is the same" cmp -s "whole/$file" "first-$file"
done

# Side by side: the two of one dataset and seed one after the other, the
# third beside them; the tables are the same.
expect 0 study a.yaml --out beside --threads 2 --jobs 3
has err "3 cells side by side"
check "the other dataset does not wait" sh -c '
    grep "^cell" err | head -2 | sort | tr -d "\n" |
        grep -q "cell 1/3.*cell 2/3: two"'
for file in $tables; do
    check "$file is that of one at a time" cmp -s "beside/$file" "first-$file"
done

# Another architecture: only its cells are new.
write_study b.yaml "simplecnn, resnet18" "overrides: [{architecture: resnet18, epochs: 1, lr: 0.001}]
sweep: {epochs: [1, 2], datasets: [one], architectures: [simplecnn]}"
expect 0 study b.yaml --out whole --threads 2
has err "5 cells: 3 are there, 2 to do"
check "old cells do not run" sh -c '! grep -q "^cell.*simplecnn" err'
check "new ones do" [ "$(grep -c "^cell.*resnet18" err)" -eq 2 ]
has whole/correlations.csv "overfitting,target,gap,loss,accuracy,4,[-.0-9]"
check "old rows are kept" sh -c '
    grep "^one,simplecnn\|^two,simplecnn" whole/results.csv >now
    grep "^one,simplecnn\|^two,simplecnn" first-results.csv | cmp -s - now'

# Another attack: models and scores that are there are used.
sed 's/loss, /loss, entropy, /' a.yaml >c.yaml
expect 0 study c.yaml --out whole --threads 2
has err "changed: attacks"
check "nothing is trained" sh -c '! grep -q " target .*epoch" err'
has whole/results.csv "entropy,membership"

# The paper's preset sets parameters that its attacks have.
write_study p.yaml simplecnn "preset: paper"
sed -i 's/^attacks:.*/attacks: [network-white-shadow, network-black-partial]/' \
    p.yaml
expect 0 study p.yaml --out paper --threads 2 --plan
has out "2 cells: 0 are there, 2 to do with"
check "none is impossible" sh -c '! grep -q impossible out'

# A cell that fails; files that are wrong.
seeds=3
write_study d.yaml "simplecnn" "defenses: [{name: none}, {name: tin-foil}]"
expect 2 study d.yaml --out failing --threads 2
has err "no defence \"tin-foil\""
write_study d.yaml "simplecnn" \
    "defenses: [{name: none}, {name: dp-sgd, params: [colour=3]}]"
expect 2 study d.yaml --out failing --threads 2
has err "the parameters of dp-sgd are"
has failing/study.json "the parameters of dp-sgd are"
check "the others ran" \
    [ "$(grep -c '"status": "done"' failing/study.json)" -eq 2 ]
expect 2 study a.yaml --out failing/study.json
sed 's/epochs: 2/epoch: 2/' a.yaml >e.yaml
expect 2 study e.yaml --out bad
has err "line 3, column 1: Unexpected key: epoch"
expect 4 study --out bad
expect 4 study a.yaml --out bad --seed 3
sed 's/r.bin/none.bin/' a.yaml >f.yaml
expect 2 study f.yaml --out bad
has err "dataset one"
check "no folder is left of what cannot be read" [ ! -e bad ]
mkdir deep
sed 's,records:,records:../,' a.yaml >deep/a.yaml
expect 0 study deep/a.yaml --out deep/a --plan --threads 2 --json
has out '"done": 0'

# A policy of the study's decides the exit status.
cat >strict.yaml <<'YAML'
name: nothing may leak
rules:
  - {id: auc, metric: auc, limit: 0.01, level: error}
YAML
write_study g.yaml simplecnn "policy: strict.yaml"
expect 1 study g.yaml --out judged --threads 2
has out "Policy  broken by 2 cells"

# Debian's Fashion-MNIST, where it is.
cat >real.yaml <<'YAML'
name: real
records: 200
epochs: 1
references: 0
size: own
datasets: [{name: fashion, data: fashion-mnist, max_records: 600}]
architectures: [simplecnn, alexnet]
attacks: [gap, loss]
controls: none
overrides: [{architecture: alexnet, size: 32x32}]
YAML
if [ -d /usr/share/dataset-fashion-mnist ] ||
    "$assay" study real.yaml --out real --plan >/dev/null 2>&1; then
    expect 0 study real.yaml --out real --threads 2
    has real/results.csv "fashion,alexnet,none,1,0,0,loss,membership"
else
    skip "fashion-mnist is not installed"
fi
finish
