/**
 * The gradient self-test a worker must pass before it may join: an engine with one wrong gradient still learns, only
 * something else. Every kernel that training uses is run on made-up inputs and compared with float64 results of an
 * independent program (test/fixtures/self-test/make-reference.py).
 *
 * A result tensor is compared by eight inner products with fixed probes, which see an error in any of its cells and
 * keep the reference small. Tolerance: 1e-4 of the tensor's norm; right engines stay below 1e-5.
 */
import { readFileSync } from "node:fs";
import type { SelfTestReport } from "../../../shared/engine.js";
import { type Recorder, SUBJECTS } from "./self-test-subjects.js";
import type { TensorFlow } from "./tfjs.js";

const TOLERANCE = 1e-4;

interface Reference {
  checks: Record<string, { size: number; norm: number; probes: number[] }>;
}

/** Inner product with probe number `k`, in doubles. */
export function projectOnProbe(values: ArrayLike<number>, k: number): number {
  let sum = 0;
  for (let i = 1; i <= values.length; i++) {
    sum += values[i - 1]! * (((i * (i + k + 1) * 31) % 997) / 498 - 1);
  }
  return sum;
}

/** Runs all checks on the current engine. Leaves no tensor behind; a kernel that throws is a failed check. */
export function runSelfTest(tf: TensorFlow): SelfTestReport {
  const start = performance.now();
  const reference = readReference();
  const checks: SelfTestReport["checks"] = [];
  const record: Recorder = (name, tensor) => {
    const relativeError = compare(reference, name, tensor.dataSync());
    checks.push({ name, passed: relativeError <= TOLERANCE, relativeError });
  };
  for (const [subject, run] of SUBJECTS) {
    try {
      tf.tidy(() => run(tf, record));
    } catch (error) {
      checks.push(failed(`${subject}: ${reasonOf(error)}`));
    }
  }
  const isReported = (name: string): boolean =>
    checks.some((check) => check.name === name || (!check.passed && check.name.startsWith(subjectOf(name))));
  for (const name of Object.keys(reference.checks)) if (!isReported(name)) checks.push(failed(name));
  return {
    passed: checks.every((check) => check.passed),
    seconds: (performance.now() - start) / 1000,
    checks,
  };
}

function failed(name: string): SelfTestReport["checks"][number] {
  return { name, passed: false, relativeError: Number.POSITIVE_INFINITY };
}

function subjectOf(name: string): string {
  return name.slice(0, name.indexOf(":") + 1) || name;
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

function readReference(): Reference {
  return JSON.parse(
    readFileSync(new URL("./self-test-reference.json", import.meta.url), "utf8"),
  ) as Reference;
}

/** Error relative to the tensor's norm; infinite for another size or a value that is no number. */
function compare(reference: Reference, name: string, values: ArrayLike<number>): number {
  const expected = reference.checks[name];
  if (expected === undefined || expected.size !== values.length) return Number.POSITIVE_INFINITY;
  // A probe's values are spread over [-1, 1], so an error of norm e shows as about e·√⅓.
  const scale = Math.max(expected.norm, Number.MIN_VALUE) / Math.sqrt(3);
  const errors = expected.probes.map((value, k) => Math.abs(projectOnProbe(values, k) - value) / scale);
  const worst = Math.max(...errors);
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
