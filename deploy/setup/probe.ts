/** Tries an engine in a process of its own: a library that crashes must not take the command line with it. */
import { fileURLToPath } from "node:url";
import type { EngineInfo, RealEngine, SelfTestReport } from "../../shared/engine.js";
import { runCommand, explain } from "../run-command.js";

/** What probe-engine.ts prints, as one line of JSON. */
export interface ProbeReport {
  info: EngineInfo;
  selfTest: SelfTestReport;
  /** A LeNet training step, samples per second of this process's time on the wall. */
  samplesPerSecond: number;
}

export type ProbeResult = { kind: "passed"; report: ProbeReport } | { kind: "refused"; reason: string };

const PROBE_TIMEOUT_MS = 120_000;

/** Loads the engine, runs the gradient self-test and measures. `env` is the child's whole environment. */
export async function probeEngine(
  name: RealEngine,
  env: NodeJS.ProcessEnv,
  timeoutMs = PROBE_TIMEOUT_MS,
): Promise<ProbeResult> {
  const entry = fileURLToPath(new URL("./probe-engine.js", import.meta.url));
  const result = await runCommand(process.execPath, [entry, name], { env, timeoutMs });
  const answer = lastJson(result.stdout);
  if (answer === undefined) return { kind: "refused", reason: `it does not load (${explain(result)})` };
  if ("error" in answer) return { kind: "refused", reason: answer.error };
  if (answer.selfTest.passed) return { kind: "passed", report: answer };
  const failed = answer.selfTest.checks.filter((check) => !check.passed).map((check) => check.name);
  return { kind: "refused", reason: `its gradients are wrong (${failed.slice(0, 3).join("; ")})` };
}

/** The addon prints lines of its own; the report is the last line that is an object. */
function lastJson(text: string): ProbeReport | { error: string } | undefined {
  const line = text.split("\n").findLast((candidate) => candidate.startsWith("{"));
  if (line === undefined) return undefined;
  try {
    return JSON.parse(line) as ProbeReport | { error: string };
  } catch {
    return undefined;
  }
}
