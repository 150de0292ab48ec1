/** The bare engine loop: worker/bench/bare-loop.ts in processes of its own. */
import { fileURLToPath } from "node:url";
import type { Bare, Measured } from "./core/contenders.js";
import { type Ground, engineVariables } from "./ground.js";
import { lastLine, runProgram } from "./run-program.js";

export interface BareResult {
  samples_per_second: number;
  samples_per_cpu_second: number;
  rss_bytes: number;
  engine: string;
}

const BARE_LOOP = fileURLToPath(new URL("../../worker/bench/bare-loop.js", import.meta.url));

/** So many bare loops at once; their speeds, one by one. */
export async function bareLoops(
  ground: Ground,
  { model, batch, slots, steps, data, mode, processes }: Omit<Bare, "kind">,
): Promise<BareResult[]> {
  const numbers = [batch, slots, steps].map(String);
  const args = [BARE_LOOP, ground.choice.engine, model, ...numbers, data];
  const environment = engineVariables(ground, mode);
  const runs = Array.from({ length: processes }, () => runProgram(process.execPath, { args, environment }));
  return (await Promise.all(runs)).map(({ stdout }) => JSON.parse(lastLine(stdout)) as BareResult);
}

export async function measureBare(ground: Ground, bare: Bare): Promise<Measured> {
  const loops = await bareLoops(ground, bare);
  const speed = loops.reduce((sum, { samples_per_second }) => sum + samples_per_second, 0);
  const cpu = loops.reduce((sum, one) => sum + one.samples_per_second / one.samples_per_cpu_second, 0);
  return {
    figures: {
      samples_per_second: speed,
      // Of all processes: images of a second by what a second cost.
      samples_per_cpu_second: speed / cpu,
      rss_bytes: Math.max(...loops.map(({ rss_bytes }) => rss_bytes)),
    },
    by: loops[0]?.engine ?? "",
  };
}
