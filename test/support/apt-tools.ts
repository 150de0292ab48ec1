/**
 * Programs of the distribution that some tests need and the product does not. Where they are missing, apt installs them,
 * if this is root on Debian or a relative; else the test is skipped and says what is missing.
 */
import { runCommand } from "../../deploy/run-command.js";

const VERSION_TIMEOUT_MS = 30_000;
const UPDATE_TIMEOUT_MS = 120_000;
const INSTALL_TIMEOUT_MS = 300_000;

/** Why the programs cannot be had; undefined when they are there. */
export async function missingTools(
  programs: readonly string[],
  packageName: string,
): Promise<string | undefined> {
  const absent = await absentOf(programs);
  if (absent.length === 0) return undefined;
  const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return `${absent.join(" and ")} not on PATH; install the package ${packageName}`;
  // Tests run side by side: who comes second waits for the first one's lock.
  const lock = ["-o", "DPkg::Lock::Timeout=240"];
  const update = await runCommand("apt-get", [...lock, "-q", "update"], {
    timeoutMs: UPDATE_TIMEOUT_MS,
    env,
  });
  const install = ["-q", "install", "-y", "--no-install-recommends", packageName];
  const result = await runCommand("apt-get", [...lock, ...install], { timeoutMs: INSTALL_TIMEOUT_MS, env });
  const left = await absentOf(programs);
  if (left.length === 0) return undefined;
  const why = (result.failure ?? result.stderr ?? update.stderr).trim().split("\n").at(-1) ?? "";
  return `${left.join(" and ")} not on PATH, and apt-get could not install ${packageName}: ${why}`;
}

async function absentOf(programs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    programs.map((program) =>
      runCommand(program, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS, env: process.env }),
    ),
  );
  return programs.filter((_, i) => found[i]?.code !== 0);
}
