/**
 * Which graphics cards TensorFlow has code for. A compiled kernel runs on cards of the same major compute capability and
 * the same or a higher minor one; PTX is compiled by the driver, at first use, for any later card.
 */

export interface Capability {
  major: number;
  minor: number;
}

/** A card as nvidia-smi lists it. */
export interface Card {
  name: string;
  driver: string;
  capability: Capability;
}

/** A TensorFlow library, with what its GPU kernels are compiled for. */
interface Build {
  binaries: readonly Capability[];
  ptx: Capability;
}

const at = (major: number, minor: number): Capability => ({ major, minor });

/** `stock`: 2.9.1, which tfjs-node-gpu names. `wheel`: 2.21, out of Python. Both as TensorFlow's own builds set them. */
const BUILDS = {
  stock: { binaries: [at(3, 5), at(5, 0), at(6, 0), at(7, 0), at(7, 5)], ptx: at(8, 0) },
  wheel: { binaries: [at(6, 0), at(7, 0), at(8, 0), at(8, 9)], ptx: at(9, 0) },
} satisfies Record<string, Build>;

export type Code =
  /** Starts at once. */
  | { kind: "binary"; of: Capability }
  /** The driver compiles it at first use. */
  | { kind: "ptx"; of: Capability }
  | { kind: "none" };

export function codeFor(card: Capability, build: keyof typeof BUILDS): Code {
  const { binaries, ptx }: Build = BUILDS[build];
  const fitting = binaries.filter(({ major, minor }) => major === card.major && minor <= card.minor);
  const best = fitting.reduce<Capability | undefined>(
    (high, each) => (high === undefined || isLater(each, high) ? each : high),
    undefined,
  );
  if (best !== undefined) return { kind: "binary", of: best };
  return isLater(ptx, card) ? { kind: "none" } : { kind: "ptx", of: ptx };
}

function isLater(one: Capability, other: Capability): boolean {
  return one.major > other.major || (one.major === other.major && one.minor > other.minor);
}

export function capabilityWords({ major, minor }: Capability): string {
  return `${major}.${minor}`;
}

/** Blackwell and later: the compiled PTX of TensorFlow 2.21 is known to fail there (tensorflow#99592, #101746). */
const FAILING_MAJOR = 10;

/** `good` starts at once; `slow` compiles first; `doubtful` is known to fail; `too-old` has no code at all. */
export type Standing = "good" | "slow" | "doubtful" | "too-old";

export interface Support {
  standing: Standing;
  /** A clause about the card: "TensorFlow 2.21 has code for it". */
  words: string;
}

/** What TensorFlow 2.21's own GPU library does on a card. */
export function supportOf(card: Capability): Support {
  const code = codeFor(card, "wheel");
  if (code.kind === "none") {
    return {
      standing: "too-old",
      words: "too old: TensorFlow 2.21 has code for 6.0 and later",
    };
  }
  if (card.major >= FAILING_MAJOR) {
    return {
      standing: "doubtful",
      words:
        "newer than TensorFlow 2.21: it has code up to 9.0, and what the driver compiles of that is known to fail on Blackwell (CUDA_ERROR_INVALID_PTX)",
    };
  }
  if (code.kind === "ptx") {
    return {
      standing: "slow",
      words:
        "TensorFlow 2.21 has no machine code for it: the driver compiles it at first use, which takes minutes",
    };
  }
  const own = code.of.minor === card.minor;
  return {
    standing: "good",
    words: own
      ? "TensorFlow 2.21 has code for it"
      : `TensorFlow 2.21 runs its code for ${capabilityWords(code.of)} on it`,
  };
}

/**
 * Lines of `nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader`; a line that is none of a card is
 * left out.
 */
export function parseCards(text: string): Card[] {
  return text.split("\n").flatMap((line) => {
    const [, name, driver, major, minor] =
      /^\s*(.+?),\s*(\d+(?:\.\d+)+),\s*(\d+)\.(\d+)\s*$/.exec(line) ?? [];
    if (name === undefined || driver === undefined) return [];
    return [{ name, driver, capability: at(Number(major), Number(minor)) }];
  });
}
