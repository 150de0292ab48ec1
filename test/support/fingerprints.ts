/** Fingerprints of engines, made up. */
import type { EngineFingerprint } from "../../shared/fingerprint.js";

export const WASM: EngineFingerprint = {
  engine: "wasm",
  version: "tfjs-backend-wasm 4.22.0",
  device: "cpu",
  flags: [],
  cpu: ["x64", "avx2"],
  sample: "84a644f131dc4650",
};

export const TENSORFLOW: EngineFingerprint = {
  engine: "tensorflow",
  version: "TensorFlow 2.21.0 with oneDNN",
  device: "cpu",
  flags: ["TF_NUM_INTRAOP_THREADS=1", "TF_ENABLE_ONEDNN_OPTS=1"],
  cpu: ["x64", "avx2", "avx512f"],
  sample: "e642a01e4cba4d32",
};
