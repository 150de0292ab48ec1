/** What a zod schema holds against a tree of settings, in words a person can act on. Pure. */
import type { z } from "zod";
import { suggest } from "../../shared/core/suggest.js";
import { choicesOf, expectation, isSection, keysAt, schemaAt, settingPaths } from "./config-schema.js";
import {
  formatPath,
  keySourceAt,
  nodeAt,
  plainValue,
  sourceAt,
  type ConfigNode,
  type Path,
  type Problem,
} from "./config-tree.js";
import { quote } from "./quote.js";

const MAX_PROBLEMS = 20;

/** A section that was opened and left empty (`train:`) means its defaults, not the value null. */
export function emptySectionsToMaps(node: ConfigNode, schema: z.core.$ZodType | undefined): ConfigNode {
  if (schema === undefined || !isSection(schema)) return node;
  if (node.kind === "scalar" && node.value === null)
    return { kind: "map", source: node.source, entries: new Map() };
  if (node.kind !== "map") return node;
  const entries = [...node.entries].map(([key, entry]) => {
    return [key, { ...entry, node: emptySectionsToMaps(entry.node, schemaAt(schema, [key])) }] as const;
  });
  return { ...node, entries: new Map(entries) };
}

/** What is to be said of a key that the schema does not know, where that is more than a near name. */
export type Misplaced = (path: Path, tree: ConfigNode) => Problem[] | undefined;

/** One problem for each thing that is wrong, in the order of `issues`. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  tree: ConfigNode,
  schema: z.core.$ZodType,
  misplaced: Misplaced = () => undefined,
): Problem[] {
  const context = { tree, schema, misplaced };
  return issues.flatMap((issue) => problemsOfIssue(issue, issue.path, context)).slice(0, MAX_PROBLEMS);
}

interface Context {
  tree: ConfigNode;
  schema: z.core.$ZodType;
  misplaced: Misplaced;
}

function problemsOfIssue(issue: z.core.$ZodIssue, path: Path, context: Context): Problem[] {
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.slice(0, MAX_PROBLEMS).flatMap((key) => {
        const whole = [...path, key];
        return context.misplaced(whole, context.tree) ?? [unknownKey(whole, context)];
      });
    case "invalid_union":
      return unionProblems(issue.errors, path, context);
    case "invalid_key": {
      const message = issue.issues[0]?.message ?? issue.message;
      return [
        { source: keySourceAt(context.tree, path), message: `${quote(String(path.at(-1)))}: ${message}` },
      ];
    }
    case "custom":
    case "invalid_format":
      return [wrongValue(issue.message, path, context)];
    default: {
      const schema = schemaAt(context.schema, path);
      return [
        wrongValue(schema === undefined ? issue.message : `expected ${expectation(schema)}`, path, context),
      ];
    }
  }
}

/** When the value has the kind of one branch, what that branch says; otherwise all that would have been right. */
function unionProblems(branches: readonly z.core.$ZodIssue[][], path: Path, context: Context): Problem[] {
  const ofItsKind = branches.filter(
    (issues) => !issues.some(({ code, path: inner }) => code === "invalid_type" && inner.length === 0),
  );
  // Of several kinds of map, the one that the value is least unlike.
  const least = Math.min(...ofItsKind.map(unlikeness));
  const nearest = ofItsKind.filter((issues) => unlikeness(issues) === least);
  const fitting = nearest.length === 1 ? nearest : ofItsKind;
  const [only] = fitting;
  const nested = only?.some(({ code, path: inner }) => inner.length > 0 || code === "unrecognized_keys");
  if (fitting.length === 1 && only !== undefined && nested === true) {
    return only.flatMap((issue) => problemsOfIssue(issue, [...path, ...issue.path], context));
  }
  const schema = schemaAt(context.schema, path);
  return [
    wrongValue(
      schema === undefined ? "no such value is expected" : `expected ${expectation(schema)}`,
      path,
      context,
    ),
  ];
}

/** How much of a map a branch does not understand: keys, and what is wrong with values. */
function unlikeness(issues: readonly z.core.$ZodIssue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1), 0);
}

function unknownKey(path: Path, { tree, schema }: Context): Problem {
  const key = String(path.at(-1));
  const siblings = keysAt(schema, path.slice(0, -1));
  const meant = suggest(key, siblings) ?? elsewhere(key, schema);
  const known = meant === undefined ? ` (known here: ${siblings.join(", ")})` : "";
  const suggestion = meant === undefined ? known : ` — did you mean ${quote(meant)}?`;
  return { source: keySourceAt(tree, path), message: `unknown key ${quote(key)}${suggestion}` };
}

/** A setting of that name in another section: `epochs` at the top was meant to be `train.epochs`. */
function elsewhere(key: string, schema: z.core.$ZodType): string | undefined {
  return settingPaths(schema).find((path) => path.split(".").at(-1) === key);
}

function wrongValue(message: string, path: Path, { tree, schema }: Context): Problem {
  const node = nodeAt(tree, path);
  const text = `${path.length === 0 ? "the file" : formatPath(path)}: ${message}`;
  const source = sourceAt(tree, path);
  if (node === undefined) return { source, message: `${text}, but it is missing` };
  const got = plainValue(node);
  const expected = schemaAt(schema, path);
  const near =
    typeof got === "string" && expected !== undefined ? suggest(got, choicesOf(expected)) : undefined;
  return {
    source,
    message: `${text}, got ${inWords(got)}${near === undefined ? "" : ` — did you mean ${quote(near)}?`}`,
  };
}

function inWords(value: unknown): string {
  if (value === null) return "nothing (leave the line out for the default)";
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return shortList(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const keys = typeof value === "object" ? Object.keys(value) : [];
  return keys.length === 0 || keys.length > MOST_KEYS ? "a map" : `a map of ${shortened(keys.join(", "))}`;
}

/** Of a map, more are not named. */
const MOST_KEYS = 8;
const LONG = 80;

function shortened(text: string): string {
  return text.length <= LONG ? text : `${text.slice(0, LONG - 1)}…`;
}

function shortList(values: readonly unknown[]): string {
  if (values.length === 0) return "an empty list";
  const plain = values.every((value) => typeof value === "number" || typeof value === "string");
  const text = `[${values.map((value) => (typeof value === "string" ? quote(value, 20) : String(value))).join(", ")}]`;
  return plain && text.length <= 60 ? text : `a list of ${values.length}`;
}
