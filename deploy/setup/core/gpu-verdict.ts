/** What is to be said of a machine's GPUs: facts in, a verdict out. deploy/setup/gpu-facts.ts gathers the facts. */
import { type Card, type Standing, capabilityWords, parseCards, supportOf } from "./cards.js";

/** What became of nvidia-smi. */
export type SmiOutcome =
  | { kind: "missing" }
  | { kind: "hung"; afterSeconds: number }
  | { kind: "failed"; code: number | undefined; words: string }
  | { kind: "answered"; text: string };

export interface GpuFacts {
  /** CUDA_VISIBLE_DEVICES, where it is set. */
  visibleDevices: string | undefined;
  smi: SmiOutcome;
  /** Is there a /dev/nvidia0? */
  hasDevice: boolean;
}

/**
 * `none`: no GPU is there, or none is meant to be used; nothing is wrong. `usable`, also after minutes of compiling (`slow`).
 * `doubtful`: tried only where this engine is named. `broken`: a GPU is there, and nothing can use it.
 */
export type Severity = "none" | "usable" | "slow" | "doubtful" | "broken";

export interface GpuVerdict {
  severity: Severity;
  /** One line. */
  message: string;
  /** What to do about it. */
  hint?: string;
  /** The card that TensorFlow will take: of those that this process sees, the last one. */
  card?: Card;
}

export function judgeGpu(facts: GpuFacts): GpuVerdict {
  const { visibleDevices, smi, hasDevice } = facts;
  if (visibleDevices === "" || visibleDevices === "-1") {
    return {
      severity: "none",
      message: `no NVIDIA GPU is visible (CUDA_VISIBLE_DEVICES is "${visibleDevices}")`,
    };
  }
  if (smi.kind === "missing") return withoutTool(hasDevice);
  if (smi.kind === "hung") {
    return {
      severity: "broken",
      message: `nvidia-smi does not answer within ${smi.afterSeconds} s: the driver hangs`,
      hint: "a card may have fallen off the bus: look for Xid in `dmesg`, then reset the card or restart the machine",
    };
  }
  if (smi.kind === "failed") return afterFailure(smi.code, smi.words);
  const cards = parseCards(smi.text);
  // Old versions say this with exit code 0.
  if (cards.length === 0) return afterFailure(0, smi.text.trim().split("\n")[0] ?? "");
  return judgeCards(visibleTo(cards, visibleDevices), visibleDevices);
}

function withoutTool(hasDevice: boolean): GpuVerdict {
  if (!hasDevice) return { severity: "none", message: "no NVIDIA GPU is visible (there is no nvidia-smi)" };
  return {
    severity: "usable",
    message: "there is /dev/nvidia0 but no nvidia-smi, so nothing is known of the card",
    hint: "install the driver's tools; in a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility",
  };
}

/** What nvidia-smi says when it fails, and what that means. The first that fits counts. */
const FAILURES: readonly { when: RegExp; severity: Severity; message: string; hint: string }[] = [
  {
    when: /driver\/library version mismatch/i,
    severity: "broken",
    message: "the NVIDIA driver in the kernel and its libraries are of different versions",
    hint: "restart the machine, or reload the kernel modules: a driver was updated while the old one was in use",
  },
  {
    when: /no devices were found/i,
    severity: "broken",
    message: "the NVIDIA driver is loaded and finds no card",
    hint: "in a container hand one in (--gpus, nvidia.com/gpu); else look for NVRM in `dmesg`: no power, or off the bus",
  },
  {
    when: /insufficient permissions|permission denied/i,
    severity: "broken",
    message: "this user may not open the NVIDIA devices",
    hint: "give the user the group of /dev/nvidia* (often video or render), or hand the devices to the container",
  },
  {
    when: /couldn.t communicate with the nvidia driver|driver not loaded/i,
    severity: "broken",
    message: "the NVIDIA driver is not loaded in the kernel",
    hint: "install the driver for this kernel or load it (modprobe nvidia); after a kernel update build it again (dkms)",
  },
  {
    when: /couldn.t find libnvidia-ml|libnvidia-ml\.so/i,
    severity: "broken",
    message: "nvidia-smi is there, the driver's library libnvidia-ml.so is not",
    hint: "install the driver; in a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility",
  },
  {
    when: /not a valid field to query/i,
    severity: "broken",
    message: "the NVIDIA driver is older than the 525 that CUDA 12 needs",
    hint: "install driver 525 or newer",
  },
  {
    when: /gpu is lost|unable to determine the device handle|unknown error/i,
    severity: "broken",
    message: "the NVIDIA driver has lost a card",
    hint: "look for Xid in `dmesg`, then reset the card or restart the machine",
  },
];

function afterFailure(code: number | undefined, words: string): GpuVerdict {
  const known = FAILURES.find(({ when }) => when.test(words));
  const said = words === "" ? `exit code ${code ?? "unknown"}` : clipped(words);
  if (known === undefined) {
    return {
      severity: "broken",
      message: `nvidia-smi fails: ${said}`,
      hint: "run `nvidia-smi` by hand; nothing can use the GPU until it answers",
    };
  }
  const { severity, message, hint } = known;
  return { severity, message: `${message} (nvidia-smi: ${said})`, hint };
}

function clipped(words: string): string {
  const line = words.replaceAll(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

/** Those whose places CUDA_VISIBLE_DEVICES names; all of them where it names none, or names them otherwise. */
function visibleTo(cards: readonly Card[], visibleDevices: string | undefined): readonly Card[] {
  const places = visibleDevices?.split(",").map((place) => place.trim()) ?? [];
  if (places.length === 0 || !places.every((place) => /^\d+$/.test(place))) return cards;
  // CUDA stops at the first place that no card has.
  const end = places.findIndex((place) => cards[Number(place)] === undefined);
  return (end < 0 ? places : places.slice(0, end)).flatMap((place) => cards[Number(place)] ?? []);
}

/** The oldest driver that CUDA 12 runs on. */
const OLDEST_DRIVER = [525, 60, 13];

const SEVERITIES: Record<Standing, Severity> = {
  good: "usable",
  slow: "slow",
  doubtful: "doubtful",
  "too-old": "broken",
};

/** Several cards: a process takes the last one that it sees. */
function judgeCards(cards: readonly Card[], visibleDevices: string | undefined): GpuVerdict {
  const card = cards.at(-1);
  if (card === undefined) {
    return {
      severity: "broken",
      message: `CUDA_VISIBLE_DEVICES="${visibleDevices ?? ""}" names a card that is not there`,
      hint: "`nvidia-smi -L` lists the cards, from 0 on",
    };
  }
  const { standing, words } = supportOf(card.capability);
  const known = `${card.name}, driver ${card.driver}, compute capability ${capabilityWords(card.capability)}`;
  if (isOlder(card.driver, OLDEST_DRIVER)) {
    return {
      severity: "broken",
      message: `${known}: the driver is too old`,
      hint: `CUDA 12 needs driver ${OLDEST_DRIVER.join(".")} or newer`,
      card,
    };
  }
  const hint = hintFor(standing, cards);
  return {
    severity: SEVERITIES[standing],
    message: `${known}: ${words}`,
    ...(hint === undefined ? {} : { hint }),
    card,
  };
}

function hintFor(standing: Standing, cards: readonly Card[]): string | undefined {
  const isBad = standing === "doubtful" || standing === "too-old";
  const other = cards.findIndex(({ capability }) =>
    ["good", "slow"].includes(supportOf(capability).standing),
  );
  if (isBad && other >= 0)
    return `CUDA_VISIBLE_DEVICES=${other} takes ${cards[other]?.name ?? "another card"}`;
  if (standing === "slow")
    return "what is compiled is kept in CUDA_CACHE_PATH (~/.nv/ComputeCache): give containers a volume for it";
  if (standing === "doubtful") return "`npx saf setup --engine tensorflow-gpu` tries it all the same";
  if (standing === "too-old") return "runs compute on the CPU here";
  return undefined;
}

function isOlder(version: string, than: readonly number[]): boolean {
  const parts = version.split(".").map(Number);
  for (const [i, least] of than.entries()) {
    const part = parts[i] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}

/** Why the GPU engine is not even tried, in one line; undefined when it is. `isNamed`: somebody asked for this engine. */
export function reasonAgainst(verdict: GpuVerdict, isNamed: boolean): string | undefined {
  const { severity } = verdict;
  const isTried = severity === "usable" || severity === "slow" || (severity === "doubtful" && isNamed);
  return isTried ? undefined : withHint(verdict);
}

function withHint({ message, hint }: GpuVerdict): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

const AGAIN = "npx saf setup --refresh";

/** Of the engine that was chosen: its name, and what was left and why. */
interface Chosen {
  engine: string;
  why: readonly string[];
}

/** What `saf doctor` says of the GPU; without a choice, no engine was to be had. */
export function gpuFinding(
  verdict: GpuVerdict,
  chosen: Chosen | undefined,
): { warning: boolean; detail: string } {
  const { severity, message } = verdict;
  if (severity === "none") return { warning: false, detail: message };
  const isBad = severity === "broken" || severity === "doubtful";
  if (isBad && chosen?.engine !== "tensorflow-gpu") return { warning: true, detail: withHint(verdict) };
  if (chosen === undefined || chosen.engine === "tensorflow-gpu")
    return { warning: isBad, detail: withHint(verdict) };
  const prefix = "tensorflow-gpu: ";
  const reasons = chosen.why.filter((line) => line.startsWith(prefix));
  if (reasons.length === 0)
    return { warning: false, detail: `${message}; not used, the engine is ${chosen.engine}` };
  const words = reasons.map((line) => line.slice(prefix.length)).join("; ");
  return { warning: true, detail: `${message}; not used: ${words} (${AGAIN} tries again)` };
}
