/**
 * ∂L/∂z of the network's own loss inside the graph, [images x outputs]: METHOD.md 1.3. What the loss comes to is worked out
 * from z in float64, as everywhere (core/losses). A new loss is an entry here too.
 */
import type { Head, HybridWeights } from "../../../shared/networks/network.js";
import type { Ref } from "./graph-builder.js";
import type { Operations } from "./operations.js";

/** `z` [images x outputs], `labels` int32 [images]. */
export function lossGradient(o: Operations, head: Head, z: Ref, labels: Ref, outputs: number): Ref {
  const label = o.oneHot(labels, outputs);
  switch (head.kind) {
    case "softmax":
      return o.binary("Sub", o.unary("Softmax", z), label);
    case "rbf":
      return hybridGradient(o, head.loss, z, label);
  }
}

/**
 * With s the softmax of −z² and y = exp(−z²): at the label 2z·[α1·(1 − s) + α2·p·(1 − y)^(p−1)·y], elsewhere
 * −2z·[α1·s + α3·p·y^p]. The differences from 1 are taken where they lose nothing: 1 − s as the sum of the others, 1 − y as
 * −expm1(−z²).
 */
function hybridGradient(
  o: Operations,
  { alpha1, alpha2, alpha3, power }: HybridWeights,
  z: Ref,
  label: Ref,
): Ref {
  const negative = o.unary("Neg", o.unary("Square", z));
  const share = o.unary("Softmax", negative);
  const y = o.unary("Exp", negative);
  const other = o.binary("Sub", 1, label);
  const rest = o.sum(o.binary("Mul", share, other), [1], true);
  const below = o.unary("Neg", o.unary("Expm1", negative));
  const raised = (x: Ref, exponent: number): Ref =>
    exponent === 1 ? x : exponent === 2 ? o.unary("Square", x) : o.binary("Pow", x, exponent);
  const atLabel = o.binary(
    "AddV2",
    o.binary("Mul", rest, alpha1),
    power === 1
      ? o.binary("Mul", y, alpha2)
      : o.binary("Mul", o.binary("Mul", raised(below, power - 1), y), alpha2 * power),
  );
  const spread = o.binary("Mul", share, alpha1);
  const elsewhere =
    alpha3 === 0 ? spread : o.binary("AddV2", spread, o.binary("Mul", raised(y, power), alpha3 * power));
  const signed = o.binary("Sub", o.binary("Mul", atLabel, label), o.binary("Mul", elsewhere, other));
  return o.binary("Mul", o.binary("Mul", z, 2), signed);
}
