/** PyTorch: test/bench/peers/ddp.py, where Python has torch. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AutoAttack, Outcome, Torch } from "./core/contenders.js";
import type { Ground } from "./ground.js";
import { lastLine, runProgram } from "./run-program.js";

const PEERS = new URL("../../test/bench/peers/", import.meta.url);
const DDP = fileURLToPath(new URL("ddp.py", PEERS));
const AUTOATTACK = fileURLToPath(new URL("autoattack_torch.py", PEERS));
/** Exit code of a peer whose libraries are missing. */
const SKIPPED = 77;
const AUTOATTACK_LIMIT_MS = 1_800_000;

interface PeerLine {
  samples_per_second: number;
  samples_per_cpu_second: number;
  torch: string;
}

export async function measureTorch({ python }: Ground, contender: Torch): Promise<Outcome> {
  const { data, model, batch, steps, processes } = contender;
  const numbers = Object.entries({ batch, steps, processes }).flatMap(([name, n]) => [`--${name}`, String(n)]);
  return measurePeer<PeerLine>(python, [DDP, "--data", data, "--model", model, ...numbers], (line) => ({
    figures: {
      samples_per_second: line.samples_per_second,
      samples_per_cpu_second: line.samples_per_cpu_second,
    },
    by: `PyTorch ${line.torch}`,
  }));
}

export function measureAutoAttack({ python }: Ground, { images }: AutoAttack): Promise<Outcome> {
  return measurePeer<{ seconds: number; torch: string }>(
    python,
    [AUTOATTACK, "--images", String(images)],
    ({ seconds, torch }) => ({
      figures: { seconds, seconds_per_image: seconds / images },
      by: `AutoAttack, PyTorch ${torch}`,
    }),
    AUTOATTACK_LIMIT_MS,
  );
}

/** Whatever keeps a peer from running is a reason to leave it out, not to stop. */
export async function measurePeer<Line>(
  python: string,
  args: readonly string[],
  read: (line: Line) => Outcome,
  limitMs?: number,
): Promise<Outcome> {
  const [script = ""] = args;
  if (!existsSync(script)) return { skipped: `${script} is missing` };
  try {
    const limit = limitMs === undefined ? {} : { limitMs };
    const { code, stdout, stderr } = await runProgram(python, { args, accept: [SKIPPED], ...limit });
    if (code === SKIPPED) return { skipped: lastLine(stderr || stdout) };
    return read(JSON.parse(lastLine(stdout)) as Line);
  } catch (error) {
    return { skipped: error instanceof Error ? error.message : String(error) };
  }
}
