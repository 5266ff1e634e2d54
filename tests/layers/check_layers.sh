#!/usr/bin/env bash
# Includes point one way: app, bench -> analysis -> training -> models, data -> engine -> kernels/api,
# and below engine: ops -> autograd -> core. Prints every include that points another way and fails
# then. Usage: check_layers.sh SOURCE_DIRECTORY
set -euo pipefail

engine='engine/|kernels/api/'
models="$engine|models/"
training="$models|data/|training/"
analysis="$training|analysis/"

# A folder and what its files may include, as an extended regular expression. The first line whose
# folder a file lies in counts.
rules="
engine/core       engine/core/|kernels/api/
engine/autograd   engine/(core|autograd)/|kernels/api/
engine/ops        engine/(core|autograd|ops)/|kernels/api/
engine/nn         engine/(core|autograd|ops|nn)/
engine/io         engine/(core|io)/|kernels/api/
engine            $engine
models            $models
data              $engine|data/
training          $training
analysis          $analysis
app               $analysis|app/|kernels/workbench/|kernels/xray/
bench/simt        kernels/
bench             $analysis|bench/
kernels/api       kernels/(api|common)/
kernels           kernels/
"

# These files may include more than that, each for the reason beside it.
exceptions="
engine/core/device.cpp     kernels/cpu/libraries.h         # names the library behind the device
engine/core/device.cpp     kernels/cuda/conv2d_library.h   # chooses the library of the device
engine/core/threads.cpp    kernels/cpu/parallel.h          # the home of threads above kernels
engine/core/bfloat16.h     kernels/common/bfloat16.h       # one storage type above kernels and below
engine/io/safetensors_write.cpp kernels/common/convert.h   # rounds as the kernels do
engine/core/random.cpp     kernels/common/philox.h         # the home of random numbers above kernels
app/commands/devices.cpp   kernels/cuda/gpus.h             # lists the GPUs that the driver knows
app/xray/numbers.cpp       kernels/common/half.h           # numbers of 16 bits that a kernel gets
bench/convolutions.cpp     kernels/cpu/onednn.h            # times the library itself
"

# FILE INCLUDED for every include of a project file in tree $1.
includes() {
  (cd "$1" && grep -rnoE '^ *# *include "(app|bench|analysis|training|models|data|engine|kernels|tests)/[^"]+"' \
    --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh' \
    app bench analysis training models data engine kernels 2>/dev/null || true) |
    sed -E 's/^([^:]+):[0-9]+: *# *include "([^"]+)"$/\1 \2/'
}

# The includes of tree $1 that no rule and no exception allows.
violations() {
  includes "$1" | awk -v rules="$rules" -v exceptions="$exceptions" '
    BEGIN {
      count = split(rules, line, "\n")
      for (i = 1; i <= count; ++i) if (split(line[i], part, / +/) >= 2) {
        folder[++last] = part[1] "/"; allowed[last] = "^(" part[2] ")"
      }
      count = split(exceptions, line, "\n")
      for (i = 1; i <= count; ++i) if (split(line[i], part, / +/) >= 2) excepted[part[1] " " part[2]]
    }
    ($1 " " $2) in excepted { next }
    {
      for (i = 1; i <= last; ++i) if (index($1, folder[i]) == 1) {
        if ($2 !~ allowed[i]) print $1 ": may not include " $2
        next
      }
    }'
}

# A detector that finds nothing proves nothing: it must find one of each kind in a tree made for it.
broken=$(mktemp -d)
trap 'rm -rf "$broken"' EXIT
plant() {
  mkdir -p "$broken/$(dirname "$1")"
  echo "#include \"$2\"" > "$broken/$1"
}
plant engine/core/a.cpp engine/autograd/node.h
plant engine/autograd/b.cpp engine/ops/shape.h
plant models/c.cpp kernels/cpu/parallel.h
plant training/d.h kernels/common/philox.h
plant data/e.cpp models/state.h
plant kernels/cpu/f.cpp engine/core/tensor.h
plant app/g.cpp bench/benchmark.h
plant analysis/h.cpp app/command.h
plant engine/ops/i.cpp tests/support/tensors.h
plant models/fine.cpp engine/core/tensor.h
found=$(violations "$broken" | wc -l)
if [ "$found" -ne 9 ]; then
  echo "check_layers.sh: found $found of 9 includes that are wrong on purpose" >&2
  exit 1
fi

wrong=$(violations "$1")
unused=$(grep -oE '^[a-z]\S+ +\S+' <<< "$exceptions" | sed -E 's/ +/ /' |
  grep -vxFf <(includes "$1") || true)
if [ -n "$wrong" ]; then echo "$wrong"; fi
if [ -n "$unused" ]; then echo "$unused" | sed 's/^/an exception that nothing needs: /'; fi
[ -z "$wrong$unused" ]
