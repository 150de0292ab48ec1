/** How a schema's settings are made: each says what it decides, or it does not compile. */
import { z } from "zod";

/**
 * What a setting decides.
 *
 * - `weights`: the weights after a step, whichever it is. A run's identity is made of these, so a run directory goes on
 *   only with the same ones.
 * - `measurement`: which weights are measured, and how. `train.epochs` is one: a longer run passes through the weights of
 *   a shorter one, so a run may be prolonged.
 * - `nothing`: neither. Such a setting says where, when and how fast.
 */
export type Decides = "weights" | "measurement" | "nothing";

declare const MARK: unique symbol;
/** A schema whose mark is known: a setting, or a section of such. Only the functions below make one. */
export type Marked<S extends z.ZodType = z.ZodType> = S & { readonly [MARK]: true };
type Shape = Readonly<Record<string, Marked>>;

type Mark = { decides: Decides } | { section: Shape };
const marks = new WeakMap<z.ZodType, Mark>();

/** One setting: what it decides, what it may be, and its help. */
export function setting<S extends z.ZodType>(decides: Decides, schema: S, help: string): Marked<S> {
  return marked(schema.describe(help), { decides });
}

/** Settings under a common name, which may be left out. */
export function section<const S extends Shape>(
  shape: S,
): Marked<z.ZodPrefault<z.ZodObject<S, z.core.$strict>>> {
  // zod cannot tell that each of them may be left out; whoever parses an empty map finds out.
  const schema = z.strictObject(shape);
  return marked(schema.prefault({} as z.input<typeof schema>), { section: shape });
}

/** The same, but without any of them the section is not there either: what was written before it looks the same after it. */
export function optionalSection<const S extends Shape>(
  shape: S,
): Marked<z.ZodOptional<z.ZodObject<S, z.core.$strict>>> {
  return marked(z.strictObject(shape).optional(), { section: shape });
}

/** A whole schema. */
export function settings<const S extends Shape>(shape: S): Marked<z.ZodObject<S, z.core.$strict>> {
  return marked(z.strictObject(shape), { section: shape });
}

function marked<S extends z.ZodType>(schema: S, mark: Mark): Marked<S> {
  marks.set(schema, mark);
  return schema as Marked<S>;
}

/** Every setting by its path, as in `train.slots`, with what it decides. */
export function marksOf(schema: Marked, path = ""): Map<string, Decides> {
  const mark = marks.get(schema);
  if (mark === undefined) throw new Error(`The schema at "${path}" has no mark`);
  if ("decides" in mark) return new Map([[path, mark.decides]]);
  const inner = Object.entries(mark.section).flatMap(([key, child]) => [
    ...marksOf(child, path === "" ? key : `${path}.${key}`),
  ]);
  return new Map(inner);
}
