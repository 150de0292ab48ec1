/**
 * Variables of a process that computes: those that decide the bits of an engine, and no others are set here. The native
 * library reads them from the process, not from the thread, when it is loaded; so the main thread sets them before it
 * starts the engine, whoever started the process: the launcher, a person, Kubernetes.
 */
import { readFileSync } from "node:fs";
import type { EngineName } from "../../shared/engine.js";

/** Are networks compiled? What it may say: start.ts. */
export const COMPILE_VARIABLE = "SAF_COMPILE";

/** What an operator may have set, and what then stays. */
const OPERATORS_OWN = ["TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL"] as const;

/** Everything by which TensorFlow, oneDNN and cuDNN choose kernels, and the order of their sums. */
const DECIDING = [
  "TF_NUM_INTRAOP_THREADS",
  "TF_NUM_INTEROP_THREADS",
  "OMP_NUM_THREADS",
  "TF_ENABLE_ONEDNN_OPTS",
  "TF_DETERMINISTIC_OPS",
  "TF_CUDNN_DETERMINISTIC",
  "NVIDIA_TF32_OVERRIDE",
  "ONEDNN_MAX_CPU_ISA",
  "DNNL_MAX_CPU_ISA",
  "ONEDNN_DEFAULT_FPMATH_MODE",
  "DNNL_DEFAULT_FPMATH_MODE",
  "XLA_FLAGS",
] as const;

/** Instruction sets for which float32 kernels are written, as Linux names them. */
const DECIDING_SETS = ["avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "amx_tile", "asimd", "sve"];

/**
 * One thread, for one process per core beats one process with many threads, and sums in an order that does not change
 * from run to run. What the operator has set (oneDNN, log level) stays.
 */
export function engineEnvironment(engine: EngineName, env: NodeJS.ProcessEnv): Record<string, string> {
  const wanted: Record<string, string> = {
    TF_NUM_INTRAOP_THREADS: "1",
    TF_NUM_INTEROP_THREADS: "1",
    OMP_NUM_THREADS: "1",
    TF_CPP_MIN_LOG_LEVEL: "2",
    TF_ENABLE_ONEDNN_OPTS: hasWideVectors() ? "1" : "0",
    TF_DETERMINISTIC_OPS: "1",
    ...(engine === "tensorflow-gpu" ? gpuEnvironment(env) : {}),
  };
  for (const name of OPERATORS_OWN) wanted[name] = env[name] ?? wanted[name] ?? "";
  return wanted;
}

/** TF32 keeps 10 bits of a float's 23: cards since Ampere multiply so by default, and their gradients fail the self-test. */
function gpuEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  return {
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
    NVIDIA_TF32_OVERRIDE: env["NVIDIA_TF32_OVERRIDE"] ?? "0",
  };
}

/** Sets them in this process. In a thread it is too late: only the main thread's variables are the process's own. */
export function setEngineEnvironment(engine: EngineName): void {
  Object.assign(process.env, engineEnvironment(engine, process.env));
}

/** As NAME=value; empty for an engine whose bits follow from nothing here. */
export function decidingFlags(engine: string, env: NodeJS.ProcessEnv): string[] {
  if (!engine.startsWith("tensorflow")) return [];
  return DECIDING.flatMap((name) => {
    const value = env[name];
    // Where the compiler of a Python installation is, decides nothing.
    if (value === undefined || value === "" || value.startsWith("--xla_gpu_cuda_data_dir")) return [];
    return [`${name}=${value}`];
  });
}

/** The architecture, then those of its instruction sets that decide. */
export function processorSets(cpuinfo: string = readCpuinfo()): string[] {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? "";
  const has = new Set(line.trim().split(/\s+/));
  return [process.arch, ...DECIDING_SETS.filter((name) => has.has(name))];
}

/**
 * oneDNN pays where it finds AVX-512 (1.4 times the LeNet steps per second) and not on narrower vectors (0.95 to 1.1).
 * It sums in another order: workers whose weights must agree to the bit need the same setting and the same kind of CPU.
 */
function hasWideVectors(): boolean {
  return processorSets().includes("avx512f");
}

/** Empty where the system has no such file. */
function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
