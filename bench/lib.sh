# SPDX-License-Identifier: Apache-2.0
# For the benchmarks that are called as `sh bench/NAME.sh BUILD`. Sets
#   $assay    the command
#   $work     BUILD/runs/NAME, empty; with KEEP=1 as it was left, so that an
#             interrupted benchmark goes on
#   $common   options from SEED and THREADS, for every call
# Algorithms are timed anew for each benchmark: the cache is in $work.

here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0" .sh)
if [ ! -x "${1:-}/assay" ]; then
    echo "usage: $name.sh BUILD, a folder with the command assay" >&2
    exit 4
fi
build=$(cd "$1" && pwd)
assay=$build/assay
work=$build/runs/$name
[ "${KEEP:-0}" = 1 ] || rm -rf "$work"
mkdir -p "$work"
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME
common="--seed ${SEED:-0} --threads ${THREADS:-0}"

# Findings over the policy are no failure of a measurement.
audit() {
    status=0
    "$assay" audit "$@" >"$work/summary.txt" || status=$?
    [ "$status" -le 1 ] || return "$status"
}

findings() {
    python3 "$here/findings.py" "$@"
}
