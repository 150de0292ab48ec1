/**
 * What a sweep takes from here on. Its own book is played through in memory, with drawn results instead of measured ones, so
 * that early stopping and limits count as they will. Pure: nothing of it is written.
 */
import type { Config } from "../../shared/config/run.js";
import type { SweepBook } from "../../coordinator/sweeps/book.js";
import type { Segment } from "../../coordinator/sweeps/segment.js";
import { type Space, rungConfig, trialOf } from "../../coordinator/sweeps/space.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, syntheticImages, trainingImages } from "../../shared/resolve.js";

export interface Forecast {
  /** Trials that are not there yet. */
  trials: number;
  /** By rung, the lowest first: how many trials come to it from here on. */
  rungs: readonly { rung: number; samples: number; trials: number }[];
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

/** Seconds of one worker for so many training images of a run, measured at the end; undefined while unknown. */
export type Pace = (config: Config, samples: number) => number | undefined;

/** A search is played no further than this. */
const MOST_SEGMENTS = 20_000;

interface Played {
  rungs: Map<number, { rung: number; samples: number; trials: number }>;
  samples: number;
  synthetic: number;
  seconds: number;
  isTimed: boolean;
  mostWaiting: number;
  largestNetwork: number;
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
  const there = book.rows().length;
  const played: Played = {
    ...{
      rungs: new Map(),
      samples: 0,
      synthetic: 0,
      seconds: 0,
      isTimed: true,
      mostWaiting: 0,
      largestNetwork: 0,
    },
  };
  let timeS = nowS;
  book.open(nowS);
  let isWhole = false;
  for (let segments = 0; segments < MOST_SEGMENTS && mayGoOn(); segments++) {
    const taken = book.take(timeS);
    if (taken.kind !== "begin") {
      isWhole = true;
      break;
    }
    timeS += play(book, space, code, taken.segment, pace, timeS, played) / workers;
  }
  return {
    trials: book.rows().length - there,
    rungs: [...played.rungs.values()].sort((a, b) => a.rung - b.rung),
    samples: played.samples,
    synthetic: Math.round(played.synthetic),
    workerSeconds: played.isTimed && played.samples > 0 ? played.seconds : undefined,
    mostWaiting: played.mostWaiting,
    largestNetwork: played.largestNetwork,
    isWhole,
  };
}

/** The seconds that one worker needs for it. */
function play(
  book: SweepBook,
  space: Space,
  code: string,
  segment: Segment,
  pace: Pace,
  timeS: number,
  played: Played,
): number {
  const row = book.row(segment.trial);
  const { config } = trialOf(space, row?.values ?? {}, code);
  const { samples } = rungConfig(space, config, segment.rung);
  const fresh = Math.max(0, samples - Math.max(row?.samples ?? 0, inherited(book, segment)));
  const seconds = pace(config, fresh);
  const rung = played.rungs.get(segment.rung) ?? { rung: segment.rung, samples, trials: 0 };
  played.rungs.set(segment.rung, {
    ...rung,
    samples: Math.max(samples, rung.samples),
    trials: rung.trials + 1,
  });
  played.samples += fresh;
  played.synthetic += fresh * syntheticShare(space, config);
  played.seconds += seconds ?? 0;
  if (seconds === undefined) played.isTimed = false;
  played.largestNetwork = Math.max(played.largestNetwork, sizeOf(config));
  const metrics = drawnMetrics(space, segment.number);
  book.ended(
    segment,
    { outcome: { metrics, weights: "0".repeat(64), samples, seconds: seconds ?? 0, images: 1 } },
    timeS,
  );
  played.mostWaiting = Math.max(played.mostWaiting, book.counts().waiting);
  return seconds ?? 0;
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

/** Of a trial always the same, so that who is ahead at one rung is so at the next. */
function drawnMetrics({ objectives, constraints, stopping }: Space, number: number): Record<string, number> {
  const names = [...objectives, ...constraints, ...(stopping === undefined ? [] : [stopping])];
  return Object.fromEntries(names.map(({ metric }) => [metric, scattered(number)]));
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
