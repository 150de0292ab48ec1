/** Python programs that a test asks, where the machine has them; nothing is installed for it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";

/** By convention: what the script needs is missing. */
const SKIPPED = 77;

/** What a script prints as JSON; undefined, and the test is skipped with the script's reason, where it cannot run here. */
export async function askPython<Said>(
  t: TestContext,
  script: URL,
  args: readonly string[],
): Promise<Said | undefined> {
  const child = spawn(process.env["SAF_PYTHON"] ?? "python3", [script.pathname, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  const ended = once(child, "close").catch((error: unknown) => [error]);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code === 0) return JSON.parse(stdout) as Said;
  if (code !== SKIPPED && !(code instanceof Error))
    throw new Error(`${script.pathname}: ${String(code)}\n${stderr}`);
  t.skip(code instanceof Error ? `no python3: ${code.message}` : stderr.trim());
  return undefined;
}
