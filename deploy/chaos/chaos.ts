/** The same training twice, once calm and once under faults that a seed draws: both must come to the same weights. */
import { cp, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { StepPlan } from "../../shared/core/schedule.js";
import { totalSteps } from "../../shared/core/schedule.js";
import { type Recovery, recoveries } from "./core/recovery.js";
import { type Fault, type FaultKind, drawSchedule } from "./core/schedule.js";
import { type Trained, type TrainingSetting, trainOnce } from "./training.js";
import { makeFolder } from "../../shared/io/folders.js";
import { temporaryFolder } from "../local/places.js";
import { problemsOf } from "./verdict.js";

export interface ChaosSetting extends Omit<TrainingSetting, "onInjected"> {
  plan: StepPlan;
  seed: number;
  /** Faults in a round. */
  faults: number;
  kinds: readonly FaultKind[];
  longestMs: number;
  /** Rounds follow, with the seeds that follow, until so much time has passed since the first; 0: one round. */
  forMs: number;
  /** Where the runs are, if there is no disk for them. */
  folder: string;
  say: (text: string) => void;
}

export interface Round {
  seed: number;
  seconds: number;
  step: number;
  sha256: string;
  /** What does not hold, one sentence each. */
  problems: string[];
  faults: Recovery[];
  /** Where its files are, if something does not hold. */
  kept: string | undefined;
}

export interface Chaos {
  steps: number;
  calm: { seconds: number; step: number; sha256: string; problems: string[] };
  rounds: Round[];
  /** The user wanted no more of it: what was not finished is left out. */
  interrupted: boolean;
}

export async function chaos(setting: ChaosSetting): Promise<Chaos> {
  const { plan, clock, signal, say } = setting;
  const steps = totalSteps(plan);
  const place = join(groundOf(setting), "calm");
  say(`calm: ${steps} steps`);
  const calm = await trainOnce({ ...setting, onInjected: () => undefined }, place, []);
  const problems = signal.aborted ? [] : problemsOf(calm, calm, plan, steps);
  const found: Chaos = {
    ...{ steps, calm: { ...figures(calm), problems }, rounds: [] },
    interrupted: signal.aborted,
  };
  if (problems.length > 0 || signal.aborted) return found;
  say(`calm: ${calm.seconds.toFixed(1)} s, weights ${calm.sha256.slice(0, 16)}…`);
  await rm(place, { recursive: true, force: true });
  const startedMs = clock.now();
  do {
    const round = await roundOf(setting, calm, setting.seed + found.rounds.length, steps);
    if (signal.aborted) return { ...found, interrupted: true };
    found.rounds.push(round);
  } while (clock.now() - startedMs < setting.forMs);
  return found;
}

async function roundOf(setting: ChaosSetting, calm: Trained, seed: number, steps: number): Promise<Round> {
  const { plan, say, workers, faults, kinds, longestMs } = setting;
  const place = join(groundOf(setting), `seed-${seed}`);
  await makeFolder(place);
  const schedule = drawSchedule({ seed, faults, kinds, workers, steps, longestMs });
  say(`seed ${seed}: ${schedule.length} faults`);
  const onInjected = (fault: Fault): void => say(`seed ${seed}: ${wordsFor(fault)}`);
  const trained = await trainOnce({ ...setting, onInjected }, place, schedule);
  const problems = problemsOf(calm, trained, plan, steps);
  const kept = problems.length === 0 ? undefined : await keep(place);
  await rm(place, { recursive: true, force: true });
  return {
    seed,
    ...figures(trained),
    problems,
    faults: recoveries(trained.injected, trained.commits),
    kept,
  };
}

function groundOf({ disk, folder }: ChaosSetting): string {
  return disk?.folder ?? folder;
}

/** Somewhere else than where everything goes in the end. */
async function keep(place: string): Promise<string> {
  const kept = join(await temporaryFolder("saf-chaos-"), basename(place));
  await cp(place, kept, { recursive: true });
  return kept;
}

function figures({ seconds, step, sha256 }: Trained): { seconds: number; step: number; sha256: string } {
  return { seconds, step, sha256 };
}

/** "kill worker-2 after step 31", "cut coordinator for 1.2 s after step 40". */
export function wordsFor({ kind, target, atStep, lastsMs, messages }: Fault): string {
  const howLong = lastsMs === 0 ? "" : ` for ${(lastsMs / 1000).toFixed(1)} s`;
  const howMany = messages === 0 ? "" : ` ${messages} message(s)`;
  return `${kind} ${target}${howMany}${howLong} after step ${atStep}`;
}
