/** One run from its settings to its results: train, checkpoint, measure. Continues where a run directory left off. */
import { stringify } from "yaml";
import type { MappedMemory } from "../../shared/bus.js";
import type { Config } from "../../shared/config/run.js";
import { initialParameters } from "../../shared/core/layout.js";
import { stepsPerEpoch, totalSteps } from "../../shared/core/schedule.js";
import { ClusterError } from "../../shared/errors.js";
import type { FeaturesDocument } from "../../shared/features.js";
import type { saf } from "../../shared/messages.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import type { ModelResult, NotMeasured, SampleImage, StepMetric } from "../../shared/results.js";
import type { Tracer } from "../../shared/tracing.js";
import type { Coordinator } from "../coordinator.js";
import { curvesOf } from "../evaluation/curves.js";
import { leaseKind } from "../training/modes/mode.js";
import type { NamedSource } from "../evaluation/plan/attack-names.js";
import type { PlannedMeasure } from "../evaluation/plan/measures.js";
import { accuracyOf, modelResult } from "../evaluation/model-result.js";
import { type ForeignPictures, everythingFalls } from "../evaluation/plan/modern-procedure.js";
import { cleanMeasure, planMeasures, proceduresOf } from "../evaluation/plan/procedures.js";
import { EvaluationJob, planTasks, type TaskStanding } from "../evaluation/evaluation-job.js";
import { FeaturesJob } from "../evaluation/features-job.js";
import { Checkpoints } from "../io/checkpoints.js";
import type { PartitionedDataset } from "../io/datasets/dataset.js";
import type { DataShelf } from "../io/data-shelf.js";
import { foreignImages } from "../io/foreign-images.js";
import { IMPORTED } from "../io/foreign-weights.js";
import { Journal, trimJournal } from "../io/journal.js";
import type { RunDirectory, RunState } from "../io/run-directory.js";
import { isIdentityOf, runIdentity } from "./identity.js";
import { checkSources, findSource, readSource, sourcesIn, withNames } from "../io/transfer-sources.js";
import { Trainer } from "../training/trainer.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import type { CommittedStep } from "../training/training-types.js";
import { hashOf } from "../../shared/io/hash.js";
import { lineOf, recordsOf } from "../../shared/records/result-line.js";
import { readResultLines } from "../../shared/io/result-lines.js";
import type { TaskSpec, TaskRecord } from "../../shared/records/task.js";

export interface RunContext {
  coordinator: Coordinator;
  dataset: PartitionedDataset;
  directory: RunDirectory;
  runId: string;
  config: Config;
  term: number;
  /** Measure the newest checkpoint as it is. */
  evaluateOnly: boolean;
  /** Shortest deadline of a lease. */
  leaseFloorMs: number;
  /** First Ctrl-C: finish the step, checkpoint, stop. */
  signal: AbortSignal;
  clock: () => number;
  broadcast: (shard: number, frame: Uint8Array) => void;
  mapped: MappedMemory | undefined;
  /** Runs that are conducted now, this one included. */
  runsSideBySide: () => number;
  /** What workers pull by its hash. */
  shelf: DataShelf;
  /** The coordinator's runs by their folders, this one included. */
  beside: ReadonlyMap<string, RunBeside>;
  observer: RunObserver;
  tracer?: Tracer;
}

/** How far a run is that another one may need. */
export interface RunBeside {
  /** Its weights are final. */
  isTrained: boolean;
  /** It ended, trained or not. */
  isOver: boolean;
}

/** Who wants to know: progress events, metrics, the log. */
export interface RunObserver {
  phase(name: "training" | "evaluating", detail: string): void;
  committed(step: CommittedStep, total: number): void;
  /** An exclusive lease is this far; its steps are not committed. */
  advanced(stepsDone: number, total: number, loss: number, accuracy: number): void;
  evaluating(progress: EvaluationJob["progress"]): void;
  /** Where the run begins or goes on, and the steps before. */
  opened(step: number, total: number, before: readonly StepMetric[]): void;
  /** On the clean test images, after so many steps. */
  accuracy(value: number, step: number): void;
  checkpoint(outcome: "written" | "failed", seconds: number, bytes: number): void;
  /** An evaluation of the weights with this hash begins; `known` was measured by an attempt before this one. */
  evaluationBegins(known: readonly TaskRecord[], checkpoint: string): void;
  tasks(standing: TaskStanding): void;
  taskRetried(reason: "failed" | "given_back"): void;
  measured(record: TaskRecord, seconds: number, checkpoint: string, traceId: string | undefined): void;
  note(level: "info" | "warning" | "error", message: string): void;
}

export interface RunOutcome {
  result: ModelResult;
  steps: StepMetric[];
  samples: SampleImage[];
  /** SHA-256 of the final weights. */
  weightsSha256: string;
  /** The signal came first: the run can be resumed. */
  interrupted: boolean;
  /** A network that it is to be attacked from is not trained yet: more can be measured once it is. */
  isIncomplete: boolean;
}

/** Pictures per kind and strength for the report. */
const REPORT_SAMPLES = 8;

/** A line of ledger.jsonl: who computed what, and that each image was counted once. */
interface LedgerLine {
  step: number;
  epoch: number;
  /** Positions [first, end) in the epoch's order. */
  first: number;
  end: number;
  samples: number;
  blocks: { slots: [number, number]; worker: string; attempt: number; ms: number }[];
}

/** Throws ClusterError: "diverged", "storage", "config" (a run directory of other settings), "data". */
export async function conductRun(context: RunContext): Promise<RunOutcome> {
  return new RunConductor(context).conduct();
}

class RunConductor {
  readonly #context: RunContext;
  readonly #run;
  readonly #layout;
  readonly #plan;
  readonly #identity: string;
  readonly #spec: saf.v1.RunSpec.$Properties;
  readonly #checkpoints: Checkpoints;
  #bestAccuracy = -1;
  /** Speed of the training, when all of it was done by an attempt before this one. */
  #earlierRate = 0;
  #trainer: Trainer | undefined;
  #failure: ClusterError | undefined;
  #isIncomplete = false;
  #notMeasured: NotMeasured[] = [];

  constructor(context: RunContext) {
    const { config, dataset, directory, runId } = context;
    this.#context = context;
    this.#run = resolveRun(config);
    this.#layout = layoutOf(this.#run.network);
    this.#plan = stepPlan(config, this.#run, dataset.dataset.train.labels.length);
    this.#identity = runIdentity(config, dataset.sha256);
    this.#checkpoints = new Checkpoints(directory.checkpoints, this.#layout, config.train.keep_checkpoints);
    this.#spec = {
      runId,
      configJson: JSON.stringify(config),
      data: dataset.manifest(),
      parameterCount: this.#layout.size,
    };
  }

  async conduct(): Promise<RunOutcome> {
    const { directory, signal, config, evaluateOnly, beside } = this.#context;
    const began = await this.#begin();
    // Better now than after hours of training.
    await checkSources(config, directory.path, (path) => beside.has(path));
    // Once it is known that these settings are the run's own; a measurement's are not.
    if (!evaluateOnly) await directory.writeText("config.yaml", stringify(config));
    const onError = (error: Error): void => this.#context.observer.note("warning", error.message);
    const ledger = await Journal.open(directory.file("ledger.jsonl"), onError);
    const metrics = await Journal.open(directory.file("metrics.jsonl"), onError);
    const throughput = new Throughput();
    const startedMs = this.#context.clock() - 1000 * (began.steps.at(-1)?.seconds ?? 0);
    const steps = began.steps;
    this.#context.observer.opened(began.state.step, totalSteps(this.#plan), steps);

    const onCommit = (step: CommittedStep): void => {
      ledger.append(ledgerLine(step));
      const metric = stepMetric(step, (step.atMs - startedMs) / 1000);
      metrics.append(metric);
      steps.push(metric);
      throughput.committed(step.samples, step.atMs);
      this.#context.observer.committed(step, totalSteps(this.#plan));
    };
    try {
      const state = evaluateOnly
        ? began.state
        : await this.#train(began.state, onCommit, [ledger, metrics], throughput);
      if (signal.aborted) return this.#interrupted(state, steps, throughput);
      const own = beside.get(directory.path);
      if (own !== undefined) own.isTrained = true;

      await this.#status("evaluating", state.step);
      const sources = await this.#sources(hashOf(state.parameters));
      const foreign = await this.#foreign();
      const records = await this.#evaluate(state, this.#measures({ sources, foreign }));
      if (config.evaluate.features && !signal.aborted) await this.#features(state);
      if (signal.aborted) return this.#interrupted(state, steps, throughput);
      const outcome = this.#outcome(state, steps, throughput, records);
      await directory.writeJson("result.json", outcome.result);
      await this.#status("done", state.step, 0);
      return outcome;
    } finally {
      this.#endTrainer();
      await Promise.all([ledger.close(), metrics.close()]);
    }
  }

  /** Where to start: a checkpoint of this directory, or step 0. Journals are cut back to it. */
  async #begin(): Promise<{ state: TrainingState; steps: StepMetric[] }> {
    const { directory, observer, config, dataset } = this.#context;
    const found = await this.#checkpoints.readLatest((message) => observer.note("warning", message));
    const isImported = this.#context.evaluateOnly && found?.description.identity === IMPORTED;
    const isOwn = found === undefined || isIdentityOf(found.description.identity, config, dataset.sha256);
    if (!isOwn && !isImported) {
      throw new ClusterError(
        "config",
        `Cannot resume ${directory.path}: it was trained with other settings or other data`,
        {
          hint: "use the directory's own config.yaml, or start a new run",
        },
      );
    }
    if (found === undefined && this.#context.evaluateOnly) {
      throw new ClusterError("data", `Cannot evaluate ${directory.path}: it holds no checkpoint`, {
        hint: "give a run directory with checkpoints in it",
      });
    }
    const state = found?.state ?? {
      step: 0,
      parameters: initialParameters(this.#layout, config.seed),
      velocity: new Float32Array(this.#layout.size),
    };
    const before = (line: { step: number }): boolean => line.step < state.step;
    await trimJournal<LedgerLine>(directory.file("ledger.jsonl"), before);
    const steps = await trimJournal<StepMetric>(directory.file("metrics.jsonl"), before);
    const earlier = await directory.readJson<Partial<ModelResult>>("result.json").catch(() => undefined);
    this.#earlierRate = earlier?.samples_per_second ?? 0;
    if (found !== undefined) {
      const best = await this.#checkpoints.read("best").catch(() => undefined);
      this.#bestAccuracy = best?.description.clean_accuracy ?? -1;
      observer.note("info", `Resuming at step ${state.step} of ${totalSteps(this.#plan)}`);
    }
    return { state, steps };
  }

  #begunTrainer(state: TrainingState, onCommit: (step: CommittedStep) => void): Trainer {
    const { coordinator, runId, leaseFloorMs, term, clock } = this.#context;
    const { broadcast, mapped, observer, tracer } = this.#context;
    const options = {
      runId,
      run: this.#run,
      layout: this.#layout,
      plan: this.#plan,
      term,
      leaseFloorMs,
      spec: this.#spec,
      state,
    };
    const edges = {
      clock,
      broadcast,
      mapped,
      onCommit,
      onProgress: (done: number, loss: number, accuracy: number) =>
        observer.advanced(done, totalSteps(this.#plan), loss, accuracy),
      fail: (error: ClusterError) => {
        this.#failure ??= error;
        trainer.abandon();
      },
      ...(tracer === undefined ? {} : { tracer }),
    };
    const trainer = new Trainer(options, edges, coordinator.desk);
    this.#trainer = trainer;
    coordinator.add(trainer);
    return trainer;
  }

  #endTrainer(): void {
    if (this.#trainer === undefined) return;
    this.#context.coordinator.remove(this.#trainer);
    this.#trainer.dispose();
    this.#trainer = undefined;
  }

  async #train(
    start: TrainingState,
    onCommit: (step: CommittedStep) => void,
    journals: Journal[],
    throughput: Throughput,
  ): Promise<TrainingState> {
    const { coordinator, config, signal, observer, runsSideBySide } = this.#context;
    const total = totalSteps(this.#plan);
    if (start.step >= total) return start;
    await this.#status("training", start.step);
    observer.phase("training", `${total} steps of ${this.#plan.batchSize} images`);
    const job = this.#begunTrainer(start, onCommit);
    const onAbort = (): void => {
      job.pause();
      void coordinator.whenNobodyCanWork().then(() => job.giveUpStep());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const evaluateEvery = Math.round(config.train.evaluate_every_epochs * stepsPerEpoch(this.#plan));
    while (job.step < total && !signal.aborted) {
      const next = nextStop(job.step, [config.train.checkpoint_every_steps, evaluateEvery], total);
      const before = job.step;
      await job.runTo(next, leaseKind(config.train.lease, this.#plan.slots, runsSideBySide()));
      if (this.#failure !== undefined) throw this.#failure;
      await Promise.all(journals.map((journal) => journal.flush()));
      if (job.step === before) break;
      const last = job.step >= total;
      const due = evaluateEvery > 0 && job.step % evaluateEvery === 0 && !last && !signal.aborted;
      const accuracy = due ? await this.#accuracyBetween(job) : null;
      await this.#checkpoint(job.snapshot(), accuracy, last || signal.aborted);
      throughput.pause();
    }
    signal.removeEventListener("abort", onAbort);
    const end = job.snapshot();
    this.#endTrainer();
    return end;
  }

  /** Clean accuracy in the middle of training, on the same workers. */
  async #accuracyBetween(job: Trainer): Promise<number | null> {
    const { observer, signal } = this.#context;
    const records = await this.#evaluate(job.snapshot(), [cleanMeasure(this.#testImages)]);
    if (signal.aborted) return null;
    observer.phase("training", `from step ${job.step} on`);
    return accuracyOf(curvesOf(records));
  }

  /**
   * A checkpoint on the way that cannot be written costs nothing but itself: training goes on, the last good one stays.
   * Without the last one the weights would be lost, so the run fails: ClusterError("storage").
   */
  async #checkpoint(state: TrainingState, accuracy: number | null, isLast: boolean): Promise<void> {
    const { clock, observer } = this.#context;
    const began = clock();
    const best = accuracy !== null && accuracy > this.#bestAccuracy;
    try {
      const { bytes } = await this.#checkpoints.write(state, {
        model: this.#run.network.name,
        identity: this.#identity,
        cleanAccuracy: accuracy,
        best,
      });
      if (best) this.#bestAccuracy = accuracy;
      observer.checkpoint("written", (clock() - began) / 1000, bytes);
    } catch (error) {
      observer.checkpoint("failed", (clock() - began) / 1000, 0);
      const { message, hint } = error as ClusterError;
      if (isLast) throw unsaved(this.#context.directory.path, error as ClusterError);
      observer.note("error", hint === undefined ? message : `${message} (${hint})`);
    }
    await this.#status("training", state.step);
  }

  // ---- Evaluation ---------------------------------------------------------------------------------------------

  get #testImages(): number {
    return this.#context.dataset.dataset.test.labels.length;
  }

  /**
   * The networks that this one is attacked from; their weights are put where workers pull them. One that is trained beside
   * this run and not done yet comes later; one that failed there is left out. Throws as `readSource`.
   */
  async #sources(checkpoint: string): Promise<NamedSource[]> {
    const { config, directory, shelf, beside, observer } = this.#context;
    if (!proceduresOf(config.evaluate).includes("modern")) return [];
    const found: NamedSource[] = [];
    for (const text of sourcesIn(config.evaluate)) {
      const place = await findSource(text, directory.path, (path) => beside.has(path));
      const other = beside.get(place.path);
      if (other?.isTrained === false) {
        if (other.isOver) observer.note("warning", `No transfer from ${text}: it was not trained`);
        else this.#isIncomplete = true;
        continue;
      }
      const { parameters, ...source } = await readSource(place, config.data.set);
      if (source.weights_sha256 === checkpoint)
        throw new ClusterError("config", `The second network ${text} is the one that it is to attack`);
      shelf.hold(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength));
      found.push(source);
    }
    return withNames(found);
  }

  /** Pictures of other data sets for the budgets of the modern protocol; what is missing is told, and goes into the result. */
  async #foreign(): Promise<ForeignPictures[]> {
    const { config, shelf, observer } = this.#context;
    const { evaluate, data } = config;
    if (!proceduresOf(evaluate).includes("modern") || evaluate.attacks !== undefined) return [];
    const { found, missing } = await foreignImages(shelf, data.set, this.#run.network.input);
    for (const { what, why } of missing) observer.note("info", `Not run: ${what}: ${why}`);
    this.#notMeasured = missing;
    return found;
  }

  /** Throws ClusterError("config") for an attack that there is not. */
  #measures(beside: {
    sources: readonly NamedSource[];
    foreign: readonly ForeignPictures[];
  }): PlannedMeasure[] {
    return planMeasures({
      config: this.#context.config.evaluate,
      network: this.#run.network,
      strengths: this.#run.strengths,
      testImages: this.#testImages,
      samples: REPORT_SAMPLES,
      ...beside,
    });
  }

  async #evaluate(state: TrainingState, measures: readonly PlannedMeasure[]): Promise<TaskRecord[]> {
    const { coordinator, dataset, directory, term, observer, runId, signal, clock, tracer } = this.#context;
    const checkpoint = hashOf(state.parameters);
    const subject = {
      checkpoint,
      dataset: dataset.sha256,
      seed: this.#run.seed,
      testImages: this.#testImages,
    };
    const tasks = planTasks(subject, measures);
    const file = directory.file("eval", "results.jsonl");
    const records = recordsOf(await readResultLines(file), tasks);
    const open = tasks.filter((task) => !records.some((record) => record.task.id === task.id));
    observer.evaluationBegins(records, checkpoint);
    if (open.length === 0) return inOrder(records, tasks);
    // Clean images come first: their accuracy is told long before the rest is measured.
    const isClean = ({ measure }: TaskSpec): boolean => measure.how === "clean";
    const cleanTasks = tasks.filter(isClean).length;
    const tellAccuracy = (): void => {
      const clean = records.filter(({ task }) => isClean(task));
      if (clean.length === cleanTasks) observer.accuracy(accuracyOf(curvesOf(clean)), state.step);
    };

    observer.phase("evaluating", [...new Set(open.map(({ protocol, kind }) => protocol ?? kind))].join(", "));
    const journal = await Journal.open(file, (error) => observer.note("warning", error.message));
    const job = new EvaluationJob(
      {
        runId,
        spec: this.#spec,
        term,
        version: state.step,
        parameters: state.parameters,
        tasks: open,
        outputs: this.#run.network.outputs,
        image: this.#run.network.input,
        labelOf: (index) => dataset.dataset.test.labels[index] ?? 0,
      },
      {
        clock,
        onTasks: ({ pending, running, done }) =>
          observer.tasks({ pending, running, done: done + tasks.length - open.length }),
        onRetry: (reason) => observer.taskRetried(reason),
        ...(tracer === undefined ? {} : { tracer }),
        onRecord: (record, seconds, traceId) => {
          records.push(record);
          observer.measured(record, seconds, checkpoint, traceId);
          journal.append(lineOf(record, checkpoint));
          observer.evaluating(job.progress);
          if (isClean(record.task)) tellAccuracy();
        },
        fail: (error) => {
          this.#failure ??= error;
          job.stop();
        },
      },
      coordinator.desk,
    );
    const onAbort = (): void => job.stop();
    signal.addEventListener("abort", onAbort, { once: true });
    if (!open.some(isClean)) tellAccuracy();
    coordinator.add(job);
    await job.done;
    coordinator.remove(job);
    signal.removeEventListener("abort", onAbort);
    await journal.close();
    if (this.#failure !== undefined) throw this.#failure;
    return inOrder(records, tasks);
  }

  /** Feature statistics of these weights, unless the run directory has them already. */
  async #features(state: TrainingState): Promise<void> {
    const { coordinator, directory, term, observer, runId, signal } = this.#context;
    const checkpoint = hashOf(state.parameters);
    const stored = await directory.readJson<FeaturesDocument>("features.json").catch(() => undefined);
    if (stored?.checkpoint === checkpoint && stored.seed === this.#run.seed) return;
    observer.phase("evaluating", "feature statistics");
    const version = state.step;
    const { parameters } = state;
    const { seed, network } = this.#run;
    const measured = { runId, spec: this.#spec, term, version, parameters, checkpoint, seed, network };
    const job = new FeaturesJob(measured, coordinator.desk);
    const onAbort = (): void => job.stop();
    signal.addEventListener("abort", onAbort, { once: true });
    coordinator.add(job);
    const features = await job.done;
    coordinator.remove(job);
    signal.removeEventListener("abort", onAbort);
    if (features !== undefined) await directory.writeJson("features.json", features);
  }

  // ---- Results ------------------------------------------------------------------------------------------------

  #outcome(
    state: TrainingState,
    steps: StepMetric[],
    throughput: Throughput,
    records: TaskRecord[],
  ): RunOutcome {
    const network = {
      name: this.#run.name,
      realClasses: this.#run.network.realClasses,
      samplesPerSecond: throughput.rate || this.#earlierRate,
      everything: everythingFalls(this.#run.network),
    };
    return {
      result: {
        ...modelResult(network, records),
        ...(this.#notMeasured.length === 0 ? {} : { not_measured: this.#notMeasured }),
      },
      steps,
      samples: records.flatMap((record) => record.samples),
      weightsSha256: hashOf(state.parameters),
      interrupted: false,
      isIncomplete: this.#isIncomplete,
    };
  }

  async #interrupted(state: TrainingState, steps: StepMetric[], throughput: Throughput): Promise<RunOutcome> {
    await this.#status("interrupted", state.step);
    return { ...this.#outcome(state, steps, throughput, []), interrupted: true };
  }

  async #status(state: RunState, step: number, exitCode: number | null = null): Promise<void> {
    await this.#context.directory
      .writeJson("status.json", {
        state,
        step,
        steps: totalSteps(this.#plan),
        epoch: step / stepsPerEpoch(this.#plan),
        updated: new Date().toISOString(),
        exit_code: exitCode,
      })
      .catch((error: Error) => this.#context.observer.note("warning", error.message));
  }
}

/** The weights as they are now could not be saved. */
function unsaved(directory: string, cause: ClusterError): ClusterError {
  const hints = [cause.hint, `then go on from the last good checkpoint: npx saf train --resume ${directory}`];
  return new ClusterError("storage", `Cannot save the final weights: ${cause.message}`, {
    cause,
    hint: hints.filter((hint) => hint !== undefined).join("; "),
  });
}

/** Whoever was faster, and wherever it went on, the records come in the order of the plan, and so does all that is made of them. */
function inOrder(records: TaskRecord[], tasks: readonly TaskSpec[]): TaskRecord[] {
  const place = new Map(tasks.map(({ id }, i) => [id, i]));
  return records.sort((a, b) => (place.get(a.task.id) ?? 0) - (place.get(b.task.id) ?? 0));
}

/** The next step at which something is due. */
export function nextStop(step: number, intervals: readonly number[], total: number): number {
  const stops = intervals.filter((every) => every > 0).map((every) => (Math.floor(step / every) + 1) * every);
  return Math.min(total, ...stops);
}

/** Samples a second between commits, pauses for evaluations and the first step (cold workers) left out. */
class Throughput {
  #samples = 0;
  #ms = 0;
  #lastMs: number | undefined;

  committed(samples: number, nowMs: number): void {
    if (this.#lastMs !== undefined) {
      this.#samples += samples;
      this.#ms += nowMs - this.#lastMs;
    }
    this.#lastMs = nowMs;
  }

  pause(): void {
    this.#lastMs = undefined;
  }

  get rate(): number {
    return this.#ms === 0 ? 0 : this.#samples / (this.#ms / 1000);
  }
}

function ledgerLine({ step, epoch, firstImage, endImage, samples, blocks }: CommittedStep): LedgerLine {
  return {
    step,
    epoch,
    first: firstImage,
    end: endImage,
    samples,
    blocks: blocks.map(({ first, count, worker, attempt, ms }) => ({
      slots: [first, first + count],
      worker,
      attempt,
      ms: Math.round(ms * 10) / 10,
    })),
  };
}

function stepMetric(
  { step, epoch, loss, hits, samples, learningRate }: CommittedStep,
  seconds: number,
): StepMetric {
  return { step, epoch, loss, accuracy: hits / samples, learning_rate: learningRate, seconds };
}
