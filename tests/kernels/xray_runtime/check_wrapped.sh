#!/usr/bin/env bash
# Every function of the CUDA runtime that the libraries call must be one that cmake/xray_runtime.cmake
# wraps: a call that is not would reach the real runtime while the X-ray's machine is in use. Prints
# those that are missing and fails then. Usage: check_wrapped.sh LISTING LIBRARY...
set -euo pipefail

listing=$1
shift
# Registration alone, which happens with the real runtime in any case.
registered='__cudaRegisterFatBinaryEnd|__cudaUnregisterFatBinary|__cudaInitModule|__cudaRegisterVar'
called=$(nm --undefined-only "$@" 2>/dev/null | awk '{print $NF}' | grep -E '^(__)?cuda[A-Z]' |
  sort -u | grep -vxE "$registered")
if [ "$(wc -l <<< "$called")" -lt 20 ]; then
  echo "check_wrapped.sh: found only: $called" >&2  # a check that sees nothing proves nothing
  exit 1
fi
missing=$(grep -vxFf <(grep -oE '(__)?cuda[A-Za-z_0-9]+' "$listing" | sort -u) <<< "$called" || true)
if [ -n "$missing" ]; then
  sed 's/$/: called, and not wrapped in cmake\/xray_runtime.cmake/' <<< "$missing"
  exit 1
fi
