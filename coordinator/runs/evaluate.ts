/** Some weights under some measures, on the run's workers: what was measured before is read, the rest is computed. */
import type { ClusterError } from "../../shared/errors.js";
import { curvesOf } from "../evaluation/curves.js";
import { EvaluationJob, type EvaluationEdges, planTasks } from "../evaluation/evaluation-job.js";
import { accuracyOf } from "../evaluation/model-result.js";
import type { PlannedMeasure } from "../evaluation/plan/measures.js";
import type { TaskRecord, TaskSpec } from "../../shared/records/task.js";
import { lineOf, recordsOf, type ResultLine, todaysLine } from "../../shared/records/result-line.js";
import { whileListening } from "./aborting.js";
import type { EvaluationProgress } from "./observer.js";
import type { RunSetup } from "./setup.js";
import type { Weights } from "./weights.js";

const RESULTS = "eval/results.jsonl";

/** Records in the order of the plan; not all of them when the signal came. Throws ClusterError("unexpected"), ("storage"). */
export async function evaluate(
  run: RunSetup,
  weights: Weights,
  measures: readonly PlannedMeasure[],
): Promise<TaskRecord[]> {
  const { storage, observer, data, testImages } = run;
  const { sha256: checkpoint } = weights;
  const { seed, network } = run.resolved;
  const { settings } = network;
  const tasks = planTasks({ checkpoint, settings, dataset: data.sha256, seed, testImages }, measures);
  const lines = await storage.readJournal<ResultLine>(RESULTS, (message) =>
    observer.note("warning", message),
  );
  const records = recordsOf(lines.map(todaysLine), tasks);
  const known = new Set(records.map(({ task }) => task.id));
  const open = tasks.filter(({ id }) => !known.has(id));
  observer.evaluationBegins(records, checkpoint);
  if (open.length > 0) await measureOpen(run, weights, { tasks, open, records });
  return inOrder(records, tasks);
}

interface Evaluation {
  tasks: readonly TaskSpec[];
  /** Those without a record. */
  open: readonly TaskSpec[];
  /** Grows. */
  records: TaskRecord[];
}

async function measureOpen(run: RunSetup, weights: Weights, evaluation: Evaluation): Promise<void> {
  const { storage, observer } = run;
  const { open } = evaluation;
  observer.phase("evaluating", [...new Set(open.map(({ protocol, kind }) => protocol ?? kind))].join(", "));
  const journal = await storage.openJournal(RESULTS, (error) => observer.note("warning", error.message));
  let failure: ClusterError | undefined;
  const fail = (error: ClusterError): void => {
    failure ??= error;
  };
  const tellAccuracy = accuracyTeller(run, weights.step, evaluation);
  const keep = (record: TaskRecord, seconds: number, traceId: string | undefined): void => {
    evaluation.records.push(record);
    observer.measured(record, seconds, weights.sha256, traceId);
    journal.append(lineOf(record, weights.sha256));
  };
  const behind = weights.step === run.totalSteps ? run.behind.recordsOf(open) : [];
  for (const { record, seconds } of behind) keep(record, seconds, undefined);
  if (behind.some(({ record }) => isClean(record.task)) || !open.some(isClean)) tellAccuracy();
  const measured = new Set(behind.map(({ record }) => record.task.id));
  const left = { ...evaluation, open: open.filter(({ id }) => !measured.has(id)) };
  if (left.open.length === 0) observer.tasks({ pending: 0, running: 0, done: evaluation.tasks.length });
  else
    await leaseOut(run, weights, left, {
      fail,
      onRecord: (record, seconds, traceId, progress) => {
        keep(record, seconds, traceId);
        observer.evaluating(progress);
        if (isClean(record.task)) tellAccuracy();
      },
    });
  await journal.close();
  if (failure !== undefined) throw failure;
}

/** Resolves when all of it is measured, it cannot be, or the signal has come. */
async function leaseOut(
  run: RunSetup,
  weights: Weights,
  evaluation: Evaluation,
  {
    fail,
    onRecord,
  }: {
    fail: EvaluationEdges["fail"];
    onRecord: (...told: [...Parameters<EvaluationEdges["onRecord"]>, EvaluationProgress]) => void;
  },
): Promise<void> {
  const { coordinator, signal } = run;
  const job = evaluationJob(run, weights, evaluation, {
    fail: (error) => {
      fail(error);
      job.stop();
    },
    onRecord: (record, seconds, traceId) => onRecord(record, seconds, traceId, job.progress),
  });
  await whileListening(
    signal,
    () => job.stop(),
    async () => {
      coordinator.add(job);
      await job.done;
      coordinator.remove(job);
    },
  );
}

function evaluationJob(
  run: RunSetup,
  { step, parameters }: Weights,
  { tasks, open }: Evaluation,
  { onRecord, fail }: Pick<EvaluationEdges, "onRecord" | "fail">,
): EvaluationJob {
  const { runId, account, mostLosses, spec, term, clock, coordinator, observer, tracer, data } = run;
  const { outputs, input } = run.resolved.network;
  const { labels } = data.dataset.test;
  return new EvaluationJob(
    {
      ...{ runId, account, mostLosses, spec, term },
      version: step,
      parameters,
      tasks: open,
      outputs,
      image: input,
      labelOf: (index) => labels[index] ?? 0,
    },
    {
      clock: () => clock.now(),
      onTasks: ({ pending, running, done }) =>
        observer.tasks({ pending, running, done: done + tasks.length - open.length }),
      onRetry: (reason) => observer.taskRetried(reason),
      ...(tracer === undefined ? {} : { tracer }),
      onRecord,
      fail,
    },
    coordinator.desk,
  );
}

/** Clean images come first: their accuracy is told long before the rest is measured. */
function accuracyTeller(
  { observer }: RunSetup,
  step: number,
  { tasks, records }: Pick<Evaluation, "tasks" | "records">,
): () => void {
  const wanted = tasks.filter(isClean).length;
  return () => {
    const clean = records.filter(({ task }) => isClean(task));
    if (clean.length === wanted) observer.accuracy(accuracyOf(curvesOf(clean)), step);
  };
}

function isClean({ measure }: TaskSpec): boolean {
  return measure.how === "clean";
}

/** Whoever was faster, and wherever it went on, the records come in the order of the plan, and so does all that is made of them. */
function inOrder(records: TaskRecord[], tasks: readonly TaskSpec[]): TaskRecord[] {
  const place = new Map(tasks.map(({ id }, i) => [id, i]));
  return records.sort((a, b) => (place.get(a.task.id) ?? 0) - (place.get(b.task.id) ?? 0));
}
