/** What `saf verify` does. */
import type { EngineName } from "../../shared/engine.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { type Finding, verificationExitCode } from "../verify/finding.js";
import { runsAt } from "../verify/run-files.js";
import { type Verification, type VerifyOptions, verifyRun } from "../verify/verify-run.js";
import { printResult, shown } from "./output.js";
import { createProgress } from "./progress.js";
import { renderVerification } from "./verify-view.js";
import { terminalOf } from "./terminal.js";

export interface VerifyFlags {
  steps: number;
  from?: number;
  to?: number;
  all?: true;
  dataDir?: string;
  engine?: EngineName;
  json?: true;
}

export async function verify(given: string, flags: VerifyFlags): Promise<void> {
  const verifications: Verification[] = [];
  const progress = createProgress();
  try {
    for (const path of await runsAt(given)) {
      progress.update({ phase: { name: "verifying", model: shown(path), detail: "reading its files" } });
      const verification = await verifyRun(path, optionsOf(flags, progress, shown(path)));
      verifications.push(verification);
    }
  } finally {
    progress.stop();
  }
  const exitCode = verificationExitCode(verifications.flatMap(({ findings }) => findings));
  if (flags.json === true) printResult(documentOf(verifications, exitCode));
  else
    printResult(verifications.map((one) => renderVerification(one, terminalOf(process.stdout))).join("\n\n"));
  process.exitCode = exitCode;
}

function optionsOf(
  { steps, from, to, all, dataDir, engine }: VerifyFlags,
  progress: ReturnType<typeof createProgress>,
  model: string,
): VerifyOptions {
  return {
    ...{ steps, from, to, dataDir, engine },
    all: all === true,
    provision: (force) =>
      provisionEngine({
        cacheDir: defaultCacheDir(process.env),
        progress: (line) => progress.say(line),
        ...(force === undefined ? {} : { force }),
      }),
    onStep: (done, total) =>
      progress.update({ progress: { model, phase: "verifying", done, total, etaSeconds: -1 } }),
  };
}

interface VerificationDocument {
  /** Nothing is broken. */
  holds: boolean;
  exit_code: number;
  runs: (Omit<Verification, "findings"> & { findings: Finding[] })[];
}

function documentOf(verifications: readonly Verification[], exitCode: number): VerificationDocument {
  const isBroken = verifications.some(({ findings }) => findings.some(({ verdict }) => verdict === "broken"));
  return { holds: !isBroken, exit_code: exitCode, runs: [...verifications] };
}
