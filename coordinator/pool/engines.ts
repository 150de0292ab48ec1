/**
 * Whose bits a pool computes: workers whose engines differ would make weights that neither of them gives alone. Steps that
 * are committed bind their run to the engine that computed them, also through a restart of the coordinator; before the
 * first one, the pool's engine is that of the workers who are there.
 */
import { type EngineFingerprint, fingerprintDifferences, fingerprintId } from "../../shared/fingerprint.js";

/** What becomes of a worker whose engine computes other bits. */
export type MixedEngines = "refuse" | "warn";

/** The engines whose bits a pool takes for its own. `others`: of the members, without the one that asks. */
export function enginesOfPool(
  committed: readonly EngineFingerprint[],
  others: Iterable<EngineFingerprint>,
): readonly EngineFingerprint[] {
  return committed.length > 0 ? committed : [...others];
}

/** Why a worker with this engine would spoil the weights of a pool with these; undefined where it does not. */
export function spoils(engine: EngineFingerprint, pool: readonly EngineFingerprint[]): string | undefined {
  if (pool.length === 0 || pool.some((known) => fingerprintId(known) === fingerprintId(engine)))
    return undefined;
  const nearest = pool
    .map((known) => fingerprintDifferences(engine, known))
    .reduce((best, next) => (next.length < best.length ? next : best));
  return `its engine computes other bits than the pool's: ${nearest.join("; ")}`;
}

/** The same with those that `engines` add to it. */
export function withEngines(
  committed: readonly EngineFingerprint[],
  engines: readonly EngineFingerprint[],
): readonly EngineFingerprint[] {
  let all = committed;
  for (const engine of engines) {
    const id = fingerprintId(engine);
    if (!all.some((known) => fingerprintId(known) === id)) all = [...all, engine];
  }
  return all;
}
