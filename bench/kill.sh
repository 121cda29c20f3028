#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 at ten random moments of a training, resumed after each: do the
# final weights equal those of a training that nobody touched, byte for byte?
#
# The moments count from the start of their process and are uniform up to the
# time of loading and an eighth of the undisturbed training: in loading, in an
# epoch, in writing a checkpoint. After each kill no model may lie under the
# final name, and the next process must accept the checkpoint without a word.
# SEED draws the moments; RECORDS, EPOCHS and KILLS change the size.
set -eu
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-10}
records=8
epochs=1
cd "$work"

# In a subshell, which becomes the command: its number is the command's.
train() {
    # shellcheck disable=SC2086
    exec "$assay" train fashion-mnist --records "$records" \
        --epochs "$epochs" --evaluate-every 0 $common --out "$1" 2>err
}

# fail WORDS...
fail() {
    echo "FAILED: $*"
    sed 's/^/    /' err
    bad=1
}

moments() {
    python3 -c 'import random, sys
n, seed, load, whole = map(float, sys.argv[1:])
draw = random.Random(int(seed))
for _ in range(int(n)):
    print(f"{draw.uniform(0, load + (whole - load) / 8):.3f}")' \
        "$kills" "${SEED:-0}" "$1" "$2"
}

# The seconds that an undisturbed training takes.
time_training() {
    begun=$(date +%s.%N)
    (train "$1") >"$1.txt"
    echo "$begun $(date +%s.%N)" | awk '{ printf "%.3f", $2 - $1 }'
}

bad=0
loading=$(time_training nothing.safetensors)
records=${RECORDS:-8000}
epochs=${EPOCHS:-30}
whole=$(time_training whole.safetensors)
cat whole.safetensors.txt
echo "undisturbed: $whole s, of which loading takes $loading s"

hit=0
for moment in $(moments "$loading" "$whole"); do
    (train cut.safetensors) >cut.txt &
    child=$!
    sleep "$moment"
    kill -9 "$child" 2>/dev/null || true
    if wait "$child" 2>/dev/null; then
        fail "the training ended before it was killed at $moment s"
        break
    fi
    hit=$((hit + 1))
    state="no checkpoint yet"
    [ ! -e cut.safetensors.ckpt ] || state="a checkpoint is there"
    echo "killed at $moment s; $state"
    [ ! -e cut.safetensors ] || fail "a model lies under its final name"
    [ ! -e cut.json ] || fail "a sidecar lies under its final name"
    ! grep -q warning err || fail "the checkpoint was not accepted"
done
(train cut.safetensors) >cut.txt || fail "the last training"
! grep -q warning err || fail "the checkpoint was not accepted"
cat cut.txt

left=$(find . -maxdepth 1 -name '.cut.*' | wc -l)
echo "unfinished temporary files beside it: $left"
[ ! -e cut.safetensors.ckpt ] || fail "a checkpoint is left"
equal=no
cmp whole.safetensors cut.safetensors && cmp whole.json cut.json && equal=yes
[ "$equal" = yes ] || bad=1
echo "kill: kills=$hit equal=$equal"
exit "$bad"
