# SPDX-License-Identifier: Apache-2.0
# kill -9 in the middle of a study, five times: the tables that it ends with
# are those of a study that was not killed.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/study.sh"

cd "$work" || exit 2
make_study_data
write_study a.yaml simplecnn "sweep: {epochs: [1, 2], datasets: [one]}"
expect 0 study a.yaml --out whole --threads 2

# Killed again and again, in a folder of its own, each time a step later.
one=cut/cells/one-simplecnn-none-s0
two=cut/cells/two-simplecnn-none-s0
for file in cut/.lock $one/manifest.json $one/models/target.safetensors \
    $one/cell.json $two/evidence/target-members.safetensors; do
    start study a.yaml --out cut --threads 2 -q
    await $file
    stop
    check "killed when $file was there" [ $? -eq 137 ]
    check "  the tables were not" [ ! -e cut/study.json ]
done
expect 0 study a.yaml --out cut --threads 2
for file in $tables; do
    check "after kills $file has equal bytes" cmp -s "cut/$file" "whole/$file"
done

# Two at once in one folder.
start study a.yaml --out cut2 --threads 1 -q
await cut2/.lock
expect 2 study a.yaml --out cut2 --threads 1
has err "another study is working there"
stop
finish
