/** A TensorFlow graph while it is written: nodes in the order in which they are asked for, and what a program of it needs. */
import { tensorflow } from "../../../shared/proto/generated/saved-model.js";

/** One output of one node: "name", or "name:1" for the second. */
export type Ref = string;

export type Attribute = tensorflow.AttrValue.$Properties;
export type ElementType = "float" | "int32" | "bool";

/** Inputs and outputs of one way to run a graph. */
export interface GraphCall {
  feeds: readonly string[];
  fetches: readonly Ref[];
}

const TYPES = {
  float: tensorflow.DataType.DT_FLOAT,
  int32: tensorflow.DataType.DT_INT32,
  bool: tensorflow.DataType.DT_BOOL,
} as const;

export const TAG = "serve";
const SCHEMA_VERSION = 1;
/** What TensorFlow writes since 2.0 knows every operation used here. */
const PRODUCER = 1087;
/** No older TensorFlow need read it. */
const MIN_CONSUMER = 12;

export const type = (of: ElementType): Attribute => ({ type: TYPES[of] });
export const bool = (b: boolean): Attribute => ({ b });
export const float = (f: number): Attribute => ({ f });
export const text = (value: string): Attribute => ({ s: new TextEncoder().encode(value) });
export const integers = (i: readonly number[]): Attribute => ({ list: { i: [...i] } });

const shapeOf = (dimensions: readonly number[]): tensorflow.TensorShapeProto.$Properties => ({
  dim: dimensions.map((size) => ({ size })),
});

const nodeOf = (ref: Ref): string => ref.split(":")[0]!;

export class GraphBuilder {
  readonly #nodes = new Map<string, tensorflow.NodeDef.$Properties>();

  /** A value that is handed in at each call; -1 stands for a length that only the call knows. */
  placeholder(name: string, dimensions: readonly number[], of: ElementType = "float"): Ref {
    if (!this.#nodes.has(name))
      this.#add(name, "Placeholder", [], { dtype: type(of), shape: { shape: shapeOf(dimensions) } });
    return name;
  }

  /** The same for a float32 value of any shape. */
  anything(name: string): Ref {
    if (!this.#nodes.has(name))
      this.#add(name, "Placeholder", [], { dtype: type("float"), shape: { shape: { unknownRank: true } } });
    return name;
  }

  /** The first output of a new node. */
  op(operation: string, inputs: readonly Ref[], attributes: Record<string, Attribute>): Ref {
    return this.#add(`${operation}_${this.#nodes.size}`, operation, inputs, attributes);
  }

  floats(values: readonly number[] | Float32Array, dimensions: readonly number[]): Ref {
    return this.#constant("float", Float32Array.from(values), dimensions);
  }

  integers(values: readonly number[], dimensions: readonly number[] = [values.length]): Ref {
    return this.#constant("int32", Int32Array.from(values), dimensions);
  }

  /** What must be fed for these outputs: every placeholder on which one of them depends, in the order of their making. */
  call(fetches: readonly Ref[]): GraphCall {
    const reached = new Set<string>();
    const open = fetches.map(nodeOf);
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (reached.has(name)) continue;
      reached.add(name);
      open.push(...(this.#nodes.get(name)?.input ?? []).map(nodeOf));
    }
    const feeds = [...this.#nodes].flatMap(([name, { op }]) =>
      op === "Placeholder" && reached.has(name) ? [name] : [],
    );
    return { feeds, fetches };
  }

  /** The bytes of `saved_model.pb`: a graph without variables. */
  savedModel(): Uint8Array {
    return tensorflow.SavedModel.encode({
      savedModelSchemaVersion: SCHEMA_VERSION,
      metaGraphs: [
        {
          metaInfoDef: { tags: [TAG] },
          graphDef: {
            node: [...this.#nodes.values()],
            versions: { producer: PRODUCER, minConsumer: MIN_CONSUMER },
          },
        },
      ],
    }).finish();
  }

  #constant(of: ElementType, values: Float32Array | Int32Array, dimensions: readonly number[]): Ref {
    const tensor = {
      dtype: TYPES[of],
      tensorShape: shapeOf(dimensions),
      tensorContent: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    };
    return this.op("Const", [], { dtype: type(of), value: { tensor } });
  }

  #add(name: string, op: string, input: readonly Ref[], attr: Record<string, Attribute>): Ref {
    this.#nodes.set(name, { name, op, input: [...input], attr });
    return name;
  }
}

/** Output number `index` of the node whose first output this is. */
export function output(ref: Ref, index: number): Ref {
  return index === 0 ? ref : `${ref}:${index}`;
}
