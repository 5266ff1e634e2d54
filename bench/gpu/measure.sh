#!/usr/bin/env bash
# All that there is to run and measure on a GPU, within a time limit: `./run gpu` calls this once the
# programs are built. Writes one folder with an index of what ran, how long, and what did not and why.
# A step that fails or takes too long does not stop the others.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

usage() {
  cat <<'TEXT'
usage: measure.sh [--minutes N | --seconds N] [--out DIR] [--only STEP,...] [--programs DIR] [--list]

  --minutes N     stop after so long (30); the most telling steps come first, and each gets its share
                  of what is left, so that what one does not need the next ones have
  --seconds N     the same in seconds
  --out DIR       where the results go (build/gpu/ and the time of the start)
  --only STEP,... these steps alone
  --programs DIR  where the programs are (build/release), test programs in DIR/tests
  --list          print the steps, the share of each and what it needs, and run nothing

DIR/index.md and DIR/index.json say of each step whether it was done, failed, timed out or was skipped.
The exit code is 0 where every step that ran was done, and 1 otherwise.
TEXT
}

fail() {
  echo "gpu: $*" >&2
  exit 2
}

# shellcheck source=bench/gpu/steps.sh
source "$root/bench/gpu/steps.sh"

# --- bookkeeping --------------------------------------------------------------------------------

# Text as a JSON string.
json_text() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "$(tr -d '\000-\037' <<<"$text")"
}

# note STEP STATUS SECONDS LIMIT EXIT_CODE REASON: one more step is over.
note() {
  local step=$1 status=$2 seconds=$3 limit=$4 code=$5 reason=$6
  table+=("| $step | $status | $seconds | $limit | ${reason//|/\\|} |")
  objects+=("{\"step\": \"$step\", \"status\": \"$status\", \"seconds\": $seconds, \"limit_seconds\": $limit, \"exit_code\": $code, \"reason\": $(json_text "$reason")}")
  write_index
  printf 'gpu: %-10s %-9s %4d s%s\n' "$step" "$status" "$seconds" "${reason:+  ($reason)}"
}

# Written after each step, so that a run that is killed has an index of what it did. Each file is replaced whole.
write_index() {
  local device object
  device=$(grep -m 1 -o 'GPU 0: .*' "$out/devices.txt" 2>/dev/null)
  {
    echo "# Results on a GPU"
    echo
    echo "Started $started, $((SECONDS - begin)) s of at most $budget s so far. ${device:-The GPU is not known.}"
    echo
    echo "| step | status | seconds | at most | reason |"
    echo "|---|---|---|---|---|"
    printf '%s\n' "${table[@]}"
    echo
    echo "STEP.txt is what a step printed. Benchmarks have STEP.json (Google Benchmark's format), STEP.csv and the page STEP.html."
  } >"$out/index.md.new" && mv "$out/index.md.new" "$out/index.md"
  {
    printf '{"started": "%s", "limit_seconds": %d, "seconds": %d, "device": %s,\n "steps": [\n  ' "$started" "$budget" \
      $((SECONDS - begin)) "$(json_text "$device")"
    local comma=""
    for object in "${objects[@]}"; do
      printf '%s%s' "$comma" "$object"
      comma=$',\n  '
    done
    printf '\n ]}\n'
  } >"$out/index.json.new" && mv "$out/index.json.new" "$out/index.json"
}

# run_step STEP LIMIT: runs it for at most so many seconds, and notes how it ended.
run_step() {
  local step=$1 limit=$2 start=$SECONDS code=0 reason=""
  # In the background, so that a signal is answered at once.
  timeout --kill-after=10 "$limit" "${BASH_SOURCE[0]}" --step "$step" --programs "$programs" --out "$out" \
    >"$out/$step.txt" 2>&1 &
  child=$!
  wait "$child" || code=$?
  child=""
  case $code in
    0) note "$step" "done" $((SECONDS - start)) "$limit" 0 "" ;;
    124 | 137)
      failures=$((failures + 1))
      note "$step" "timed out" $((SECONDS - start)) "$limit" "$code" "what it had written by then is there"
      ;;
    *)
      failures=$((failures + 1))
      reason=$(grep -v '^[[:space:]]*$' "$out/$step.txt" | tail -n 1 | cut -c 1-200)
      note "$step" failed $((SECONDS - start)) "$limit" "$code" "$reason"
      ;;
  esac
}

# Ends the step under way, for which timeout hands the signal on to all of it; the index says what was done before.
stop() {
  [[ -z $child ]] || kill -TERM "$child" 2>/dev/null
  echo "gpu: stopped; $out/index.md" >&2
  exit 130
}

# Sum of the shares of the steps from the given one on.
shares_from() {
  local name share rest found="" sum=0
  while read -r name share rest; do
    [[ $name != "$1" ]] || found=1
    if [[ -n $found ]] && is_wanted "$name"; then sum=$((sum + share)); fi
  done < <(steps)
  echo "$sum"
}

is_wanted() { [[ -z $only || ",$only," == *",$1,"* ]]; }

# Runs every step that is wanted, in its share of what is left.
run_all() {
  local name share least what reason left limit
  while read -r -u 3 name share least what; do
    is_wanted "$name" || continue
    reason=$(missing "$name")
    left=$((budget - (SECONDS - begin)))
    if [[ -z $reason ]] && ((left < least)); then reason="$left s are left, it takes at least $least s"; fi
    if [[ -n $reason ]]; then
      note "$name" skipped 0 0 0 "$reason"
      continue
    fi
    limit=$((left * share / $(shares_from "$name")))
    run_step "$name" "$((limit > least ? limit : least))"
  done 3< <(steps)
}

list_steps() {
  local name share least what
  while read -r name share least what; do
    is_wanted "$name" || continue
    printf '%-10s %2d/%-3d of the time, at least %2d s: %s\n' "$name" "$share" "$(shares_from "$name")" "$least" "$what"
  done < <(steps)
}

# --- arguments ----------------------------------------------------------------------------------

minutes=30 seconds="" out="" only="" programs=$root/build/release step="" action=run_all
while (($#)); do
  case $1 in
    --minutes | --seconds | --out | --only | --programs | --step)
      (($# >= 2)) || fail "$1: expected a value"
      printf -v "${1#--}" '%s' "$2"
      shift
      ;;
    --list) action=list_steps ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "no argument '$1'; --help lists what there is" ;;
  esac
  shift
done
for name in minutes seconds; do
  [[ -z ${!name} || ${!name} =~ ^[1-9][0-9]{0,4}$ ]] ||
    fail "--$name: expected a whole number from 1 to 99999, got '${!name}'"
done
budget=${seconds:-$((60 * minutes))}
for name in ${only//,/ }; do
  steps | cut -d ' ' -f 1 | grep -qx -- "$name" || fail "--only: no step '$name'; --list names them"
done
if [[ -n $step ]]; then
  cd "$root" && "run_$step"
  exit
fi
if [[ $action == list_steps ]]; then
  list_steps
  exit
fi
[[ -x $programs/switchyard ]] || fail "no switchyard in $programs: build it, or name the folder with --programs"
programs=$(cd "$programs" && pwd)
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
out=${out:-$root/build/gpu/$started}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
[[ ! -e $out/index.json ]] || fail "$out holds results already"
begin=$SECONDS failures=0 table=() objects=() child=""
trap stop INT TERM
"$action"
echo "gpu: $out/index.md"
((failures == 0))
