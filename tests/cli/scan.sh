# SPDX-License-Identifier: Apache-2.0
# assay scan on files made here: verdicts, exit status, JSON and SARIF, that it
# only reads; that models called dangerous are not opened; that docs/scan.md
# lists all rules and names.
. "$(dirname "$0")/../support/cli.sh"

root=$(cd "${ASSAY_SOURCE:-$(dirname "$0")/../..}" && pwd)
cd "$work" || exit 2
printf '\200\002}q\000.' >good.pt
printf 'cos\nsystem\n(Vtouch ran\ntR.' >bad.pkl
printf '\200\002cmylib\nNet\n)\201.' >odd.pt
printf '\200\002}' >broken.pt
printf 'no model at all\n' >notes
printf 'cos\nsys\033[2Jtem\n(VX\ntR.' >"esc.pkl"

expect 0 scan good.pt
has out "^clean *good.pt  (pickle)$"
expect 0 scan --quiet good.pt
check "  says nothing" [ ! -s "$work/out" ]
expect 1 scan bad.pkl
has out "^dangerous *bad.pkl"
has out "pickle-dangerous  os.system"
has out "byte 0: GLOBAL loads os.system"
expect 1 scan good.pt odd.pt broken.pt notes
has out "^suspicious *odd.pt"
has out "pickle-unknown  mylib.Net"
has out "^unreadable *broken.pt"
has out "pickle-broken"
expect 2 scan good.pt broken.pt
expect 2 scan good.pt notes
expect 2 scan good.pt not-there.pt
has out "cannot open"
expect 2 scan good.pt .
has out "not a regular file"
expect 3 scan notes
has out "unknown-kind"
expect 4 scan
has err "no FILE given"
expect 4 scan --json --sarif good.pt
expect 1 scan esc.pkl
has out "os.sys?\[2Jtem"
check "  no escape reaches a terminal" \
    [ "$(tr -cd '\033' <"$work/out" | wc -c)" -eq 0 ]
check "nothing ran" [ ! -e ran ]

expect 1 scan --json bad.pkl good.pt not-there.pt
has out '"schema": "assay-scan/1"'
has out '"verdict": "dangerous"'
has out '"rule": "pickle-dangerous"'
has out '"what": "os.system"'
has out '"offset": 0'
has out '"error": ".*not-there.pt: cannot open'
expect 1 scan --sarif bad.pkl odd.pt esc.pkl
has out '"version": "2.1.0"'
has out '"ruleId": "pickle-dangerous"'
has out '"level": "error"'
has out '"level": "warning"'
has out '"uri": "bad.pkl"'
has out '"byteOffset": 0'
sed -n 's/^ *"id": "\(.*\)".*/\1/p' out >rules
check "  it has rules" [ "$(wc -l <rules)" -ge 30 ]
missing=$(while read -r rule; do
    grep -q "^| \`$rule\` |" "$root/docs/scan.md" || echo "$rule"
done <rules)
check "docs/scan.md has every rule${missing:+ but $missing}" [ -z "$missing" ]
sed -n 's/^ASSAY_PICKLE_ALLOW("\([^"]*\)".*/\1/p' \
    "$root/src/formats/pickle_allowed.def" | sort -u >modules
missing=$(while read -r module; do
    grep -q "^| \`$module\` |" "$root/docs/scan.md" || echo "$module"
done <modules)
check "docs/scan.md has every module${missing:+ but $missing}" \
    [ -z "$missing" ]

# What is dangerous is not opened as a model.
expect 2 eval bad.pkl --data mnist:nowhere
has err "bad.pkl is dangerous (pickle-dangerous os.system, byte 0)"

expect 2 audit bad.pkl --data fashion-mnist --out run
has err "bad.pkl is dangerous"

if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    # The leak sanitizer would start a process of its own.
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        strace -f -o trace "$assay" scan bad.pkl good.pt esc.pkl >/dev/null
    check "runs no other program" [ "$(grep -c 'execve(' trace)" -eq 1 ]
    check "  opens no network" [ "$(grep -c 'socket(' trace)" -eq 0 ]
    check "  opens nothing to write" \
        [ "$(grep -Ec 'open.*(O_WRONLY|O_RDWR|O_CREAT)' trace)" -eq 0 ]
    check "  starts no process" [ "$(grep -Ec '(fork|clone3?)\(' trace)" -eq 0 ]
else
    skip "strace is not here: what the scan does was not watched"
fi
finish
