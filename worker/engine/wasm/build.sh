#!/bin/sh
# Builds kernels.wasm beside this file; needs clang and wasm-ld (Debian: clang-14, lld-14).
set -eu
cd "$(dirname "$0")"
clang=$(command -v clang-14 || command -v clang)
"$clang" --target=wasm32 -O3 -Wall -Wextra -msimd128 -mbulk-memory -ffp-contract=off -nostdlib \
  -Wl,--no-entry -Wl,--import-memory -Wl,-z,stack-size=0 -Wl,--initial-memory=65536 -Wl,--strip-all \
  -o "${1:-kernels.wasm}" kernels.c
# A test compares these, so that neither file changes without the other.
[ $# -gt 0 ] || sha256sum kernels.c kernels.wasm >kernels.sha256
