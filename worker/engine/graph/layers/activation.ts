/** Activations without parameters: METHOD.md 1.1. A new one is an entry here, and a file among the eager engine's. */
import type { ActivationName } from "../../../../shared/networks/network.js";
import type { Ref } from "../graph-builder.js";
import type { Operations } from "../operations.js";
import { type GraphOperator, type SurrogateRef, onlyOutput } from "./operator.js";

/** Values of x and of y = f(x); what is not used is not asked for. */
interface Place {
  input: Ref;
  output: Ref;
}

interface Elementwise {
  value(o: Operations, x: Ref, width: number): Ref;
  /** f'(x). */
  slope(o: Operations, at: Place, width: number): Ref;
  /** Gradient times slope, with the other sign where `negates`: in as few passes over memory as can be. */
  walked: (o: Operations, gradient: Ref, at: Place, width: number) => Ref;
  negates: boolean;
}

/** x / w; no operation at width 1. */
function overWidth(o: Operations, x: Ref, width: number): Ref {
  return width === 1 ? x : o.binary("RealDiv", x, width);
}

const ACTIVATIONS: Record<ActivationName, Elementwise> = {
  relu: {
    value: (o, x) => o.unary("Relu", x),
    slope: (o, at) => o.unary("Sign", at.output), // never negative
    walked: (o, gradient, at) => o.op("ReluGrad", [gradient, at.output], {}),
    negates: false,
  },
  mrelu: {
    value: (o, x, width) => o.unary("Relu", o.binary("Sub", 1, overWidth(o, o.unary("Abs", x), width))),
    slope: (o, at, width) =>
      overWidth(
        o,
        o.unary("Neg", o.binary("Mul", o.unary("Sign", at.input), o.unary("Sign", at.output))),
        width,
      ),
    walked: (o, gradient, at, width) =>
      o.binary(
        "Mul",
        overWidth(o, o.op("ReluGrad", [gradient, at.output], {}), width),
        o.unary("Sign", at.input),
      ),
    negates: true,
  },
  rbf: {
    value: (o, x, width) => o.unary("Exp", o.unary("Neg", o.unary("Square", overWidth(o, x, width)))),
    slope: (o, at, width) => o.binary("Mul", o.binary("Mul", at.input, at.output), -2 / width ** 2),
    walked: (o, gradient, at, width) =>
      o.binary("Mul", gradient, o.binary("Mul", o.binary("Mul", at.input, at.output), -2 / width ** 2)),
    negates: false,
  },
};

/** The true slope inside (−w, w), the surrogate's outside: attacks walk back over units that are flat. */
function surrogateSlope(
  o: Operations,
  x: Ref,
  trueSlope: Ref,
  { kind, width: times }: SurrogateRef,
  ownWidth: number,
): Ref {
  const width = o.binary("Mul", times, ownWidth);
  const outside = o.compare("GreaterEqual", o.unary("Abs", x), ownWidth);
  if (kind === "rbf") {
    const value = o.unary("Exp", o.unary("Neg", o.unary("Square", o.binary("RealDiv", x, width))));
    const factor = o.binary("RealDiv", -2, o.unary("Square", width));
    return o.where(outside, o.binary("Mul", o.binary("Mul", x, value), factor), trueSlope);
  }
  const within = o.asFloat(o.compare("Less", o.unary("Abs", x), width), "bool");
  const slope = o.binary("Mul", o.binary("Mul", o.unary("Sign", x), within), o.binary("RealDiv", -1, width));
  return o.where(outside, slope, trueSlope);
}

/** `width` w of a symmetric one: f(x / w). */
export function activation(name: ActivationName, width = 1): GraphOperator {
  const { value, slope, walked, negates } = ACTIVATIONS[name];
  return {
    negates,
    forward: (o, _parameters, input) => onlyOutput(value(o, input, width)),
    backward(o, _parameters, kept, gradient, { surrogate, wantInput }) {
      if (!wantInput) return undefined;
      if (surrogate === undefined || name === "relu") return walked(o, gradient, kept, width);
      const taken = surrogateSlope(o, kept.input, slope(o, kept, width), surrogate, width);
      return o.binary("Mul", gradient, negates ? o.unary("Neg", taken) : taken);
    },
  };
}
