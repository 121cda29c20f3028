#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Peak resident memory of the demonstration (examples/demo.sh): the largest
# process of it, as the kernel counts (ru_maxrss). Fails over 1.5 GiB.
set -eu
. "$(dirname "$0")/lib.sh"

python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"memory: demo_peak_mib={peak:.0f}")
sys.exit(peak > 1536)' sh "$here/../examples/demo.sh" "$assay" "$work/run"
