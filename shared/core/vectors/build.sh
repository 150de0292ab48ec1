#!/bin/sh
# Builds vectors-wasm.ts beside this file; needs clang and wasm-ld (Debian: clang-14, lld-14).
set -eu
cd "$(dirname "$0")"
clang=$(command -v clang-14 || command -v clang)
wasm=$(mktemp)
trap 'rm -f "$wasm"' EXIT
"$clang" --target=wasm32 -O3 -Wall -Wextra -msimd128 -mbulk-memory -matomics -ffp-contract=off -nostdlib \
  -Wl,--no-entry -Wl,--import-memory -Wl,--shared-memory -Wl,--max-memory=4294967296 -Wl,-z,stack-size=0 \
  -Wl,--strip-all -o "$wasm" vectors.c
source=$(sha256sum vectors.c | cut -d' ' -f1)
cat >"${1:-vectors-wasm.ts}" <<END
/** Made from vectors.c by build.sh: do not edit. A test compares the source's checksum. */
export const SOURCE_SHA256 = "$source";
export const VECTORS_WASM =
$(base64 -w 100 <"$wasm" | sed 's/.*/  "&" +/; $ s/ +$/;/')
END
