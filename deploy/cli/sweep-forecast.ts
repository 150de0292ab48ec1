/**
 * What a sweep takes from here on. Its own book is played through in memory, with drawn results instead of measured ones, so
 * that early stopping and limits count as they will. Pure: nothing of it is written.
 */
import type { Config } from "../../shared/config/run.js";
import type { SweepBook } from "../../coordinator/sweeps/book.js";
import type { RungOutcome, Segment } from "../../coordinator/sweeps/segment.js";
import { type Space, rungConfig, trialOf } from "../../coordinator/sweeps/space.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, syntheticImages, trainingImages } from "../../shared/resolve.js";

export interface Forecast {
  /** Trials that are not there yet. */
  trials: number;
  /** Of these, those that take another one's place. */
  heirs: number;
  /** By rung, the lowest first: how many trials come to it from here on, and how many are done there. */
  rungs: readonly PlayedRung[];
  /** Training images to be seen. */
  samples: number;
  /** Those of them that flag M makes. */
  synthetic: number;
  /** Seconds of one worker; undefined where no speed is known. */
  workerSeconds: number | undefined;
  /** Trials that wait at a rung, at most, and the numbers of the largest network. */
  mostWaiting: number;
  largestNetwork: number;
  /** False: a search without end, or too long to be played through. */
  isWhole: boolean;
}

interface PlayedRung {
  rung: number;
  samples: number;
  trials: number;
  done: number;
}

/** Seconds of one worker for so many training images of a run, measured at the end; undefined while unknown. */
export type Pace = (config: Config, samples: number) => number | undefined;

/** A search is played no further than this. */
const MOST_SEGMENTS = 20_000;

interface Played {
  rungs: Map<number, PlayedRung>;
  samples: number;
  synthetic: number;
  seconds: number;
  isTimed: boolean;
  mostWaiting: number;
  largestNetwork: number;
  /** In training images of one worker. */
  clock: number;
}

export interface ForecastOptions {
  pace: Pace;
  /** They share the work. */
  workers: number;
  /** Seconds since 1970. */
  nowS: number;
  /** False ends it early, for whoever waits for the answer. */
  mayGoOn: () => boolean;
}

/** `book` is played to its end, and of no use behind it. */
export function forecastOf(
  book: SweepBook,
  space: Space,
  code: string,
  { pace, workers, nowS, mayGoOn }: ForecastOptions,
): Forecast {
  const there = new Set(book.rows().map(({ trial }) => trial));
  const played: Played = {
    ...{
      rungs: new Map(),
      samples: 0,
      synthetic: 0,
      seconds: 0,
      isTimed: true,
      mostWaiting: 0,
      largestNetwork: 0,
      clock: 0,
    },
  };
  let timeS = nowS;
  book.open(nowS);
  let isWhole = false;
  const inHand: Begun[] = [];
  for (let segments = 0; ;) {
    if (inHand.length < workers) {
      if (segments >= MOST_SEGMENTS || !mayGoOn()) break;
      const taken = book.take(timeS);
      if (taken.kind === "begin") {
        inHand.push(begun(book, space, code, taken.segment, pace, played));
        segments++;
        continue;
      }
    }
    const [next] = inHand.sort((a, b) => a.due - b.due).splice(0, 1);
    if (next === undefined) {
      isWhole = true;
      break;
    }
    played.clock = next.due;
    timeS += next.seconds / workers;
    book.ended(next.segment, { outcome: outcomeOf(space, next) }, timeS);
    played.mostWaiting = Math.max(played.mostWaiting, book.counts().waiting);
  }
  const made = book.rows().filter(({ trial }) => !there.has(trial));
  return {
    trials: made.length,
    heirs: made.filter(({ parent }) => parent !== undefined).length,
    rungs: [...played.rungs.values()].sort((a, b) => a.rung - b.rung),
    samples: played.samples,
    synthetic: Math.round(played.synthetic),
    workerSeconds: played.isTimed && played.samples > 0 ? played.seconds : undefined,
    mostWaiting: played.mostWaiting,
    largestNetwork: played.largestNetwork,
    isWhole,
  };
}

interface Begun {
  segment: Segment;
  /** Training images that it has seen at its end. */
  samples: number;
  /** That one worker needs for it. */
  seconds: number;
  /** By the clock in images: workers are equally fast. */
  due: number;
}

function begun(
  book: SweepBook,
  space: Space,
  code: string,
  segment: Segment,
  pace: Pace,
  played: Played,
): Begun {
  const row = book.row(segment.trial);
  const { config } = trialOf(space, row?.values ?? {}, code);
  const { samples } = rungConfig(space, config, segment.rung);
  const fresh = Math.max(0, samples - Math.max(row?.samples ?? 0, inherited(book, segment)));
  const seconds = pace(config, fresh);
  const rung = played.rungs.get(segment.rung) ?? { rung: segment.rung, samples, trials: 0, done: 0 };
  played.rungs.set(segment.rung, {
    ...rung,
    samples: Math.max(samples, rung.samples),
    trials: rung.trials + 1,
    done: rung.done + (segment.last ? 1 : 0),
  });
  played.samples += fresh;
  played.synthetic += fresh * syntheticShare(space, config);
  played.seconds += seconds ?? 0;
  if (seconds === undefined) played.isTimed = false;
  played.largestNetwork = Math.max(played.largestNetwork, sizeOf(config));
  return { segment, samples, seconds: seconds ?? 0, due: played.clock + fresh };
}

function outcomeOf(space: Space, { segment, samples, seconds }: Begun): RungOutcome {
  return { metrics: drawnMetrics(space, segment), weights: "0".repeat(64), samples, seconds, images: 1 };
}

/** Of an epoch's images. */
function syntheticShare(space: Space, config: Config): number {
  const { network } = resolveRun(config);
  const images = trainingImages(config, network, space.sizeOf(config.data.set).train);
  return syntheticImages(network) / images;
}

/** What the trial whose state it takes over had seen. */
function inherited(book: SweepBook, { parent }: Segment): number {
  if (parent === undefined) return 0;
  return book.row(parent.trial)?.rungs.find(({ rung }) => rung === parent.rung)?.samples ?? 0;
}

/** So much of a trial's drawn result changes from rung to rung: who is ahead at one is mostly so at the next. */
const CHANGES = 0.3;
/** Far enough apart for other numbers at each rung. */
const RUNG_STRIDE = 7919;

function drawnMetrics(
  { objectives, constraints, stopping }: Space,
  { number, rung }: Segment,
): Record<string, number> {
  const names = [...objectives, ...constraints, ...(stopping === undefined ? [] : [stopping])];
  const value = (1 - CHANGES) * scattered(number) + CHANGES * scattered(number + RUNG_STRIDE * (rung + 1));
  return Object.fromEntries(names.map(({ metric }) => [metric, value]));
}

/** In [0, 1), another for each number, and without an order: the fractional parts of multiples of the golden ratio. */
function scattered(number: number): number {
  return ((number + 1) * 0.618_033_988_749_894_9) % 1;
}

const sizes = new Map<string, number>();

/** Parameters of the network; the same settings are asked for again and again. */
function sizeOf(config: Config): number {
  const key = JSON.stringify([config.data.set, config.model, config.network ?? null]);
  const known = sizes.get(key) ?? layoutOf(resolveRun(config).network).size;
  sizes.set(key, known);
  return known;
}
