/** Questions to a zod schema: what is at a path, what does it expect, which settings are there. Pure. */
import { z } from "zod";
import { formatPath, type Path } from "./config-tree.js";

/** One setting that a file may name. */
export interface Setting {
  path: readonly string[];
  description: string | undefined;
  /** What a value must be, in words: "a whole number from 1 to 1024". */
  expected: string;
}

/** The schema behind defaults and optionality. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodNullable
  ) {
    inner = inner.unwrap();
  }
  return inner;
}

function shapeOf(schema: z.core.$ZodType): Record<string, z.core.$ZodType> | undefined {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

/** Is it a map of settings, rather than a value? */
export function isSection(schema: z.core.$ZodType): boolean {
  return shapeOf(schema) !== undefined;
}

/** The schema at `path`, or undefined where there is none. Of a union, the branch that has such a path. */
export function schemaAt(schema: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  const [part, ...rest] = path;
  if (part === undefined) return schema;
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) {
    for (const option of inner.options) {
      const found = schemaAt(option, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (inner instanceof z.ZodRecord) return schemaAt(inner.valueType, rest);
  if (inner instanceof z.ZodTuple) {
    const item = inner.def.items[Number(part)];
    return item === undefined ? undefined : schemaAt(item, rest);
  }
  if (inner instanceof z.ZodArray)
    return typeof part === "number" ? schemaAt(inner.element, rest) : undefined;
  const shape = new Map(Object.entries(shapeOf(inner) ?? {}));
  const child = shape.get(String(part));
  return child === undefined ? undefined : schemaAt(child, rest);
}

/** The keys of the map at `path`, of a union those of all its maps; none where there is no map. */
export function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  const found = schemaAt(schema, path);
  const inner = found && unwrap(found);
  const branches = inner instanceof z.ZodUnion ? inner.options : [inner];
  return [...new Set(branches.flatMap((branch) => Object.keys((branch && shapeOf(branch)) ?? {})))];
}

/** Every setting of a schema, in its order, sections left out. */
export function settingsOf(schema: z.core.$ZodType, path: readonly string[] = []): Setting[] {
  const shape = shapeOf(schema);
  if (shape !== undefined)
    return Object.entries(shape).flatMap(([key, child]) => settingsOf(child, [...path, key]));
  return [{ path, description: descriptionOf(schema), expected: expectation(schema) }];
}

/** `train.epochs` and its like, for completion and suggestions. */
export function settingPaths(schema: z.core.$ZodType): string[] {
  return settingsOf(schema).map(({ path }) => formatPath(path));
}

function descriptionOf(schema: z.core.$ZodType): string | undefined {
  return jsonSchemaOf(schema).description;
}

/** What a value must be, in words. */
export function expectation(schema: z.core.$ZodType): string {
  return inWords(jsonSchemaOf(schema));
}

/** The texts that a value may be, where they can be listed. */
export function choicesOf(schema: z.core.$ZodType): string[] {
  const { anyOf = [], enum: values = [], const: only } = jsonSchemaOf(schema);
  const branches = anyOf.flatMap((branch) => [...(branch.enum ?? []), branch.const]);
  return [...values, only, ...branches].filter((value) => typeof value === "string");
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** JSON Schema of what a file may say, for editors; refinements that it cannot express are left out. */
export function jsonSchemaOf(schema: z.core.$ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: "input", target: "draft-7", unrepresentable: "any" });
}

function inWords(schema: JsonSchema): string {
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return options.map(inWords).join(", or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return choices(schema.enum);
  switch (schema.type) {
    case "integer":
    case "number":
      return `${schema.type === "integer" ? "a whole number" : "a number"}${range(schema)}`;
    case "string":
      return "text";
    case "boolean":
      return "true or false";
    case "array":
      return list(schema);
    case "object": {
      const keys = Object.keys(schema.properties ?? {});
      return keys.length === 0 ? "a map" : `a map of ${keys.join(", ")}`;
    }
    default:
      // What JSON takes anywhere has no type.
      return "any value";
  }
}

function choices(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length === 1 ? String(texts[0]) : `one of ${texts.join(", ")}`;
}

function range(schema: JsonSchema): string {
  // zod bounds whole numbers by what a double can count, which nobody needs to read.
  const stated = (bound: number | boolean | undefined): bound is number =>
    typeof bound === "number" && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (stated(minimum) && stated(maximum)) return ` from ${minimum} to ${maximum}`;
  const low = stated(exclusiveMinimum)
    ? `above ${exclusiveMinimum}`
    : stated(minimum)
      ? `of at least ${minimum}`
      : "";
  const high = stated(exclusiveMaximum)
    ? `below ${exclusiveMaximum}`
    : stated(maximum)
      ? `at most ${maximum}`
      : "";
  const both = [low, high].filter((text) => text !== "").join(" and ");
  return both === "" ? "" : ` ${both}`;
}

/** "2 numbers", or each by itself. */
function tuple(items: readonly JsonSchema[]): string {
  const [first = "", ...more] = items.map(inWords);
  return more.every((other) => other === first)
    ? `${items.length} ${first.replace(/^an? (\S+)/, "$1s")}`
    : [first, ...more].join(" and ");
}

function list(schema: JsonSchema): string {
  if (Array.isArray(schema.items)) return `a list of ${tuple(schema.items as JsonSchema[])}`;
  const items = inWords(schema.items as JsonSchema)
    .replace(/^a (whole number|number|map|list)/, "$1s")
    .replace(/^one of /, "");
  return `${(schema.minItems ?? 0) > 0 ? "a non-empty list" : "a list"} of ${items}`;
}
