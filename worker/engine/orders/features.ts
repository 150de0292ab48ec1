/** Feature statistics of given weights, which need not be those that the run holds. */
import type { FeatureCounts } from "../../../shared/features.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { measureFeatures } from "../../measures/features.js";
import type { Programs } from "../program.js";
import type { HostedRun } from "./hosted-run.js";
import { type HostParts, type OrderOf, timed } from "./order.js";

export function computeFeatures(order: OrderOf<"features">, run: HostedRun, parts: HostParts): void {
  const done = timed(parts, order);
  const features = featuresOf(order, run, parts.programs);
  parts.send({ type: "features-done", features, ...done() });
}

function featuresOf(order: OrderOf<"features">, run: HostedRun, programs: Programs): FeatureCounts {
  const { network, mean, seed } = run.described;
  const test = run.images("test");
  const program = programs.create(network, layoutOf(network));
  try {
    program.load(new Float32Array(order.parameters));
    return measureFeatures(program, test, mean, { seed, imageCount: order.imageCount });
  } finally {
    program.dispose();
  }
}
