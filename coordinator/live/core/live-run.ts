/** One run as the live page knows it. */
import { type CurvePoint, procedureOf, seriesOf } from "../../../shared/results.js";
import { Curve } from "./curve.js";
import type { CurveChange } from "./push.js";
import { type CheckView, type CurveView, type RunView, type SeriesView, runPhase } from "./views.js";
import type {
  CurveSample,
  Finished,
  Progress,
  EvaluationSoFar,
  RunOpened,
  RunResult,
} from "../../../shared/events.js";
import { at } from "../../../shared/core/at.js";

/** More series than any procedure has; a bound all the same. */
const MOST_SERIES = 200;
const MOST_TEST_POINTS = 400;

export class LiveRun {
  readonly view: RunView;
  readonly series = new Map<string, SeriesView>();
  checks: CheckView[] = [];
  /** The evaluation is complete. */
  final = false;
  #curve = new Curve();
  #test: CurveView["test"] = [];
  #checkpoint = "";
  #seriesReset = false;
  readonly #seriesChanged = new Set<string>();
  /** What viewers have of the curve. */
  #told = { generation: -1, length: 0, test: "" };

  constructor(id: string, name: string, timeMs: number) {
    this.view = {
      name,
      id,
      network: null,
      data_set: null,
      seed: null,
      batch_size: null,
      phase: "loading",
      detail: "",
      since: timeMs,
      training: {
        done: 0,
        total: 0,
        per_second: 0,
        eta_seconds: null,
        epoch: 0,
        epochs: 0,
        loss: null,
        accuracy: null,
        learning_rate: null,
      },
      evaluation: null,
      clean_accuracy: null,
      outcome: null,
      unreliable: [],
    };
  }

  get isOver(): boolean {
    return this.view.outcome !== null;
  }

  opened({ network, dataSet, seed, batchSize, done, total, epochs, samples }: RunOpened): void {
    const { view } = this;
    Object.assign(view, { network, data_set: dataSet, seed, batch_size: batchSize });
    Object.assign(view.training, { done, total, epochs, epoch: total === 0 ? 0 : (epochs * done) / total });
    const { generation } = this.#curve;
    this.#curve = new Curve();
    this.#curve.generation = generation + 1;
    for (const sample of samples) this.#curve.add(sample);
    const newest = samples.at(-1);
    if (newest !== undefined) this.#newest(newest);
  }

  phase(name: string, detail: string, timeMs: number): void {
    const known = runPhase.safeParse(name);
    if (known.success) this.view.phase = known.data;
    Object.assign(this.view, { detail, since: timeMs, outcome: null });
    if (this.view.phase !== "training") {
      this.view.training.per_second = 0;
      this.view.training.eta_seconds = null;
    }
  }

  progress(told: Progress): void {
    const common = {
      done: told.done ?? 0,
      total: told.total ?? 0,
      per_second: Math.max(0, finite(told.samplesPerSecond) ?? 0),
      eta_seconds: positive(told.etaSeconds),
    };
    if (told.phase === "evaluating") {
      this.view.evaluation = common;
      this.view.detail = told.detail ?? "";
      return;
    }
    Object.assign(this.view.training, common, { epoch: told.epoch ?? 0, epochs: told.epochs ?? 0 });
    const sample = { step: common.done, loss: told.loss ?? NaN, accuracy: told.accuracy ?? NaN };
    this.#newest(sample);
    this.#curve.add(sample);
  }

  #newest({ loss, accuracy }: CurveSample): void {
    this.view.training.loss = finite(loss);
    this.view.training.accuracy = finite(accuracy);
  }

  testAccuracy(step: number, accuracy: number): void {
    const known = finite(accuracy);
    if (known === null) return;
    this.view.clean_accuracy = known;
    this.#test = [...this.#test.filter((point) => point.step < step), { step, accuracy: known }];
    if (this.#test.length > MOST_TEST_POINTS) this.#test = this.#test.filter((_, i) => i % 2 === 1);
  }

  measured({ checkpoint, points }: EvaluationSoFar): void {
    if (checkpoint !== this.#checkpoint) this.#clearSeries();
    this.#checkpoint = checkpoint;
    this.#show(points);
  }

  result({ points, checks, unreliable }: RunResult): void {
    this.#clearSeries();
    this.#show(points);
    this.final = true;
    this.checks = checks.map(({ number, title, status, detail }) => ({ number, title, status, detail }));
    this.view.unreliable = unreliable;
  }

  finished({ ok, code, message, exitCode }: Finished): void {
    const interrupted = code === "interrupted";
    this.view.phase = ok === true ? (interrupted ? "interrupted" : "done") : "failed";
    this.view.detail = "";
    this.view.outcome = {
      ok: ok === true,
      code: code ?? "",
      message: message ?? "",
      exit_code: exitCode ?? 0,
    };
  }

  #clearSeries(): void {
    this.series.clear();
    this.checks = [];
    this.final = false;
    this.view.unreliable = [];
    this.#seriesChanged.clear();
    this.#seriesReset = true;
  }

  /** Points of one series come together and replace what was known of it. */
  #show(points: readonly CurvePoint[]): void {
    const groups = new Map<string, CurvePoint[]>();
    for (const point of points) {
      const key = seriesOf(point);
      groups.set(key, [...(groups.get(key) ?? []), point]);
    }
    for (const [key, group] of groups) {
      if (this.series.size >= MOST_SERIES && !this.series.has(key)) continue;
      this.series.set(key, seriesFrom(group));
      this.#seriesChanged.add(key);
      if (group[0]?.kind === "clean") this.view.clean_accuracy = 1 - group[0].error;
    }
  }

  // ---- What viewers get ---------------------------------------------------------------------------------------

  curve(): CurveView {
    const { points, generation } = this.#curve;
    return { generation, ...columns(points), test: this.#test };
  }

  /** What a viewer lacks who has all that was told before; undefined when that is nothing. */
  takeCurveChange(): CurveChange | undefined {
    const { points, generation } = this.#curve;
    const told = this.#told;
    const from = told.generation === generation ? told.length : 0;
    const test = JSON.stringify(this.#test);
    const isSame = told.generation === generation && from === points.length && test === told.test;
    this.#told = { generation, length: points.length, test };
    if (isSame) return undefined;
    const change = { generation, from, ...columns(points.slice(from)) };
    return test === told.test ? change : { ...change, test: this.#test };
  }

  takeSeriesChange(): { reset: boolean; series: SeriesView[] } | undefined {
    if (!this.#seriesReset && this.#seriesChanged.size === 0) return undefined;
    const series = [...this.#seriesChanged].flatMap((key) => this.series.get(key) ?? []);
    const reset = this.#seriesReset;
    this.#seriesReset = false;
    this.#seriesChanged.clear();
    return { reset, series };
  }
}

function columns(points: readonly CurveSample[]): Pick<CurveView, "step" | "loss" | "accuracy"> {
  return {
    step: points.map(({ step }) => step),
    loss: points.map(({ loss }) => finite(loss)),
    accuracy: points.map(({ accuracy }) => finite(accuracy)),
  };
}

function seriesFrom(points: readonly CurvePoint[]): SeriesView {
  const label = at(points, 0);
  return {
    protocol: procedureOf(label),
    kind: label.kind,
    attack: label.attack ?? label.kind,
    norm: label.norm ?? null,
    points: points.map(({ strength, n, error, ci_low, ci_high, mean_confidence, unreliable }) => ({
      strength,
      n,
      accuracy: 1 - error,
      ci_low: 1 - ci_high,
      ci_high: 1 - ci_low,
      mean_confidence: finite(mean_confidence),
      unreliable: unreliable ?? [],
    })),
  };
}

/** Four digits are enough for a picture, and half the bytes. */
function finite(value: number | null | undefined): number | null {
  return value == null || !Number.isFinite(value) ? null : Number(value.toPrecision(5));
}

function positive(value: number | null | undefined): number | null {
  const known = finite(value);
  return known === null || known < 0 ? null : known;
}
