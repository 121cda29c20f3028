# SPDX-License-Identifier: Apache-2.0
# kill -9 while a training has checkpoints: what lies there meanwhile, where
# the next process goes on, and that all ends in the same bytes.
. "$(dirname "$0")/../support/cli.sh"

cd "$work" || exit 2
make_records r.bin 160
data="records:r.bin?labels=class&shape=1x28x28"
recipe="--epochs 200 --lr 0.02 --batch 8 --evaluate-every 0 --threads 1"

# Kill a training of cut.safetensors some time after its checkpoint is there.
kill_after() {
    start train "$data" $recipe --out cut.safetensors -q
    await cut.safetensors.ckpt
    sleep "$1"
    stop
    check "killed $1 s after a checkpoint" [ $? -eq 137 ]
    check "  the checkpoint is whole" [ -s cut.safetensors.ckpt ]
    check "  no model under the final name" [ ! -e cut.safetensors ]
    check "  no sidecar under the final name" [ ! -e cut.json ]
}

expect 0 train "$data" $recipe --out whole.safetensors -q
kill_after 0
kill_after 0.03
kill_after 0.06
cp cut.safetensors.ckpt kept.ckpt
expect 0 train "$data" $recipe --out cut.safetensors --json
check "it goes on where it was" sh -c '! grep -q "\"resumed_at\": 0" out'
check "the model has equal bytes" cmp -s whole.safetensors cut.safetensors
check "and the sidecar" cmp -s whole.json cut.json
check "no checkpoint is left" [ ! -e cut.safetensors.ckpt ]

# A checkpoint cut short is no reason to stop, and told.
head -c 5000 kept.ckpt >cut.safetensors.ckpt
expect 0 train "$data" $recipe --out cut.safetensors
has err "warning"
check "from the start, to equal bytes" cmp -s whole.safetensors cut.safetensors
finish
