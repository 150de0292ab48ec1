/** PyTorch: the programs below test/bench/peers, where Python has what they need. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { at } from "../../shared/core/at.js";
import { meetingPlace, withMachines } from "./cluster-hosts.js";
import { type AutoAttack, type Outcome, type Torch, isSkipped } from "./core/contenders.js";
import { hostOfPlace } from "./core/hosts.js";
import type { Ground } from "./ground.js";
import { CABLE, onMachine, whyNoMachines } from "./namespaces.js";
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
  const { data, model, batch, steps, processes, hosts } = contender;
  const numbers = Object.entries({ batch, steps, processes }).flatMap(([name, n]) => [
    `--${name}`,
    String(n),
  ]);
  const args = [DDP, "--data", data, "--model", model, ...numbers];
  if (hosts > 1 && whyNoMachines() === undefined) return onHosts(python, args, contender);
  return measurePeer(python, args, figuresIn);
}

const figuresIn = ({ samples_per_second, samples_per_cpu_second, torch }: PeerLine): Outcome => ({
  figures: { samples_per_second, samples_per_cpu_second },
  by: `PyTorch ${torch}`,
});

/** A process a rank, on the machines that the cluster's workers would be on; the first one tells. */
function onHosts(python: string, args: readonly string[], { processes, hosts }: Torch): Promise<Outcome> {
  return withMachines(hosts, async (all, folder) => {
    const meeting = ["--rendezvous", meetingPlace(folder), "--interface", CABLE];
    const ranks = Array.from({ length: processes }, (_, rank) => {
      const [program = "", ...words] = [...onMachine(at(all, hostOfPlace(rank, processes, hosts))), python];
      const own = [...args, ...meeting, "--rank", String(rank)];
      return measurePeer(program, own, figuresIn, { words, isSilent: rank > 0 });
    });
    const outcomes = await Promise.all(ranks);
    return outcomes.find(isSkipped) ?? at(outcomes, 0);
  });
}

export function measureAutoAttack({ python }: Ground, { images }: AutoAttack): Promise<Outcome> {
  return measurePeer<{ seconds: number; torch: string }>(
    python,
    [AUTOATTACK, "--images", String(images)],
    ({ seconds, torch }) => ({
      figures: { seconds, seconds_per_image: seconds / images },
      by: `AutoAttack, PyTorch ${torch}`,
    }),
    { limitMs: AUTOATTACK_LIMIT_MS },
  );
}

interface PeerPlace {
  limitMs?: number;
  /** Between the program and its arguments. */
  words?: readonly string[];
  /** Another process of the same peer says what it came to. */
  isSilent?: boolean;
}

/** Whatever keeps a peer from running is a reason to leave it out, not to stop. */
async function measurePeer<Line>(
  program: string,
  args: readonly string[],
  read: (line: Line) => Outcome,
  { limitMs, words = [], isSilent = false }: PeerPlace = {},
): Promise<Outcome> {
  const [script = ""] = args;
  if (!existsSync(script)) return { skipped: `${script} is missing` };
  try {
    const limit = limitMs === undefined ? {} : { limitMs };
    const run = { args: [...words, ...args], accept: [SKIPPED], ...limit };
    const { code, stdout, stderr } = await runProgram(program, run);
    if (code === SKIPPED) return { skipped: lastLine(stderr || stdout) };
    return isSilent ? { figures: {}, by: "" } : read(JSON.parse(lastLine(stdout)) as Line);
  } catch (error) {
    return { skipped: error instanceof Error ? error.message : String(error) };
  }
}
