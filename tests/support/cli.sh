# SPDX-License-Identifier: Apache-2.0
# For tests of the command. The test is called with the command's path.
#   expect STATUS WORDS...   run, compare the exit status; output is kept in
#                            $work/out and $work/err
#   has FILE TEXT            the output file contains the text
#   start WORDS...           run behind; its number is $child
#   await FILE               until the file is there, two minutes at most
#   stop                     kill -9 what was started; returns its status
#   make_records FILE N SEED N records of 1x28x28 bytes in 4 classes
#   finish                   the counts; ends the test

assay=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/assay-cli.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME
unset NO_COLOR
passed=0
failed=0
skipped=0

pass() {
    passed=$((passed + 1))
    echo "ok   $1"
}

fail() {
    failed=$((failed + 1))
    echo "FAIL $1"
}

skip() {
    skipped=$((skipped + 1))
    echo "skip $1"
}

expect() {
    want=$1
    shift
    "$assay" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" -eq "$want" ]; then
        pass "assay $*"
    else
        fail "assay $*: status $got, not $want"
        sed 's/^/     /' "$work/err"
    fi
}

start() {
    "$assay" "$@" >/dev/null 2>&1 </dev/null &
    child=$!
}

await() {
    tries=0
    while [ ! -e "$1" ] && [ $tries -lt 6000 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
}

stop() {
    kill -9 "$child" 2>/dev/null
    wait "$child" 2>/dev/null
}

has() {
    if grep -q -e "$2" "$work/$1"; then
        pass "  says \"$2\""
    else
        fail "  $1 has no \"$2\""
        sed 's/^/     /' "$work/$1"
    fi
}

check() {
    what=$1
    shift
    if "$@"; then pass "$what"; else fail "$what"; fi
}

# A class is a bright quarter of the picture, under noise.
make_records() {
    awk -v n="$2" -v seed="${3:-12345}" 'BEGIN {
        s = seed
        for (i = 0; i < n; i++) {
            k = i % 4
            printf "\\%03o", k
            for (y = 0; y < 28; y++)
                for (x = 0; x < 28; x++) {
                    s = (s * 1103 + 12347) % 1000003
                    lit = int(y / 14) * 2 + int(x / 14) == k
                    printf "\\%03o", lit * 80 + s % 120
                }
            printf "\n"
        }
    }' | while IFS= read -r line; do
        # shellcheck disable=SC2059
        printf "$line"
    done >"$1"
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}
