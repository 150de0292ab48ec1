/** TensorFlow's operations as far as networks need them, on float32 where nothing else is said. */
import { type Attribute, type GraphBuilder, type Ref, bool, type } from "./graph-builder.js";

const T = { T: type("float") } as const;

type Unary = "Abs" | "Exp" | "Expm1" | "Neg" | "Relu" | "Sign" | "Softmax" | "Sqrt" | "Square";
type Binary = "AddV2" | "Maximum" | "Mul" | "Pow" | "RealDiv" | "Sub";
type Comparison = "Less" | "GreaterEqual";

export class Operations {
  readonly graph: GraphBuilder;

  constructor(graph: GraphBuilder) {
    this.graph = graph;
  }

  unary(operation: Unary, x: Ref): Ref {
    return this.graph.op(operation, [x], T);
  }

  /** A number stands for a constant; shapes are broadcast. */
  binary(operation: Binary, left: Ref | number, right: Ref | number): Ref {
    return this.graph.op(operation, [this.#scalar(left), this.#scalar(right)], T);
  }

  compare(operation: Comparison, left: Ref, right: Ref | number): Ref {
    return this.graph.op(operation, [left, this.#scalar(right)], T);
  }

  where(condition: Ref, yes: Ref, no: Ref): Ref {
    return this.graph.op("SelectV2", [condition, yes, no], T);
  }

  /** 0 and 1 as float32. */
  asFloat(x: Ref, from: "bool" | "int32"): Ref {
    return this.graph.op("Cast", [x], { SrcT: type(from), DstT: type("float"), Truncate: bool(false) });
  }

  reshape(x: Ref, shape: readonly number[]): Ref {
    return this.graph.op("Reshape", [x, this.graph.integers(shape)], { ...T, Tshape: type("int32") });
  }

  /** A vector of one value as a scalar. */
  scalarOf(x: Ref): Ref {
    return this.graph.op("Reshape", [x, this.graph.integers([])], {
      T: type("int32"),
      Tshape: type("int32"),
    });
  }

  sum(x: Ref, axes: readonly number[], keep = false): Ref {
    return this.graph.op("Sum", [x, this.graph.integers(axes)], {
      ...T,
      Tidx: type("int32"),
      keep_dims: bool(keep),
    });
  }

  /** A value for each channel, the last axis, added. */
  biased(x: Ref, bias: Ref): Ref {
    return this.graph.op("BiasAdd", [x, bias], T);
  }

  matMul(a: Ref, b: Ref, transposeA = false, transposeB = false): Ref {
    return this.graph.op("MatMul", [a, b], {
      ...T,
      transpose_a: bool(transposeA),
      transpose_b: bool(transposeB),
    });
  }

  /** [images, classes], 1 at the class of each image. */
  oneHot(classes: Ref, count: number): Ref {
    const [depth, on, off] = [this.graph.integers([count], []), this.#scalar(1), this.#scalar(0)];
    return this.graph.op("OneHot", [classes, depth, on, off], {
      ...T,
      TI: type("int32"),
      axis: { i: -1 },
    });
  }

  /** int32 [1]: how many images there are in `x`. */
  imagesIn(x: Ref): Ref {
    const shape = this.graph.op("Shape", [x], { ...T, out_type: type("int32") });
    return this.#slice(shape, [0], [1], "int32");
  }

  /** int32 [1 + rest]: a shape whose first length is that of `images`. */
  shapeOf(images: Ref, rest: readonly number[]): Ref {
    return this.graph.op("ConcatV2", [images, this.graph.integers(rest), this.graph.integers([0], [])], {
      T: type("int32"),
      N: { i: 2 },
      Tidx: type("int32"),
    });
  }

  /** A part of images: rows and columns from (top, left) on, so many of them. */
  crop(x: Ref, top: number, left: number, height: number, width: number): Ref {
    return this.#slice(x, [0, top, left, 0], [-1, height, width, -1], "float");
  }

  /** Zeros around images. */
  pad(x: Ref, [top, bottom, left, right]: readonly [number, number, number, number]): Ref {
    return this.#pad(x, [0, 0, top, bottom, left, right, 0, 0]);
  }

  /** So many channels of zeros more behind those of images. */
  padChannels(x: Ref, more: number): Ref {
    return this.#pad(x, [0, 0, 0, 0, 0, 0, 0, more]);
  }

  /** So many zeros more behind the second of three axes. */
  padRows(x: Ref, more: number): Ref {
    return this.#pad(x, [0, 0, 0, more, 0, 0]);
  }

  /**
   * The same for values of a known shape. Not by Pad: TensorFlow 2.21 takes one in front of a filter for one in front of
   * images, and aborts.
   */
  widened(x: Ref, shape: readonly number[], more: number): Ref {
    const zeros = [...shape.slice(0, -1), more];
    const size = zeros.reduce((product, length) => product * length, 1);
    const axis = this.graph.integers([shape.length - 1], []);
    return this.graph.op("ConcatV2", [x, this.graph.floats(new Float32Array(size), zeros), axis], {
      ...T,
      N: { i: 2 },
      Tidx: type("int32"),
    });
  }

  /** The first `count` along the last of some axes. */
  firstChannels(x: Ref, axes: number, count: number): Ref {
    const whole = new Array<number>(axes - 1);
    return this.#slice(x, [...whole.fill(0), 0], [...whole.fill(-1), count], "float");
  }

  #pad(x: Ref, around: readonly number[]): Ref {
    const paddings = this.graph.integers(around, [around.length / 2, 2]);
    return this.graph.op("Pad", [x, paddings], { ...T, Tpaddings: type("int32") });
  }

  /** Rows of a constant matrix times each matrix of a batch. */
  batchMatMul(a: Ref, b: Ref): Ref {
    return this.op("BatchMatMulV2", [a, b], { adj_x: bool(false), adj_y: bool(false) });
  }

  /** Picks along axis 1. */
  gather(x: Ref, indices: readonly number[]): Ref {
    const inputs = [x, this.graph.integers(indices), this.graph.integers([1], [])];
    return this.graph.op("GatherV2", inputs, {
      Tparams: type("float"),
      Tindices: type("int32"),
      Taxis: type("int32"),
      batch_dims: { i: 0 },
    });
  }

  op(operation: string, inputs: readonly Ref[], attributes: Record<string, Attribute>): Ref {
    return this.graph.op(operation, inputs, { ...T, ...attributes });
  }

  #slice(x: Ref, begin: readonly number[], size: readonly number[], of: "float" | "int32"): Ref {
    return this.graph.op("Slice", [x, this.graph.integers(begin), this.graph.integers(size)], {
      T: type(of),
      Index: type("int32"),
    });
  }

  #scalar(value: Ref | number): Ref {
    return typeof value === "number" ? this.graph.floats([value], []) : value;
  }
}
