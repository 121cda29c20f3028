# SPDX-License-Identifier: Apache-2.0
# What the command says of itself, and of mistakes on its command line.
. "$(dirname "$0")/../support/cli.sh"

expect 4
has err "Usage: assay COMMAND"
expect 0 --help
has out "Commands:"
expect 0 --version
has out "assay [0-9]"
for command in audit train eval reuse scan detect repair backdoor detectors \
    repairs backdoors zoo report diff attacks defenses privacy completion help \
    version; do
    expect 0 help $command
    has out "Usage: assay $command"
done
expect 0 train --help
has out "default: 100"
expect 4 tarin
has err 'did you mean "train"'
expect 4 train x --epoch 3
has err "did you mean --epochs"
expect 4 train x --epochs 0
has err "1 to 100000"
expect 4 train x --epochs three
expect 4 train x --augment turn
has err "crop:PIXELS"
expect 4 train
has err "no DATA"
expect 4 train a b
expect 4 eval model.safetensors
expect 4 reuse model.safetensors
has err "EXTRACTOR and --data are needed"
expect 4 reuse m.safetensors --data x --tuning some
has err "partial, full or both"
expect 4 report
expect 4 audit
expect 4 audit --members in.npz
expect 4 audit x --references 3
has err "even number"
expect 4 audit x --attacks lira-onlin
has err "no attack"
for option in "--resize 32" "--channels 3"; do
    expect 4 audit m.safetensors --data x $option
    has err "${option% *} has no effect here: a model that is opened"
done
for option in "--epochs 3" "--arch alexnet" "--references 4" "--resize 32" \
    "--controls full" "--records 10" "--budget 1m"; do
    expect 4 audit --members in.npz --nonmembers out.npz $option
    has err "${option% *} has no effect here: predictions"
done
expect 4 audit x --assume-split
has err "trained by this audit"
expect 4 audit x --attack-param rmia
has err "NAME.SETTING=VALUE, such as rmia.gamma=2"
expect 4 audit x --attack-param lira-onlin.gamma=2
has err "lira-onlin is not among the attacks to run"
expect 4 audit x --attacks gap --attack-param rmia.gamma=2
has err "rmia is not among the attacks to run"
expect 4 audit x --attack-param rmia.gama=2
has err "the parameters of rmia are: gamma"
expect 4 audit x --attack-param gap.lr=2
has err "the parameters of gap are: none"
expect 4 audit x --attack-param rmia.gamma=two
has err '"two" is not a number; 0.01 to 100 are possible'
expect 4 audit x --attack-param rmia.gamma=1000
has err "1000 is outside 0.01 to 100"
expect 4 attacks lira-onlin
has err 'did you mean "lira-online"'
expect 0 attacks
has out "lira-online"
expect 0 attacks lira-online
has out "needs reference models"
expect 0 attacks --json
has out '"access": "black-box"'
expect 0 attacks rmia --json
has out '"name": "rmia"'
check "  and no other" [ "$(grep -c '"access"' "$work/out")" -eq 1 ]
expect 4 attacks lira-onlin --json
has err 'did you mean "lira-online"'
expect 4 defenses mixupp
has err 'did you mean "mixup"'
expect 0 defenses
has out "rounding  *answers  *membership, stealing"
expect 0 defenses dp-sgd
has out "group norm in the place of batch norm"
has out "epsilon = 8 (0.01 to 10000)"
expect 0 defenses --json
has out '"stage": "training"'
expect 0 defenses distillation --json
has out '"needs_teacher": true'
check "  and no other" [ "$(grep -c '"stage"' "$work/out")" -eq 1 ]
expect 4 audit x --defense mixupp
has err 'no defence "mixupp"'
expect 4 audit x --defense mixup --defense-param alfa=1
has err "the parameters of mixup are: alpha"
expect 4 audit x --defense mixup --defense-param alpha=1000
has err "1000 is outside 0.01 to 100"
expect 4 audit x --defense-param alpha=1
has err "no defence is named"
for command in audit train eval scan detect repair backdoor detectors repairs \
    backdoors zoo report diff attacks defenses privacy completion help \
    version; do
    expect 0 $command --help
    has out "Usage: assay $command"
done
expect 4 version 1
expect 4 help nothing
expect 0 completion bash
has out "complete -o filenames -F _assay assay"
has out "audit:--attack-param) .*network-white-shadow.lr= "
has out "audit:--defense|train:--defense) .*dp-sgd .*temperature"
has out "audit:--defense-param|train:--defense-param) .*epsilon= "
has out "zoo:zoo) .*list .*fetch "
check "  each parameter once" \
    [ "$(grep -o '[" ]alpha= ' "$work/out" | wc -l)" -eq 1 ]
if command -v bash >/dev/null; then
    check "bash takes the completion" bash -n "$work/out"
else
    skip "bash takes the completion: no bash"
fi
expect 4 completion fish
finish
