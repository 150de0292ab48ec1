/** The report of a run directory, from what it holds: after a run, or again later by `saf report`. */
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { ClusterError } from "../../../shared/errors.js";
import type { FeaturesDocument } from "../../../shared/features.js";
import { redactTexts } from "../../../shared/redact.js";
import type { ModelResult, StepMetric } from "../../../shared/results.js";
import { readJson } from "../../../shared/io/json-document.js";
import type { ReportData, ReportModel } from "./data.js";
import { newestSamples } from "./samples.js";
import { readResultLines } from "../../../shared/io/result-lines.js";
import { readJsonLines } from "../../../shared/io/json-lines.js";

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
  const [first] = directories;
  if (first === undefined) {
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
    dataset: await datasetOf(first),
    created: new Date().toISOString(),
    models: await Promise.all(directories.map(modelOf)),
    environment: await readJson<Record<string, string>>(join(first, "env.json")),
    config: (await Promise.all(directories.map((run) => readFile(join(run, "config.yaml"), "utf8")))).join(
      "---\n",
    ),
    procedure: "paper",
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
async function runDirectories(out: string): Promise<string[]> {
  const holdsResult = async (path: string): Promise<number | undefined> =>
    stat(join(path, "result.json")).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
  if ((await holdsResult(out)) !== undefined) return [out];
  const inside = await readdir(out, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    inside
      .filter((entry) => entry.isDirectory())
      .map(async ({ name }) => ({ path: join(out, name), made: await holdsResult(join(out, name)) })),
  );
  return found
    .filter((entry): entry is { path: string; made: number } => entry.made !== undefined)
    .sort((a, b) => a.made - b.made)
    .map(({ path }) => path);
}

async function datasetOf(directory: string): Promise<string> {
  const { data } = configSchema.parse(parse(await readFile(join(directory, "config.yaml"), "utf8")));
  return data.set;
}

/** Weights from elsewhere may have no settings of their own. */
const configSchema = z
  .looseObject({ data: z.looseObject({ set: z.string().default("mnist") }).prefault({}) })
  .catch({ data: { set: "mnist" } });

async function modelOf(directory: string): Promise<ReportModel> {
  const features = await readJson<FeaturesDocument>(join(directory, "features.json")).catch(() => undefined);
  return {
    result: await readJson<ModelResult>(join(directory, "result.json")),
    steps: await readJsonLines<StepMetric>(join(directory, "metrics.jsonl")),
    samples: newestSamples(await readResultLines(join(directory, "eval", "results.jsonl"))),
    ...(features === undefined ? {} : { features }),
  };
}
