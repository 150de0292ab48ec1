/** What decides the bits that an engine computes, as a worker tells it when it joins. */
import { fnv } from "./core/fnv.js";

export interface EngineFingerprint {
  engine: string;
  /** "TensorFlow 2.21.0 with oneDNN", "tfjs-backend-wasm 4.22.0". */
  version: string;
  /** "cpu", or the GPU's name. */
  device: string;
  /** Variables by which the engine's library chooses its kernels, as NAME=value. */
  flags: readonly string[];
  /** The processor's architecture, and those of its instruction sets for which libraries have kernels of their own. */
  cpu: readonly string[];
  /** SHA-256 of what a small fixed training step comes to on this engine. */
  sample: string;
}

/** WebAssembly gives the same bits on every processor, and so do whole numbers. */
const decidesCpu = ({ engine }: EngineFingerprint): boolean => engine.startsWith("tensorflow");

/** Equal for fingerprints without a difference: 12 hex digits, as ledger.jsonl names an engine. */
export function fingerprintId(print: EngineFingerprint): string {
  const known = ids.get(print);
  if (known !== undefined) return known;
  const { engine, version, device, flags, cpu, sample } = print;
  const parts = [
    engine,
    version,
    device,
    [...flags].sort(),
    decidesCpu(print) ? [...cpu].sort() : [],
    sample,
  ];
  const id = fnv(JSON.stringify(parts)).slice(0, 12);
  ids.set(print, id);
  return id;
}

/** By fingerprint, which does not change: every committed block names its engine. */
const ids = new WeakMap<object, string>();

/** In what `mine` differs from `theirs`, in words, the plainest first; empty where both compute the same bits. */
export function fingerprintDifferences(mine: EngineFingerprint, theirs: EngineFingerprint): string[] {
  if (mine.engine !== theirs.engine)
    return [`engine ${mine.engine} (${mine.version}), not ${theirs.engine} (${theirs.version})`];
  const differences = [
    ...(mine.version === theirs.version ? [] : [`${mine.version}, not ${theirs.version}`]),
    ...(mine.device === theirs.device ? [] : [`device ${mine.device}, not ${theirs.device}`]),
    ...listDifferences("", mine.flags, theirs.flags),
    ...(decidesCpu(mine) ? listDifferences("a processor ", mine.cpu, theirs.cpu) : []),
  ];
  if (differences.length > 0 || mine.sample === theirs.sample) return differences;
  return [
    `a fixed training step comes to ${shortened(mine.sample)}, not ${shortened(theirs.sample)}, though version, flags and instruction sets agree`,
  ];
}

function listDifferences(what: string, mine: readonly string[], theirs: readonly string[]): string[] {
  const more = mine.filter((entry) => !theirs.includes(entry));
  const less = theirs.filter((entry) => !mine.includes(entry));
  return [
    ...(more.length === 0 ? [] : [`${what}with ${more.join(", ")}`]),
    ...(less.length === 0 ? [] : [`${what}without ${less.join(", ")}`]),
  ];
}

const shortened = (sample: string): string => (sample === "" ? "nothing" : sample.slice(0, 12));
