/** What the tests of storage share: folders and a small layout. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { TrainingState } from "../../../shared/records/checkpoint.js";
import { type Layout, placeTensors } from "../../../shared/core/layout.js";
import { ClusterError } from "../../../shared/errors.js";

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-storage-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const isStorageError = (file: string) => (error: unknown) =>
  error instanceof ClusterError && error.code === "storage" && error.message.includes(file);

export const LAYOUT: Layout = placeTensors([
  {
    name: "conv/weight",
    shape: [3, 3, 20],
    role: "weight",
    initial: { kind: "constant", value: 0 },
    rateMultiplier: 1,
    decays: true,
  },
  {
    name: "conv/bias",
    shape: [20],
    role: "weight",
    initial: { kind: "constant", value: 0 },
    rateMultiplier: 1,
    decays: true,
  },
  {
    name: "bn/mean",
    shape: [20],
    role: "moment",
    initial: { kind: "constant", value: 0 },
    rateMultiplier: 1,
    decays: false,
  },
]);

/** A state that says itself which step it is of. */
export function stateOf(step: number, layout = LAYOUT): TrainingState {
  return {
    step,
    parameters: Float32Array.from({ length: layout.size }, (_, i) => step + i / 1024),
    velocity: Float32Array.from({ length: layout.size }, (_, i) => -step - i / 1024),
  };
}
