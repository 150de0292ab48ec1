/** The report of a run directory, from what it holds: after a run, or again later by `saf report`. */
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { ClusterError } from "../../../shared/errors.js";
import type { FeaturesDocument } from "../../../shared/features.js";
import { redactTexts } from "../../../shared/redact.js";
import type { ModelResult, StepMetric } from "../../../shared/results.js";
import { readResultLines } from "../../io/evaluation-journal.js";
import { readJournal } from "../../io/journal.js";
import { RunDirectory } from "../../io/run-directory.js";
import type { ReportData, ReportModel } from "./data.js";
import { newestSamples } from "./samples.js";

export interface ReportNames {
  title: string;
  /** The command that makes the same again. */
  command: string;
}

/** Writes report.html, plots and tables into `out`, of a reproduction in the paper's order; returns the page. Throws ClusterError("data") when `out` holds no results. */
export async function reportRun(out: string, names: ReportNames): Promise<string> {
  if (await isReproduction(out)) {
    const { writeReproductionReport } = await import("../reproduction/write.js");
    return (await writeReproductionReport(out)).html;
  }
  const directories = await runDirectories(out);
  if (directories.length === 0) {
    throw new ClusterError(
      "data",
      `Cannot report on ${out}: it holds no result.json, nor does a folder inside it`,
      {
        hint: "give a run directory whose evaluation has finished",
      },
    );
  }
  const data: ReportData = {
    ...redactTexts(names),
    dataset: await datasetOf(directories[0] as RunDirectory),
    created: new Date().toISOString(),
    models: await Promise.all(directories.map(modelOf)),
    environment: await (directories[0] as RunDirectory).readJson<Record<string, string>>("env.json"),
    config: (await Promise.all(directories.map((run) => readFile(run.file("config.yaml"), "utf8")))).join(
      "---\n",
    ),
    protocol: "paper",
    notes: [],
  };
  // Drawing needs vega, which takes a while to load; nothing else here does.
  const { writeReport } = await import("./write-report.js");
  return (await writeReport(out, data)).html;
}

async function isReproduction(out: string): Promise<boolean> {
  return stat(join(out, "reproduction.json")).then(
    () => true,
    () => false,
  );
}

/** The folder itself, or the runs inside it in the order in which they were made. */
async function runDirectories(out: string): Promise<RunDirectory[]> {
  const holdsResult = async (path: string): Promise<number | undefined> =>
    stat(join(path, "result.json")).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
  if ((await holdsResult(out)) !== undefined) return [new RunDirectory(out)];
  const inside = await readdir(out, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    inside
      .filter((entry) => entry.isDirectory())
      .map(async ({ name }) => ({ path: join(out, name), made: await holdsResult(join(out, name)) })),
  );
  return found
    .filter((entry): entry is { path: string; made: number } => entry.made !== undefined)
    .sort((a, b) => a.made - b.made)
    .map(({ path }) => new RunDirectory(path));
}

async function datasetOf(directory: RunDirectory): Promise<string> {
  const { data } = configSchema.parse(parse(await readFile(directory.file("config.yaml"), "utf8")));
  return data.set;
}

/** Weights from elsewhere may have no settings of their own. */
const configSchema = z
  .looseObject({ data: z.looseObject({ set: z.string().default("mnist") }).prefault({}) })
  .catch({ data: { set: "mnist" } });

async function modelOf(directory: RunDirectory): Promise<ReportModel> {
  const features = await directory.readJson<FeaturesDocument>("features.json").catch(() => undefined);
  return {
    result: await directory.readJson<ModelResult>("result.json"),
    steps: await readJournal<StepMetric>(directory.file("metrics.jsonl")),
    samples: newestSamples(await readResultLines(directory.file("eval", "results.jsonl"))),
    ...(features === undefined ? {} : { features }),
  };
}
