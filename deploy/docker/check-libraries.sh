#!/bin/sh
# Build-time check of the GPU image: the addon and TensorFlow's library find every library they are linked to, and the
# ones of CUDA that TensorFlow opens by name are there too. Without one of those it would compute on the CPU, silently.
set -eu
addon=/opt/saf/node_modules/@tensorflow/tfjs-node-gpu
[ -e "$addon" ] || { echo "there is no $addon" >&2; exit 1; }
wrong=0
checked=0
for file in $(find -L "$addon/lib" "$addon/deps/lib" \( -name '*.node' -o -name 'libtensorflow*.so.2' \) 2>/dev/null); do
  checked=$((checked + 1))
  [ -e "$file" ] || { echo "$file leads nowhere" >&2; wrong=1; continue; }
  # The driver's own library comes from the host.
  missing=$(ldd "$file" | grep 'not found' | grep -v 'libcuda\.so\.1' || true)
  [ -z "$missing" ] || { echo "$file:" >&2; echo "$missing" >&2; wrong=1; }
done
[ "$checked" -ge 3 ] || { echo "expected an addon and two libraries in $addon, found $checked" >&2; exit 1; }
for name in libcudart.so.12 libcublas.so.12 libcublasLt.so.12 libcufft.so.11 libcusolver.so.11 libcusparse.so.12 libcudnn.so.9; do
  ldconfig -p | grep -q "$name" || { echo "$name is not in this image" >&2; wrong=1; }
done
exit "$wrong"
