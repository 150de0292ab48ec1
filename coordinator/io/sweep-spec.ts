/** `sweep.yaml` of a sweep's directory, read strictly: what is wrong is said with line and column. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { LineCounter, isNode, parseDocument, stringify } from "yaml";
import { type SweepSpec, sweepSchema } from "../../shared/config/sweep.js";
import { ClusterError, codeIn } from "../../shared/errors.js";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { type SpaceProblem, issueWords, problemText } from "../sweeps/problems.js";
import type { Space } from "../sweeps/space-shape.js";
import { spaceOf, spaceProblems } from "../sweeps/space.js";

export const SWEEP_FILE = "sweep.yaml";

/** The spec of a sweep's directory, its base inlined. Throws ClusterError: "data" where there is none or it is damaged. */
export async function readSweepSpec(directory: string): Promise<SweepSpec> {
  return (await specIn(directory)).spec;
}

/** What it searches. Throws ClusterError as `readSweepSpec` does. */
export async function readSweepSpace(directory: string): Promise<Space> {
  const { spec, refuse } = await specIn(directory);
  const problems = spaceProblems(spec, spec.base);
  if (problems.length > 0) throw refuse(problems);
  return spaceOf(spec, spec.base);
}

/** `base` holds the base's settings themselves. Throws ClusterError("storage"). */
export async function writeSweepSpec(directory: string, spec: SweepSpec): Promise<void> {
  await writeFileAtomic(join(directory, SWEEP_FILE), stringify(spec));
}

interface ReadSpec {
  spec: SweepSpec;
  refuse: (problems: readonly SpaceProblem[]) => ClusterError;
}

async function specIn(directory: string): Promise<ReadSpec> {
  const file = join(directory, SWEEP_FILE);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    if (codeIn(cause) !== "ENOENT") throw storageError(`read ${file}`, cause);
    throw new ClusterError("data", `There is no sweep in ${directory}: it has no ${SWEEP_FILE}`, { cause });
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number, words: string): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}: ${words}`;
  };
  const refusal = (wrong: readonly string[]): ClusterError =>
    new ClusterError("data", wrong.join("\n"), {
      hint: "the sweep's own file is damaged: mend it, or begin anew from the file that it was made from",
    });
  if (document.errors.length > 0)
    throw refusal(document.errors.map(({ pos, message }) => at(pos[0], message)));
  const refuse = (problems: readonly SpaceProblem[]): ClusterError =>
    refusal(problems.map((problem) => at(offsetOf(document, problem.path), problemText(problem))));
  const { success, data: spec, error } = sweepSchema.safeParse(document.toJS());
  if (success) return { spec, refuse };
  throw refuse(error.issues.flatMap(problemsOf));
}

/** A key that is not known stands where it is written. */
function problemsOf(issue: z.core.$ZodIssue): SpaceProblem[] {
  const path = issue.path.map(asKey);
  if (issue.code !== "unrecognized_keys") return [{ path, message: issueWords(issue) }];
  return issue.keys.map((key) => ({ path: [...path, key], message: "unknown key" }));
}

const asKey = (part: PropertyKey): string | number => (typeof part === "number" ? part : String(part));

/** Of the value at the path, or of what is nearest around it. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: SpaceProblem["path"]): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range != null) return node.range[0];
  }
  return 0;
}
