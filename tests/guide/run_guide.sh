#!/usr/bin/env bash
# Runs every ```sh block of some pages, page by page, in one folder, as a reader would who types them in
# order. The folder has the repository's docs and bench, and is empty otherwise. Blocks fenced as ```text
# or ```console are only shown. Blocks with a CUDA source need one of NVIDIA's compilers, and are left out where
# there is none.
# usage: run_guide.sh PROGRAM_FOLDER PAGE...
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program_folder=$(cd "$1" && pwd)
pages=()
for page in "${@:2}"; do pages+=("$(realpath "$page")"); done
workplace=$(mktemp -d)
trap 'rm -rf "$workplace"' EXIT
cd "$workplace"
ln -s "$repository/docs" docs
ln -s "$repository/bench" bench
export PATH="$program_folder:$PATH"

# Whether the program finds a compiler for CUDA sources.
has_cuda_compiler() {
  echo '__global__ void empty() {}' >empty.cu
  switchyard xray empty.cu >messages 2>&1 || true
  ! grep -q 'no compiler for CUDA here' messages
}

number=0
for page in "${pages[@]}"; do
  number=$((number + 1))
  # "05-labs-questions-01.sh": the page's place, folder and name, then the block's place on it.
  prefix=$(printf '%02d-%s-%s' "$number" "$(basename "$(dirname "$page")")" "$(basename "$page" .md)")
  awk -v prefix="$prefix" '
    /^```sh$/ { inside = 1; count++; file = sprintf("%s-%02d.sh", prefix, count); next }
    /^```$/ && inside { inside = 0; close(file); next }
    inside { print > file }' "$page"
done
blocks=0
skipped=0
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
((blocks + skipped > 0)) || { echo "run_guide: no sh block found in ${pages[*]}" >&2; exit 1; }
echo "run_guide: $blocks blocks ran, $skipped skipped"
