/** A list of runs, from the first worker to results.json and the report. */
import type { Config } from "../../shared/config/run.js";
import type { Account } from "../pool/fairness.js";
import { resolveRun } from "../../shared/resolve.js";
import { ListSource } from "./list-source.js";
import { type ResultsDocument, resultsDocument } from "./results-document.js";
import { type RunsContext, conductRuns } from "./runs.js";
import { type Recruits, waitForWorkers } from "./workers.js";

export interface ListOptions {
  configs: readonly Config[];
  /** Where the runs live. */
  out: string;
  title: string;
  evaluateOnly: boolean;
  /** Runs at a time. */
  sideBySide: number;
  /** Workers to wait for, and for how long. */
  minWorkers: number;
  patienceMs: number;
  /** Each run begins with the weights that the one before it ended with. */
  lineage?: boolean;
  /** In whose name the runs ask for workers. */
  account?: Account;
  /** When the work began, by the clock. */
  beganMs: number;
}

export interface ListContext extends Omit<RunsContext, "source" | "lanes" | "report"> {
  recruits: Recruits;
  /** Writes the report of a directory under this title; returns the page. */
  report: (directory: string, title: string) => Promise<string>;
}

/** Throws ClusterError as `waitForWorkers` and `conductRuns` do; `results.json` is written when it resolves. */
export async function conductList(options: ListOptions, context: ListContext): Promise<ResultsDocument> {
  const { configs, out, title, sideBySide, minWorkers } = options;
  const { events, telemetry, storage, recruits, report, edges } = context;
  const { signal, clock } = edges;
  // Settings that make no sense are told before anybody waits.
  for (const config of configs) resolveRun(config);
  const source = new ListSource(configs, options);
  events.phase("waiting", `for ${minWorkers} worker(s)`);
  telemetry.pending(source.pending);
  for (const { runId, config } of source.soon(sideBySide)) telemetry.run(runId, config);
  await waitForWorkers(recruits, minWorkers, options.patienceMs, { clock, signal });
  // Runs one after another are shown together at the end; those side by side may be days apart.
  const reportsEach = sideBySide > 1 && configs.length > 1;
  await conductRuns({
    ...context,
    source,
    lanes: sideBySide,
    report: reportsEach ? ({ directory, name }) => report(directory, `${title}: ${name}`) : undefined,
  });
  const document = await resultsDocument(options, source.ends, storage, signal.aborted, (message) =>
    events.note("warning", message),
  );
  if (!document.interrupted && document.models.length > 0) {
    events.phase("reporting", "tables, plots, report.html");
    document.report = await reportIfPossible(context, out, title);
    events.finished(document.report === null ? "no report" : "report written");
  }
  document.seconds = (clock.now() - options.beganMs) / 1000;
  await storage(out).writeJson("results.json", document);
  return document;
}

/** The results are on the disk: a report that cannot be drawn or written costs nothing but itself, and can be made later. */
async function reportIfPossible(
  { report, events }: Pick<ListContext, "report" | "events">,
  out: string,
  title: string,
): Promise<string | null> {
  return report(out, title).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    events.note("warning", `No report was written: ${reason}; saf report ${out} tries again`);
    return null;
  });
}
