/** Many seeds with a summary, or one with its trace; and what to say of a seed that fails. */
import { FAULT_KINDS, FaultCounts, faultText } from "./faults.js";
import { type Scenario, drawScenario } from "./scenario.js";
import { shrinkNetworks } from "./tiny-networks.js";
import { type Outcome, simulate } from "./world.js";

/** What a command says besides the seed. */
let bugOption = "";

/** Before the first seed: networks become tiny. `bug`: what was put back, for the commands that are printed. */
export function prepare(bug?: string): void {
  shrinkNetworks();
  bugOption = bug === undefined ? "" : ` --bug ${bug}`;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** The command that shows this world again. */
function replayCommand({ seed }: Scenario, without: readonly number[]): string {
  const left = without.length === 0 ? "" : ` --without ${without.join(",")}`;
  return `npm run simulate -- --seed ${seed}${bugOption}${left} --trace`;
}

function without(scenario: Scenario, left: readonly number[]): Scenario {
  return { ...scenario, faults: scenario.faults.filter((_, i) => !left.includes(i)) };
}

/** Faults that can be left out, and it still fails: what is left explains it. */
export async function shrink(scenario: Scenario): Promise<number[]> {
  let left: number[] = [];
  for (const i of scenario.faults.keys()) {
    const fewer = [...left, i];
    if ((await simulate(without(scenario, fewer))).violation !== undefined) left = fewer;
  }
  return left;
}

/** Tells of a failure: what is left of the faults, the end of the trace, and how to see it again. */
export async function explain(scenario: Scenario): Promise<string> {
  const left = await shrink(scenario);
  const { violation, trace, progressMs } = await simulate(without(scenario, left), true);
  return [
    `seed ${scenario.seed}: ${violation}`,
    `faults that it takes (of ${scenario.faults.length}):`,
    ...without(scenario, left).faults.map((fault) => `  ${faultText(fault)}`),
    ...trace.shortened(progressMs),
    `replay: ${replayCommand(scenario, left)}`,
  ].join("\n");
}

/** What a seed comes to. */
export const outcomeOf = (seed: number): Promise<Outcome> => simulate(drawScenario(seed));

export async function simulateOne(seed: number, left: readonly number[], isTraced: boolean): Promise<number> {
  const scenario = drawScenario(seed);
  for (const [i, fault] of scenario.faults.entries())
    say(`${left.includes(i) ? "  left out" : `  ${i}`}: ${faultText(fault)}`);
  for (const { name, slotMs } of scenario.workers) say(`  ${name}: ${Math.round(slotMs)} ms a slot`);
  for (const { name, model, train } of scenario.runs)
    say(`  ${name}: ${model}, ${train.slots} slots, leases ${train.lease}`);
  const outcome = await simulate(without(scenario, left), isTraced);
  if (isTraced) say(outcome.trace.lines.join("\n"));
  say(
    `seed ${seed}: ${outcome.violation ?? outcome.end}; ${outcome.committed} steps, ${outcome.measured} tasks, ` +
      `${outcome.events} events in ${Math.round(outcome.virtualMs)} ms, fingerprint ${outcome.fingerprint.toString(16)}`,
  );
  return outcome.violation === undefined ? 0 : 1;
}

export async function simulateMany(from: number, seeds: number, isBrief: boolean): Promise<number> {
  const began = performance.now();
  const counts = new FaultCounts();
  const ends = new Map<string, number>();
  const sum = { committed: 0, measured: 0, events: 0, virtualMs: 0, stillMs: 0 };
  for (let seed = from; seed < from + seeds; seed++) {
    const scenario = drawScenario(seed);
    const outcome = await simulate(scenario);
    if (outcome.violation !== undefined) {
      say(isBrief ? `seed ${seed}: ${outcome.violation}` : await explain(scenario));
      if (!isBrief) return 1;
    }
    const end = outcome.violation === undefined ? outcome.end : "violated";
    ends.set(end, (ends.get(end) ?? 0) + 1);
    for (const [kind, count] of outcome.counts.counts) counts.add(kind, count);
    for (const key of ["committed", "measured", "events", "virtualMs"] as const) sum[key] += outcome[key];
    sum.stillMs = Math.max(sum.stillMs, outcome.stillMs);
  }
  const seconds = (performance.now() - began) / 1000;
  say(
    `${seeds} seeds from ${from} in ${seconds.toFixed(1)} s: ${(seeds / seconds).toFixed(1)} seeds a second`,
  );
  say(`ends: ${[...ends].map(([end, count]) => `${end} ${count}`).join(", ")}`);
  say(
    `${sum.committed} steps committed, ${sum.measured} tasks measured, ${sum.events} events, ` +
      `${Math.round(sum.virtualMs / 1000)} virtual seconds; longest without progress ${Math.round(sum.stillMs)} ms`,
  );
  say(`faults: ${FAULT_KINDS.map((kind) => `${kind} ${counts.counts.get(kind) ?? 0}`).join(", ")}`);
  return ends.has("violated") ? 1 : 0;
}
