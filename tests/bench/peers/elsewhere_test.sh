#!/usr/bin/env bash
# Runs kernels from elsewhere under the X-ray, with the Python that `./run bench peers` has made.
# usage: elsewhere_test.sh SWITCHYARD ROOT. Exit code 77: neither that Python nor another one with numpy is here.
set -euo pipefail
program=$1 root=$2
python=${SWITCHYARD_PEERS:-$root/build/peers/environment}/bin/python
[[ -x $python ]] || python=$(command -v python3) || {
  echo "elsewhere: skipped: no Python here"
  exit 77
}
"$python" -c 'import numpy' 2>/dev/null || {
  echo "elsewhere: skipped: no numpy here; './run bench peers elsewhere' installs it"
  exit 77
}
exec "$python" "$root/bench/peers/elsewhere.py" --program "$program"
