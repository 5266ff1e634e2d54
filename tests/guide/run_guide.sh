#!/usr/bin/env bash
# Runs every ```sh block of some pages, page by page, in one folder, as a reader would who types them in
# order. The folder has the repository's docs and bench, and is empty otherwise. Blocks fenced as ```text
# or ```console are only shown.
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
for block in [0-9]*.sh; do
  [[ -e $block ]] || break
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
((blocks > 0)) || { echo "run_guide: no sh block found in ${pages[*]}" >&2; exit 1; }
echo "run_guide: $blocks blocks ran"
