# SPDX-License-Identifier: Apache-2.0
# Data, models and places that cannot be used: a clear message, the right
# status, and nothing left behind.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 80
data="records:r.bin?labels=class&shape=1x28x28"

expect 2 train missing.npz
has err "missing.npz"
expect 2 train fashion-mnist:/nowhere
head -c 1000 r.bin >cut.bin
expect 2 train "records:cut.bin?labels=class&shape=1x28x28"
has err "cut.bin"
printf 'not an archive' >bad.npz
expect 2 train npz:bad.npz
has err "bad.npz"
expect 2 train "records:r.bin?labels=class&shape=1x28x27"
expect 4 train "$data" --label nothing
expect 2 train "$data" --out /proc/no/m.safetensors
has err "/proc/no/m.safetensors"
expect 4 train "$data" --arch nothing
has err "nothing"
expect 4 train "$data" --mean 1,2,3
has err "3 means for 1 channels"

expect 2 eval missing.safetensors --data "$data"
printf 'garbage' >m.safetensors
printf '{"arch": "simplecnn"}' >m.json
expect 2 eval m.safetensors --data "$data"

expect 2 audit "$data" --out /proc/no
has err "/proc/no"
: >file
expect 2 audit "$data" --out file
expect 2 audit "$data" --policy missing.yaml --out run
printf 'name: x\nrulez: []\n' >policy.yaml
expect 2 audit "$data" --policy policy.yaml --out run
has err "line 2, column 1"
expect 2 audit --members missing.npz --nonmembers missing.npz --out run
check "no run folder is left" [ ! -e run ]
expect 2 report nowhere
mkdir half
printf '{"schema": ' >half/findings.json
expect 2 report half
check "no report of half a result" [ ! -e half/report.html ]
check "no model is left" [ ! -e model.safetensors ]
check "no temporary files are left" [ -z "$(find . -name '*.tmp*' -o -name '*write-test*')" ]

# A disk that fills up: no file may grow beyond 64 KiB.
if (ulimit -f 64) 2>/dev/null; then
    (
        trap '' XFSZ
        ulimit -f 64
        "$assay" train "$data" --epochs 1 --out full.safetensors >out 2>err
    )
    check "a full disk ends with status 2" [ $? -eq 2 ]
    check "and is named" grep -q -e "full.safetensors" err
    check "no half model is left" [ ! -e full.safetensors ]
    check "nor its temporary" [ -z "$(find . -name '*full.safetensors?*')" ]
else
    skip "a full disk: ulimit -f cannot be set"
fi
if [ -w /dev/full ]; then
    "$assay" train "$data" --epochs 1 --out fine.safetensors -q >/dev/full 2>err
    check "a result that cannot be printed is an error" [ $? -eq 2 ]
    has err "standard output"
else
    skip "a result that cannot be printed: no /dev/full"
fi
finish
