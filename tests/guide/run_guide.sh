#!/usr/bin/env bash
# Runs every ```sh block of docs/guide, chapter by chapter, in one folder, as a reader would who types them in order.
# The folder has the repository's docs and bench, and is empty otherwise. Blocks fenced as ```text or ```console are only shown.
# usage: run_guide.sh PROGRAM_FOLDER GUIDE_FOLDER
set -euo pipefail
program_folder=$(cd "$1" && pwd)
guide_folder=$(cd "$2" && pwd)
workplace=$(mktemp -d)
trap 'rm -rf "$workplace"' EXIT
cd "$workplace"
ln -s "$guide_folder/.." docs
ln -s "$guide_folder/../../bench" bench
export PATH="$program_folder:$PATH"

blocks=0
for chapter in "$guide_folder"/[0-9]*.md; do
  awk -v prefix="$(basename "$chapter" .md)" '
    /^```sh$/ { inside = 1; count++; file = sprintf("%s-%02d.sh", prefix, count); next }
    /^```$/ && inside { inside = 0; close(file); next }
    inside { print > file }' "$chapter"
done
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
((blocks > 0)) || { echo "run_guide: no sh block found in $guide_folder" >&2; exit 1; }
echo "run_guide: $blocks blocks ran"
