# SPDX-License-Identifier: Apache-2.0
# Epsilons from a recipe, and noise for an epsilon. The numbers themselves
# are tested in tests/unit/test_metrics_{rdp,prv,noise}.c.
. "$(dirname "$0")/../support/cli.sh"

# Batches of 64, 300 epochs: ML-Doctor's Fashion-MNIST, printed as 8.408.
expect 0 privacy --records 17500 --batch 64 --epochs 300 --noise 0.95
has out "^sampling rate  0.00365714$"
has out "^steps          82200$"
has out "^delta          1e-05$"
has out "^RDP, classic  *8\.4083  at order 4\.1$"
has out "^RDP, improved  *7\.6581  at order 3\.9$"
has out "^PRV  *7\.107[0-9]  the true one lies above 7\.087[0-9]$"
expect 0 privacy --records 60000 --batch 250 --steps 3600 --noise 1.3 --json
has out '"sampling_rate": 0.0041666'
has out '"steps": 3600'
has out '"rdp_classic": {'
has out '"epsilon": 1.1799'
has out '"order": 17'
has out '"delta_error": '
check "  no target" [ "$(grep -c target "$work/out")" -eq 0 ]

expect 0 privacy -n 60000 -b 250 -e 15 --target-epsilon 1 --delta 1e-6
has out "^delta          1e-06$"
has out "^PRV .*  for epsilon 1$"
check "  and no epsilon" [ "$(grep -c 'at order' "$work/out")" -eq 0 ]
noise=$(sed -n 's/^PRV *\([0-9.]*\).*/\1/p' "$work/out")
expect 0 privacy -n 60000 -b 250 -e 15 --noise "$noise" --delta 1e-6
has out "^PRV  *\(0\.999\|1\.0000\)"
expect 0 privacy -n 100 -b 100 -e 1 --target-epsilon 2 --noise 3 --json
has out '"target": {'
has out '"noise": 3'
expect 0 privacy -n 1000 -b 10 -e 1 --noise 1 --delta 0.01
has err "delta 0.01 is above 1 / 1000 records"

expect 4 privacy
has err "records and --batch are needed"
expect 4 privacy -n 10 -b 20 -e 1 --noise 1
has err "batch 20 is more than the 10 records"
expect 4 privacy -n 10 -b 2 --noise 1
has err "one of --epochs and --steps"
expect 4 privacy -n 10 -b 2 -e 1 --steps 5 --noise 1
expect 4 privacy -n 10 -b 2 -e 1
has err "noise or --target-epsilon is needed"
expect 4 privacy -n 10 -b 2 -e 1 --noise 0
has err "0.05 to 10000"
expect 4 privacy -n 10 -b 2 -e 1 --noise 1 --delta 1
expect 4 privacy -n 1000000000 -b 1 -e 1000000 --noise 1
has err "steps: outside 1 to 1000000000"
expect 4 privacy extra
expect 3 privacy -n 10 -b 10 --steps 1000000000 --target-epsilon 0.1
has err "a noise of 10000 is too little"

# Every example of the page and of the help.
root=${ASSAY_SOURCE:-$(dirname "$0")/../..}
{
    sed -n 's/^    assay privacy //p' "$root/docs/privacy.md"
    "$assay" help privacy | sed -n 's/^  assay privacy //p'
} >"$work/examples"
check "there are examples" [ "$(wc -l <"$work/examples")" -ge 5 ]
while read -r words; do
    # shellcheck disable=SC2086
    expect 0 privacy $words
done <"$work/examples"
finish
