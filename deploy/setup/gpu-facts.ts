/** Asks this machine about its GPUs; core/gpu-verdict.ts judges what comes back. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type CommandResult, explain, runCommand } from "../run-command.js";
import { type CudaBuild, libraryNames, missingLibraries, missingWords } from "./core/cuda-libraries.js";
import { type GpuFacts, type GpuVerdict, type SmiOutcome, judgeGpu } from "./core/gpu-verdict.js";

const QUERY = ["--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"];
/** A cold driver without its persistence daemon takes seconds; a hung one takes for ever. */
const SMI_TIMEOUT_MS = 15_000;
const LDCONFIG_TIMEOUT_MS = 10_000;
/** Where the driver's folder is mounted into containers, and where distributions keep libraries. */
const USUAL_FOLDERS = ["/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/local/cuda/lib64"];

export async function inspectGpu(env: NodeJS.ProcessEnv, timeoutMs = SMI_TIMEOUT_MS): Promise<GpuVerdict> {
  return judgeGpu(await gatherFacts(env, timeoutMs));
}

async function gatherFacts(env: NodeJS.ProcessEnv, timeoutMs: number): Promise<GpuFacts> {
  const result = await runCommand("nvidia-smi", QUERY, { env, timeoutMs });
  return {
    visibleDevices: env["CUDA_VISIBLE_DEVICES"],
    smi: outcomeOf(result, timeoutMs),
    hasDevice: existsSync("/dev/nvidia0"),
  };
}

function outcomeOf(result: CommandResult, timeoutMs: number): SmiOutcome {
  const { code, stdout, stderr, failure } = result;
  if (code === 0) return { kind: "answered", text: stdout };
  if (failure === "not found") return { kind: "missing" };
  if (failure?.startsWith("took longer")) return { kind: "hung", afterSeconds: Math.round(timeoutMs / 1000) };
  // What it says of its failure goes to either stream, depending on the version.
  const said = `${stdout}\n${stderr}`.trim();
  return { kind: "failed", code, words: said === "" ? explain(result) : said };
}

/** CUDA libraries that a process with these variables would not find, in words; undefined when it finds all. */
export async function missingCuda(build: CudaBuild, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const listed = libraryNames(await ldconfig(env));
  const folders = [...(env["LD_LIBRARY_PATH"]?.split(delimiter) ?? []), ...USUAL_FOLDERS].filter(
    (folder) => folder !== "",
  );
  const isThere = (name: string): boolean =>
    listed.has(name) || folders.some((folder) => existsSync(join(folder, name)));
  return missingWords(missingLibraries(build, isThere));
}

/** Often not on the PATH of a user. */
async function ldconfig(env: NodeJS.ProcessEnv): Promise<string> {
  for (const command of ["ldconfig", "/sbin/ldconfig"]) {
    const { code, stdout } = await runCommand(command, ["-p"], { env, timeoutMs: LDCONFIG_TIMEOUT_MS });
    if (code === 0) return stdout;
  }
  return "";
}
