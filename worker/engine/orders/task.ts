/** A task of an evaluation: given weights under one measure, on a range of the test images. */
import { evaluateTask } from "../../measures/evaluate.js";
import { type HostedRun, weightsName } from "./hosted-run.js";
import { type HostParts, type OrderOf, timed } from "./order.js";

export function computeTask(order: OrderOf<"task">, run: HostedRun, parts: HostParts): void {
  const test = run.images("test");
  const done = timed(parts, order);
  run.weights.load(weightsName(order.term, order.version), order.parameters);
  const { mean, seed } = run.described;
  const subject = { program: run.weights.program, test, mean, source: run.source(order.source) };
  const pictures = order.pictures === undefined ? undefined : new Uint8Array(order.pictures);
  const findings = evaluateTask(subject, { ...order, pictures, seed });
  parts.send({ type: "task-done", findings, ...done() });
}
