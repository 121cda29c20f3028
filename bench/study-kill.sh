#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 at KILLS (5) random moments of a study: are the tables that it ends
# with those of a study that nobody touched, byte for byte? The study is
# examples/studies/small-grid.yaml with Fashion-MNIST and SimpleCNN alone: eight
# of ML-Doctor's ten scenarios (there is no attribute), no defence, DP-SGD and distillation, two seeds,
# six cells. The moments are uniform within a sixth of the undisturbed time,
# from the start of each process; SEED draws them. The page tells how long
# things took and is left out. THREADS is that of both studies.
set -eu
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-5}
cd "$work"
awk '/^  - name: cifar10/ { skip = 1 } /^architectures/ { skip = 0 } !skip' \
    "$here/../examples/studies/small-grid.yaml" |
    sed 's/^architectures:.*/architectures: [simplecnn]/' >grid.yaml

# In a subshell, which becomes the command: its number is the command's.
study() {
    exec "$assay" study grid.yaml --out "$1" --threads "${THREADS:-1}" \
        --no-estimates --quiet >"$1.txt" 2>"$1.err"
}

begun=$(date +%s)
(study whole)
whole=$(($(date +%s) - begun))
echo "undisturbed: $whole s"

hit=0
for moment in $(python3 -c 'import random, sys
draw = random.Random(int(sys.argv[2]))
print(*(f"{draw.uniform(.5, float(sys.argv[3]) / 6):.1f}"
        for _ in range(int(sys.argv[1]))))' "$kills" "${SEED:-0}" "$whole"); do
    (study cut) &
    child=$!
    sleep "$moment"
    kill -9 "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null && continue
    hit=$((hit + 1))
    echo "killed after $moment s: $(find cut -name cell.json | wc -l) of 6 cells"
done
(study cut)

bad=0
n=0
for file in whole/*.json whole/*.csv; do
    case $file in
    */timings.json | */tuning.json | '*') continue ;; # how long it took
    esac
    [ -e "$file" ] || continue
    n=$((n + 1))
    cmp "$file" "cut/${file#*/}" || bad=1
done
[ "$n" -gt 0 ] || bad=1
echo "study-kill: kills=$hit files=$n equal=$([ $bad = 0 ] && echo yes || echo no)"
exit "$bad"
