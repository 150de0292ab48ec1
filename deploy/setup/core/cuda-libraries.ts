/** The libraries that TensorFlow opens by name at run time. Where one is missing it computes on the CPU, silently. */

const LIBRARIES = {
  /** CUDA 11, cuDNN 8. */
  stock: [
    "libcuda.so.1",
    "libcudart.so.11.0",
    "libcublas.so.11",
    "libcublasLt.so.11",
    "libcufft.so.10",
    "libcusolver.so.11",
    "libcusparse.so.11",
    "libcudnn.so.8",
  ],
  /** CUDA 12, cuDNN 9; as in deploy/docker/check-libraries.sh. */
  wheel: [
    "libcuda.so.1",
    "libcudart.so.12",
    "libcublas.so.12",
    "libcublasLt.so.12",
    "libcufft.so.11",
    "libcusolver.so.11",
    "libcusparse.so.12",
    "libcudnn.so.9",
  ],
} as const;

export type CudaBuild = keyof typeof LIBRARIES;

export function missingLibraries(build: CudaBuild, isThere: (name: string) => boolean): string[] {
  return LIBRARIES[build].filter((name) => !isThere(name));
}

/** What to say of them; undefined when none is missing. */
export function missingWords(missing: readonly string[]): string | undefined {
  if (missing.length === 0) return undefined;
  const driver = missing.includes("libcuda.so.1")
    ? "; libcuda.so.1 is the driver's: install it, or hand it to the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    : "";
  return `the loader does not find ${missing.join(", ")}${driver}`;
}

/** Names in the output of `ldconfig -p`. */
export function libraryNames(listing: string): Set<string> {
  return new Set([...listing.matchAll(/^\s*(\S+\.so\S*) \(/gm)].map(([, name]) => name ?? ""));
}
