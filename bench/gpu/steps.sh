# The steps of measure.sh, which sources this file: what each does, and what it needs. A step is a function
# run_STEP; what it prints goes to STEP.txt, other files into $out.
# shellcheck shell=bash disable=SC2154  # measure.sh sets root, programs and out

# --- steps --------------------------------------------------------------------------------------

# Name, share of the time, least seconds that make sense, and what it does; in the order in which they run.
steps() {
  cat <<'TEXT'
devices 1 2 the GPU, its driver, this build
check 20 20 every variant of every kernel against float64, and its time
layer 10 15 the MoE layer forward: 8 and 64 experts, balanced and Zipf, float32
tests 14 20 the tests whose parameter is the device cuda
training 10 15 the same layer, forward and backward
routing 8 10 gate logits to slots and back, by tokens
memcheck 12 20 compute-sanitizer: reads and writes outside of memory
counters 10 20 Nsight Compute: what the layer's and the routing's kernels do
peers 14 60 PyTorch's ways beside the same layer
presets 10 15 layers of published models
racecheck 12 20 compute-sanitizer: races in shared memory
hvp 8 10 Hessian-vector products of the layer
engine 10 20 training step, inference and Hessian-vector product of ResNet-18
map 15 20 naive against fused by tokens, experts and skew
TEXT
}

# Families of kernels for compute-sanitizer, which makes them tens of times slower: ours of the MoE layer first.
telling_families="moe route gate grouped_matmul sort_assignments dispatch matmul softmax reduction norm"

bench() {
  local name=$1
  shift
  "$programs/switchyard" bench "$@" --device cuda --csv "$out/$name.csv" --html "$out/$name.html" \
    --json >"$out/$name.json"
}

sanitize() {
  local tool=$1 family status=0
  for family in $telling_families; do
    "$(tool_path compute-sanitizer)" --tool "$tool" --error-exitcode 9 --log-file "$out/$tool-$family.txt" \
      "$programs/switchyard" check "$family" --device cuda || { echo "$tool: $family: exit code $?"; status=1; }
  done
  return $status
}

run_devices() {
  "$programs/switchyard" version
  "$programs/switchyard" devices
  if command -v nvidia-smi >/dev/null; then nvidia-smi; fi
}
run_check() { "$programs/switchyard" check all --device cuda; }
run_tests() {
  local program status=0
  for program in workbench kernels_cuda_device engine models training analysis app; do
    [[ -x $programs/tests/test_$program ]] || { echo "test_$program is not built"; continue; }
    "$programs/tests/test_$program" --gtest_filter="$(cuda_filter "$program")" --gtest_brief=1 || status=1
  done
  return $status
}
cuda_filter() {
  case $1 in
    workbench) echo 'Cuda.*' ;;
    kernels_cuda_device) echo '*' ;;
    *) echo '*/Cuda*' ;;
  esac
}
layer_sizes=(--tokens 4096 --width 512 --hidden 2048 --k 2 --experts "8,64" --distribution "balanced,zipf" --map)
run_layer() { bench layer moe "${layer_sizes[@]}" --seconds 0.3; }
run_training() { bench training moe "${layer_sizes[@]}" --order training --seconds 0.3; }
run_routing() { bench routing routing --tokens 128,1024,4096,16384,65536 --experts 64 --k 2 --seconds 0.2; }
run_hvp() { bench hvp moe --tokens 4096 --experts 8 --order hvp --seconds 0.3; }
run_map() {
  bench map moe --width 512 --hidden 1024 --tokens 64,512,4096 --experts 4,16,64,256 \
    --distribution balanced,zipf,one --map --seconds 0.1
}
run_presets() {
  local preset status=0
  for preset in published-head olmoe-1b-7b qwen3-30b-a3b; do  # the float64 reference of the others takes minutes
    bench "preset-$preset" moe --preset "$preset" --tokens 512 --seconds 0.2 || status=1
  done
  return $status
}
run_memcheck() { sanitize memcheck; }
run_racecheck() { sanitize racecheck; }
run_counters() {
  local what
  for what in moe routing; do
    "$(tool_path ncu)" --section SpeedOfLight --section MemoryWorkloadAnalysis --section Occupancy \
      --section LaunchStats --kernel-name-base function \
      --kernel-name 'regex:^(moe|grouped|gate|route|dispatch|combine|segment|sort)' --launch-count 40 \
      --force-overwrite --export "$out/counters-$what" \
      "$programs/switchyard" bench "$what" --device cuda --tokens 4096 --seconds 0.001 --repeats 1 || return
    "$(tool_path ncu)" --import "$out/counters-$what.ncu-rep" --csv --page raw >"$out/counters-$what.csv" || return
  done
}
run_peers() {
  local experts
  for experts in 64 8; do  # each a file, so that the first is there where the second has no time
    "$(peers_python)" "$root/bench/peers/compare.py" --only moe --device cuda --programs "$programs" \
      --experts "$experts" --distribution balanced --no-compile --turns 2 --limit 60 \
      --json "$out/peers-$experts.json" || return
  done
}
run_engine() {
  "$programs/switchyard_bench" --device cuda --seconds 1 --json "$out/engine.json"
}

# --- what a step needs --------------------------------------------------------------------------

# Where an NVIDIA tool is; nothing where it is not.
tool_path() {
  command -v "$1" && return
  local path=${CUDA_HOME:-/usr/local/cuda}/bin/$1
  [[ ! -x $path ]] || echo "$path"
}

# A Python with a PyTorch that sees a GPU; nothing where there is none.
peers_python() {
  local python
  for python in "${SWITCHYARD_PEERS:-$root/build/peers/environment}/bin/python" python3; do
    if command -v "$python" >/dev/null &&
      "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' >/dev/null 2>&1; then
      echo "$python"
      return
    fi
  done
}

# Says why a step cannot run here; nothing where it can.
missing() {
  case $1 in
    tests)
      compgen -G "$programs/tests/test_*" >/dev/null || echo "no test programs in $programs/tests"
      ;;
    memcheck | racecheck)
      [[ -n $(tool_path compute-sanitizer) ]] ||
        echo "no compute-sanitizer in PATH or ${CUDA_HOME:-/usr/local/cuda}/bin"
      ;;
    counters)
      [[ -n $(tool_path ncu) ]] || echo "no ncu (Nsight Compute) in PATH or ${CUDA_HOME:-/usr/local/cuda}/bin"
      ;;
    peers)
      [[ -n $(peers_python) ]] || echo "no Python with a PyTorch that sees a GPU"
      ;;
    engine)
      [[ -x $programs/switchyard_bench ]] || echo "no switchyard_bench in $programs"
      ;;
  esac
}
