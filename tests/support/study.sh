# SPDX-License-Identifier: Apache-2.0
# For tests of studies, after cli.sh.
#   make_study_data                    r.bin and q.bin in this folder
#   write_study FILE NETS [MORE LINES] a study of them, with $seeds
#   $tables                            what must not depend on kills

tables="study.json results.csv summary.csv defenses.csv correlations.csv"

make_study_data() {
    make_records r.bin 240
    make_records q.bin 200 777
}

seeds=0
write_study() {
    cat >"$1" <<YAML
name: tiny
seeds: [$seeds]
epochs: 2
batch: 16
lr: 0.05
size: own
references: 0
exposed: 0
datasets:
  - {name: one, data: "records:r.bin?labels=class&shape=1x28x28"}
  - name: two
    data: "records:q.bin?labels=class&shape=1x28x28"
    epochs: 3
architectures: [$2]
attacks: [gap, loss, network-black-shadow]
$3
YAML
}
