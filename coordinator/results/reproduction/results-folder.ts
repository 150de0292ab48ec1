/** A reproduction as a folder to publish: README.md with tables, the CSV files, and the plots on white. */
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Claim, judgeClaims, settingsOf } from "../claims.js";
import { storageError, writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { ClusterError } from "../../../shared/errors.js";
import type { CurvePoint, ModelResult, PerturbationKind, Procedure } from "../../../shared/results.js";
import { isUnreliable, pointAt, underProcedure } from "../report/curves.js";
import { weightHashes } from "../weight-hashes.js";
import { count, percent, percent2, signedPoints, strengthText } from "../report/format.js";
import { markdownTable } from "../report/markdown.js";
import { modernFindings, modernSentences } from "../report/modern.js";
import { AUTHORS_SOURCE } from "./authors.js";
import { type CleanRow, cleanRows } from "./clean-table.js";
import type { Member, ReproductionData } from "./data.js";
import { readReproduction } from "./read.js";
import { makeFolder } from "../../../shared/io/folders.js";

/** Plots that are published, where the report drew them, with what they show. */
const PLOTS: readonly (readonly [RegExp, string])[] = [
  [/^accuracy-paper.*\.png$/, "Accuracy against strength by the released protocol"],
  [/^accuracy-corrected.*\.png$/, "The same without the defects of the released protocol"],
  [/^modern\.png$/, "Right answers under the paper's attack and in the worst case of today's"],
];
const TABLES = ["clean.csv", "claims.json", join("eval", "curves.csv")];

/**
 * Writes `folder` from a reproduction whose report has been written. Nothing in it names this machine's folders.
 * Throws ClusterError: "usage" for what is no reproduction, "storage" when a file cannot be written.
 */
export async function writeResultsFolder(
  reproduction: string,
  folder: string,
  notes: readonly string[] = [],
): Promise<void> {
  if (!(await readdir(reproduction)).includes("reproduction.json")) {
    throw new ClusterError("usage", `Cannot publish ${reproduction}: it is no reproduction`, {
      hint: "give a folder of saf reproduce",
    });
  }
  const data = await readReproduction(reproduction);
  const drawn = (await readdir(join(reproduction, "plots"))).sort();
  const plots = PLOTS.flatMap(([pattern, title]) =>
    drawn.filter((file) => pattern.test(file)).map((file) => ({ file, title })),
  );
  try {
    await makeFolder(folder);
    for (const { file } of plots) await copyFile(join(reproduction, "plots", file), join(folder, file));
    for (const file of TABLES)
      await copyFile(join(reproduction, file), join(folder, file.replace(/^.*[\\/]/, "")));
  } catch (cause) {
    throw storageError(`copy results to ${folder}`, cause);
  }
  const weights = await weightHashes(reproduction);
  await writeFileAtomic(join(folder, "README.md"), readme(data, plots, weights, notes));
}

function readme(
  data: ReproductionData,
  plots: readonly { file: string; title: string }[],
  weights: Readonly<Partial<Record<string, string>>>,
  notes: readonly string[],
): string {
  const settings = settingsOf(data.dataset);
  const claims = judgeClaims(settings, data.members);
  const parts = [
    `# ${titleOf(data)}`,
    ...plots.map(({ file, title }) => `![${title}](${file})\n\n_${title}._`),
    howText(data, notes),
    `## Clean error\n\nPercent of ${imagesOf(data.members)} test images. Authors: ${AUTHORS_SOURCE}.`,
    cleanTable(cleanRows(data), weights, data.seeds.length > 1),
    `## Error at β = ${strengthText(settings.reference)}\n\nPercent, by the released protocol and by its corrected twin; ⚠: a sanity check failed. Every strength, with intervals, is in \`curves.csv\`.`,
    errorTable(data.members, settings.reference),
    `## The paper's claims\n\nThe numbers behind each are in \`claims.json\`.`,
    claimsTable(claims),
    ...modernText(data, settings.reference),
  ];
  return `${parts.join("\n\n")}\n`;
}

function titleOf({ dataset, members }: ReproductionData): string {
  const epochs = [...new Set(members.flatMap(({ epochs = 0 }) => Number(epochs.toFixed(1))))].sort(
    (a, b) => a - b,
  );
  const networks =
    members.length === 1 ? "One of the paper's networks" : `${members.length} of the paper's networks`;
  const set = dataset === "cifar10" ? "CIFAR-10" : dataset.toUpperCase();
  return `${networks} on ${set}, ${epochs.join(" and ")} epoch${epochs.join() === "1" ? "" : "s"}`;
}

function howText(data: ReproductionData, notes: readonly string[]): string {
  const machine = Object.entries(data.environment)
    .filter(([name]) => !["epochs asked for", "test images of each kind"].includes(name))
    // The kernel's version says nothing that the numbers depend on.
    .map(([name, value]) => `${name} ${name === "system" ? value.split(" ")[0] : value}`);
  const lines = [
    `Command: \`${publicCommand(data.command)}\``,
    `Seeds: ${data.seeds.join(", ")}. Test images of each kind: ${data.environment["test images of each kind"] ?? "all"}.`,
    `Machine: ${machine.join(" · ")}.`,
    ...(data.measured === undefined ? [] : [`Finished ${data.measured.slice(0, 10)}.`]),
    ...shortTrainings(cleanRows(data)),
    ...notes,
    "`clean.csv`: clean test errors beside the authors'. `curves.csv`: every point of every curve with its interval. `claims.json`: the paper's claims with the numbers behind each verdict.",
  ];
  return lines.map((line) => `- ${line}`).join("\n");
}

/** Where the results lie on this machine is nobody's business. */
function publicCommand(command: string): string {
  return command
    .replace(/ --(?:out|runs|data-dir) (?:'[^']*'|"[^"]*"|\S+)/g, "")
    .replace(/ --set (?:'data\.dir=[^']*'|"data\.dir=[^"]*"|data\.dir=\S+)/g, "");
}

/** Networks that were trained for less than the authors', in a sentence. */
function shortTrainings(rows: readonly CleanRow[]): string[] {
  const short = rows.filter(
    ({ epochs, authors }) => epochs !== undefined && authors !== undefined && epochs < authors.epochs - 0.01,
  );
  if (short.length === 0) return [];
  const told = short.map(
    ({ network, epochs = 0, authors }) => `\`${network}\` ${Number(epochs.toFixed(1))} of ${authors?.epochs}`,
  );
  return [`**Not the full training**: epochs here, of the authors': ${[...new Set(told)].join(", ")}.`];
}

function imagesOf(members: readonly Member[]): string {
  return [...new Set(members.flatMap(({ result }) => (result === undefined ? [] : [count(result.n)])))].join(
    " or ",
  );
}

function cleanTable(
  rows: readonly CleanRow[],
  weights: Readonly<Partial<Record<string, string>>>,
  hasSeeds: boolean,
): string {
  const heading = [
    "network",
    ...(hasSeeds ? ["seed"] : []),
    "epochs",
    "test error",
    "95 % interval",
    "authors' log",
    "difference, points",
    "weights, SHA-256",
  ];
  return markdownTable(
    heading,
    rows.map(({ network, seed, epochs, error, authors }) => {
      const name = seed !== undefined && seed !== 0 ? `${network}-seed${seed}` : network;
      const sha = weights[name];
      return [
        `\`${network}\``,
        ...(hasSeeds ? [String(seed ?? "–")] : []),
        epochs === undefined ? "–" : String(Number(epochs.toFixed(1))),
        error === undefined ? "not measured" : percent2(error.share),
        error === undefined ? "–" : `${percent2(error.low)} to ${percent2(error.high)}`,
        authors === undefined ? "–" : percent2(authors.final),
        error === undefined || authors === undefined ? "–" : signedPoints(error.share - authors.final, 2),
        sha === undefined ? "–" : `\`${sha.slice(0, 8)}…\``,
      ];
    }),
  );
}

const KINDS: readonly PerturbationKind[] = ["adversarial", "nonsense", "noisy"];
const RELEASED: readonly Procedure[] = ["paper", "corrected"];

function errorTable(members: readonly Member[], reference: number): string {
  const heading = ["network", "images", ...KINDS.flatMap((kind) => [kind, "corrected"])];
  const rows = members.flatMap(({ name, result }) => {
    if (result === undefined) return [];
    const points = KINDS.flatMap((kind) =>
      RELEASED.map((procedure) => {
        const [only] = underProcedure([result], procedure);
        return only === undefined ? undefined : pointAt(only, kind, reference);
      }),
    );
    const sizes = [...new Set(points.flatMap((point) => (point === undefined ? [] : [count(point.n)])))];
    return [[`\`${name}\``, sizes.join(" or ") || "–", ...points.map((point) => errorText(result, point))]];
  });
  return markdownTable(heading, rows);
}

function errorText(result: ModelResult, point: CurvePoint | undefined): string {
  if (point === undefined) return "–";
  return `${isUnreliable(result, point) ? "⚠ " : ""}${percent(point.error)}`;
}

function claimsTable(claims: readonly Claim[]): string {
  return markdownTable(
    ["claim", "verdict", "why"],
    claims.map(({ statement, verdict, reason, comparisons }) => [
      statement,
      verdict,
      reason ?? `${comparisons.length} comparison${comparisons.length === 1 ? "" : "s"}`,
    ]),
  );
}

function modernText({ members }: ReproductionData, reference: number): string[] {
  const findings = modernFindings(members, reference);
  if (findings.epsilon === undefined) return ["Attacks of many steps were not part of this."];
  const unreliable = findings.rows.flatMap(({ name, unreliable: reasons }) =>
    reasons.length === 0 ? [] : [`- ⚠ \`${name}\`: ${reasons.join("; ")}`],
  );
  return [
    `## Today's attacks at ε = ${strengthText(findings.epsilon)}`,
    modernSentences(findings)
      .map((sentence) => `- ${sentence}`)
      .join("\n"),
    ...(unreliable.length === 0 ? [] : [unreliable.join("\n")]),
  ];
}
