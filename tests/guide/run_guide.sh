#!/usr/bin/env bash
# Runs every ```sh block of docs/guide, chapter by chapter, in one empty folder that has docs/examples beside it, as a
# reader would who types them in order. Blocks fenced as ```text or ```console are only shown. Blocks with a CUDA
# source need one of NVIDIA's compilers, and are left out where there is none.
# usage: run_guide.sh PROGRAM_FOLDER GUIDE_FOLDER
set -euo pipefail
program_folder=$(cd "$1" && pwd)
guide_folder=$(cd "$2" && pwd)
workplace=$(mktemp -d)
trap 'rm -rf "$workplace"' EXIT
cd "$workplace"
ln -s "$guide_folder/../examples" examples
export PATH="$program_folder:$PATH"

# Whether the program finds a compiler for CUDA sources.
has_cuda_compiler() {
  echo '__global__ void empty() {}' >empty.cu
  switchyard xray empty.cu >messages 2>&1 || true
  ! grep -q 'no compiler for CUDA here' messages
}

blocks=0
skipped=0
for chapter in "$guide_folder"/[0-9]*.md; do
  awk -v prefix="$(basename "$chapter" .md)" '
    /^```sh$/ { inside = 1; count++; file = sprintf("%s-%02d.sh", prefix, count); next }
    /^```$/ && inside { inside = 0; close(file); next }
    inside { print > file }' "$chapter"
done
for block in [0-9]*.sh; do
  [[ -e $block ]] || break
  if grep -qE '\.cu( |$)' "$block" && ! has_cuda_compiler; then
    echo "--- $block skipped: no NVRTC and no nvcc"
    skipped=$((skipped + 1))
    continue
  fi
  blocks=$((blocks + 1))
  echo "--- $block"
  cat "$block"
  started=$SECONDS
  bash -euo pipefail "$block" </dev/null || {
    echo "run_guide: a command of $block failed" >&2
    exit 1
  }
  echo "--- $block took $((SECONDS - started)) s"
done
((blocks + skipped > 0)) || { echo "run_guide: no sh block found in $guide_folder" >&2; exit 1; }
echo "run_guide: $blocks blocks ran, $skipped skipped"
