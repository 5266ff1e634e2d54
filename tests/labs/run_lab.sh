#!/usr/bin/env bash
# Runs a program of docs/labs and compares what it prints with its page, README.md in the lab's folder.
# usage: run_lab.sh PROGRAM FOLDER lab|solution
# The lab as it comes must exit with 1 and print the page's first block fenced as ```text, its solution
# with 0 and print the second. Skipped, with 77, where lab.cpp is not what was committed: somebody is
# working on it.
set -euo pipefail
program=$1 folder=$2 part=$3

block=1 expected_status=1
if [[ $part == solution ]]; then block=2 expected_status=0; fi
if [[ $part == lab ]] && git -C "$folder" rev-parse HEAD >/dev/null 2>&1 &&
  ! git -C "$folder" diff --quiet HEAD -- lab.cpp; then
  echo "run_lab: skipped: $folder/lab.cpp was changed"
  exit 77
fi

# Block number $1 of the page.
shown() {
  awk -v wanted="$1" '
    /^```text$/ { ++count; inside = 1; next }
    /^```$/ { inside = 0 }
    inside && count == wanted' "$folder/README.md"
}

status=0
printed=$("$program") || status=$?
if ((status != expected_status)); then
  echo "run_lab: $program exited with $status, expected $expected_status, and printed:"
  echo "$printed"
  exit 1
fi
if ! diff <(shown "$block") <(echo "$printed"); then
  echo "run_lab: block $block of $folder/README.md (<) is not what $program prints (>)"
  exit 1
fi
