#!/usr/bin/env bash
# Plans and books of bench/gpu/measure.sh, with stand-ins for the programs and for NVIDIA's tools.
# usage: measure_test.sh SOURCE_DIRECTORY
set -uo pipefail
source_directory=$(cd "$1" && pwd)
measure=$source_directory/bench/gpu/measure.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# A program that writes its name and arguments down, fails where they match FAKE_FAIL, and hangs where they match FAKE_HANG.
stand_in() {
  mkdir -p "$(dirname "$1")"
  cat >"$1" <<TEXT
#!/bin/bash
call="\$(basename "\$0") \$*"
echo "\$call" >>"$work/calls"
echo "GPU 0: Stand-in, 1 GiB"
if [[ -n \${FAKE_HANG:-} && \$call =~ \$FAKE_HANG ]]; then sleep 60; fi
if [[ -n \${FAKE_FAIL:-} && \$call =~ \$FAKE_FAIL ]]; then echo 'no "such" | thing\\n' >&2; exit 3; fi
TEXT
  chmod +x "$1"
}

for program in switchyard switchyard_bench tests/test_workbench tests/test_engine; do
  stand_in "$work/programs/$program"
done
for tool in nvidia-smi compute-sanitizer ncu; do stand_in "$work/tools/$tool"; done
stand_in "$work/peers/bin/python"
export CUDA_HOME=$work/none SWITCHYARD_PEERS=$work/peers

# run NAME [ARGUMENT...]: runs it into the folder NAME; its exit code is in `code`, what it printed in `said`.
run() {
  local name=$1
  shift
  : >"$work/calls"
  said=$("$measure" --programs "$work/programs" --out "$work/$name" "$@" 2>&1)
  code=$?
  index=$(cat "$work/$name/index.json" 2>/dev/null)
}

expect() {
  local what=$1
  shift
  "$@" && return
  echo "measure_test: $what: expected: $*"
  echo "$said"
  echo "$index"
  failures=$((failures + 1))
}
has() { [[ $1 == *"$2"* ]]; }
count_is() { (($(grep -c "$2" <<<"$1") == $3)); }
is_json() { ! command -v python3 >/dev/null || python3 -c 'import json, sys; json.load(sys.stdin)' <<<"$1"; }

with_tools=$work/tools:$PATH
PATH=$with_tools run all --minutes 8
expect "all steps are done" test "$code" -eq 0
expect "all steps are done" count_is "$index" '"status": "done"' 14
expect "an index is JSON" is_json "$index"
expect "it names the GPU" has "$index" '"device": "GPU 0: Stand-in, 1 GiB"'
expect "and the limit" has "$index" '"limit_seconds": 480'
expect "the checks come first" has "$(sed -n 4,5p "$work/calls")" "switchyard check all --device cuda"
expect "the tests are of the device" has "$(cat "$work/calls")" "test_engine --gtest_filter=*/Cuda*"
expect "the sanitizer watches a family" has "$(cat "$work/calls")" "compute-sanitizer --tool racecheck"
expect "peers run on the GPU" has "$(cat "$work/calls")" "--only moe --device cuda"
expect "each step has its output" test -s "$work/all/check.txt"
expect "a benchmark its results" test -s "$work/all/training.json"
expect "there is a table" has "$(cat "$work/all/index.md")" "| routing | done |"

PATH=$with_tools run again --only devices
PATH=$with_tools run again --only devices
expect "results are not overwritten" test "$code" -eq 2

FAKE_FAIL='check all' PATH=$with_tools run failing --minutes 8
expect "a failure shows in the exit code" test "$code" -eq 1
expect "the others run all the same" count_is "$index" '"status": "done"' 13
expect "with the program's exit code" has "$index" '"step": "check", "status": "failed"'
expect "and its last words, quoted" is_json "$index"
expect "and its last words, quoted" has "$index" 'no \"such\" | thing'
expect "also in the table" has "$(cat "$work/failing/index.md")" 'no "such" \| thing'

FAKE_HANG='version' PATH=$with_tools run hanging --minutes 1 --only devices,map
expect "what hangs is stopped after its share" has "$index" '"step": "devices", "status": "timed out", "seconds": 3'
expect "and the next step runs" has "$index" '"step": "map", "status": "done"'
expect "and the exit code tells" test "$code" -eq 1

FAKE_HANG='check' PATH=$with_tools "$measure" --programs "$work/programs" --out "$work/stopped" >/dev/null 2>&1 &
for _ in {1..100}; do [[ -e $work/stopped/check.txt ]] && break; sleep 0.1; done
sleep 0.3
kill -TERM $!
wait $!
code=$? said="" index=$(cat "$work/stopped/index.json")
expect "a signal ends it at once" test "$code" -eq 130
expect "with an index of what was done" has "$index" '"step": "devices", "status": "done"'
expect "and nothing else" count_is "$index" '"step":' 1

SWITCHYARD_PEERS=$work/none PATH=/usr/bin:/bin run bare --minutes 8 --only tests,memcheck,counters,engine
expect "what is not there is no failure" test "$code" -eq 0
expect "no sanitizer" has "$index" "no compute-sanitizer in PATH or $work/none/bin"
expect "no Nsight Compute" has "$index" "no ncu"
expect "but what is there runs" count_is "$index" '"status": "done"' 2

PATH=$with_tools run short --seconds 12 --only check,routing
expect "no step begins that cannot end" has "$index" '12 s are left, it takes at least 20 s'
expect "a shorter one does" has "$index" '"step": "routing", "status": "done"'

for wrong in "--minutes 0" "--minutes ten" "--only nothing" "--what" "--out"; do
  # shellcheck disable=SC2086  # the words are arguments
  said=$("$measure" --programs "$work/programs" $wrong 2>&1)
  code=$?
  expect "$wrong is bad usage" test "$code" -eq 2
  expect "$wrong is one line" test "$(wc -l <<<"$said")" -eq 1
done
said=$("$measure" --programs "$work/nowhere" 2>&1)
code=$?
expect "programs are missing" test "$code" -eq 2
said=$("$measure" --list) code=$?
expect "the plan is printed" has "$said" "every variant of every kernel against float64"

if command -v shellcheck >/dev/null; then
  said=$(cd "$source_directory" && shellcheck -x "$measure" bench/gpu/steps.sh run "${BASH_SOURCE[0]}") code=$?
  expect "shellcheck has nothing to say" test "$code" -eq 0
fi
if ((failures)); then exit 1; fi
echo "measure_test: all as expected"
