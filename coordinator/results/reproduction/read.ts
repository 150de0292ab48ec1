/** Reads `reproduction.json` and the run directories beside it. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { networkSchema } from "../../../shared/config/network.js";
import { ClusterError } from "../../../shared/errors.js";
import type { FeaturesDocument } from "../../../shared/features.js";
import type { ModelResult, PerturbationKind, SeriesLabel, StepMetric } from "../../../shared/results.js";
import type { ClaimOutcome } from "../claims.js";
import { readJson } from "../../../shared/io/json-document.js";
import { labelKey, newestSamples } from "../report/samples.js";
import type { Member, ReproductionData } from "./data.js";
import type { ResultLine } from "../../../shared/records/result-line.js";
import { readResultLines } from "../../../shared/io/result-lines.js";
import { readJsonLines } from "../../../shared/io/json-lines.js";

/** As much of `reproduction.json` as a report needs; members are found by their own config.yaml. */
const manifestSchema = z.looseObject({
  dataset: z.string(),
  models: z.array(z.string()).min(1),
  seeds: z.array(z.int()).min(1).default([0]),
  epochs: z.number().nullish(),
  images: z.number().nullish(),
  command: z.string().default("saf reproduce"),
  updated: z.string().optional(),
  environment: z.record(z.string(), z.unknown()).default({}),
});

const memberConfigSchema = z.looseObject({
  model: z.string(),
  seed: z.int().default(0),
  network: networkSchema,
});

/** Throws ClusterError("data") when `directory` is not a reproduction. */
export async function readReproduction(directory: string): Promise<ReproductionData> {
  const manifest = manifestSchema.safeParse(await readJson(join(directory, "reproduction.json")));
  if (!manifest.success) {
    const issue = manifest.error.issues[0];
    throw new ClusterError(
      "data",
      `Cannot report on ${directory}: reproduction.json says "${issue?.path.join(".")}" wrong: ${issue?.message}`,
    );
  }
  const { dataset, models, seeds, epochs, images, command, environment, updated } = manifest.data;
  const members = await membersIn(directory);
  const place = (member: Member): number => (models.indexOf(member.network) + models.length) % models.length;
  return {
    dataset,
    title: `Suppressing the Unusual, reproduced: ${dataset === "cifar10" ? "CIFAR-10" : dataset.toUpperCase()}`,
    created: new Date().toISOString(),
    measured: updated,
    command,
    environment: {
      "epochs asked for": epochs == null ? "the paper's" : String(epochs),
      "test images of each kind": images == null ? "all" : String(images),
      ...Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)])),
    },
    networks: models,
    seeds,
    members: members
      .filter(({ network }) => models.includes(network))
      .sort((a, b) => place(a) - place(b) || a.seed - b.seed),
  };
}

/** Every folder inside that is a run directory. */
async function membersIn(directory: string): Promise<Member[]> {
  const inside = await readdir(directory, { withFileTypes: true });
  const members = await Promise.all(
    inside.filter((entry) => entry.isDirectory()).map(({ name }) => memberOf(name, join(directory, name))),
  );
  return members.filter((member) => member !== undefined);
}

async function memberOf(name: string, run: string): Promise<Member | undefined> {
  const text = await readFile(join(run, "config.yaml"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const config = memberConfigSchema.safeParse(parse(text));
  if (!config.success) return undefined;
  const optional = async <Value>(file: string): Promise<Value | undefined> =>
    readJson<Value>(join(run, file)).catch(() => undefined);
  const [result, status, features, steps, lines] = await Promise.all([
    optional<ModelResult>("result.json"),
    optional<{ epoch: number }>("status.json"),
    optional<FeaturesDocument>("features.json"),
    readJsonLines<StepMetric>(join(run, "metrics.jsonl")),
    readResultLines(join(run, "eval", "results.jsonl")),
  ]);
  return {
    name,
    network: config.data.model,
    ...(config.data.network === undefined ? {} : { settings: config.data.network }),
    seed: config.data.seed,
    ...(result === undefined ? {} : { result }),
    ...(features === undefined ? {} : { features }),
    ...(status === undefined ? {} : { epochs: status.epoch }),
    steps,
    samples: newestSamples(lines),
    outcome: (kind, strength, label = {}) => outcomeOf(result, lines, kind, strength, label),
  };
}

/**
 * A point's counts, and its outcomes image by image where the journal still has them: lines of an earlier checkpoint
 * are there too, so what is put together must agree with the point.
 */
function outcomeOf(
  result: ModelResult | undefined,
  lines: readonly ResultLine[],
  kind: PerturbationKind,
  strength: number,
  label: SeriesLabel,
): ClaimOutcome | undefined {
  const key = labelKey(label);
  const ofCurve = (point: SeriesLabel & { kind: PerturbationKind }): boolean =>
    point.kind === kind && (kind === "clean" || labelKey(point) === key);
  const point = result?.curves.find((candidate) => ofCurve(candidate) && candidate.strength === strength);
  if (point === undefined) return undefined;
  const counts = { n: point.n, errors: Math.round(point.error * point.n) };
  const wrong = new Uint8Array(point.n).fill(2);
  for (const { task, outcomes } of lines) {
    if (!ofCurve(task)) continue;
    const outcome = outcomes.find((candidate) => candidate.strength === strength);
    if (outcome === undefined || task.first_image + task.image_count > point.n) continue;
    wrong.set(Buffer.from(outcome.wrong, "base64").subarray(0, task.image_count), task.first_image);
  }
  const isWhole = wrong.every((flag) => flag <= 1);
  const agrees = isWhole && wrong.reduce((sum, flag) => sum + flag, 0) === counts.errors;
  return agrees ? { ...counts, wrong } : counts;
}
