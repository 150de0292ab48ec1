/** The weights that a run comes to in one process: what every cluster is compared with. */
import { createHash } from "node:crypto";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runIdentity } from "../../coordinator/runs/identity.js";
import { type Config, type ConfigInput, configSchema } from "../../shared/config/run.js";
import { EMULATED, type EngineName } from "../../shared/engine.js";
import { programs } from "./cluster.js";

const PATIENCE_MS = 90_000;
const PROGRAM = fileURLToPath(new URL("local-training-child.js", import.meta.url));

/** A training that was cut off after `limit` steps, or ended before: a hash of the weights after each of its steps. */
interface Trajectory {
  limit: number;
  hashes: string[];
}

const known = new Map<string, Promise<Trajectory>>();

/**
 * SHA-256 of the weights that worker/training/local-training.ts comes to, in a process of its own. No step depends on
 * where a run ends: one training serves every run of the same identity that is no longer. The files of one `npm test`
 * share theirs in the folder SAF_TEST_REFERENCES.
 */
export async function localWeightsSha256(input: ConfigInput): Promise<string> {
  const config = configSchema.parse(input);
  const limit = config.train.max_steps ?? Infinity;
  const engine = await engineOf(config);
  const identity = runIdentity(config, JSON.stringify(config.data));
  const key = sha256(JSON.stringify([identity, config.train.epochs, engine]));
  for (const trajectory of [await known.get(key), storedBefore(key)]) {
    const hash = trajectory && weightsAt(trajectory, limit);
    if (hash !== undefined) return hash;
  }
  const trajectory = trainLocally(JSON.stringify(input), engine).then((hashes) => ({ limit, hashes }));
  known.set(key, trajectory);
  store(key, await trajectory);
  return weightsAt(await trajectory, limit) as string;
}

async function engineOf({ engine }: Config): Promise<EngineName> {
  return engine === EMULATED ? EMULATED : (await programs()).choice.engine;
}

function weightsAt({ limit, hashes }: Trajectory, steps: number): string | undefined {
  return hashes[steps - 1] ?? (hashes.length < limit ? hashes.at(-1) : undefined);
}

/** Trains one run after another: an engine is started, and the data set read, once for all of a test file. */
class LocalTrainer {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #output = "";
  #errors = "";
  #onOutput: () => void = () => undefined;

  constructor(engine: string, environment: Record<string, string>) {
    this.#child = spawn(process.execPath, ["--enable-source-maps", PROGRAM, engine], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
      this.#onOutput();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#child.once("close", () => this.#onOutput());
    this.#hold(false);
  }

  get isThere(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** A hash after each step. One run at a time. */
  async train(config: string): Promise<string[]> {
    this.#hold(true);
    this.#output = "";
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    try {
      this.#child.stdin.write(`${config}\n`);
      await new Promise<void>((resolve, reject) => {
        this.#onOutput = () => {
          if (this.#output.endsWith("\n\n")) resolve();
          else if (!this.isThere) reject(new Error(`local-training-child.js ended: ${this.#errors}`));
        };
        this.#onOutput();
      });
    } finally {
      clearTimeout(limit);
      this.#hold(false);
    }
    return this.#output.trim().split("\n");
  }

  /** While nobody waits for it, it keeps no test file from ending; then its standard input closes, and it ends. */
  #hold(isWaitedFor: boolean): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const part of [this.#child, stdin, stdout, stderr] as unknown as NodeJS.RefCounted[])
      if (isWaitedFor) part.ref();
      else part.unref();
  }
}

const trainers = new Map<EngineName, LocalTrainer>();
let lastTraining: Promise<unknown> = Promise.resolve();

async function trainLocally(config: string, engine: EngineName): Promise<string[]> {
  const { environment } = await programs();
  const training = lastTraining.then(() => {
    const known = trainers.get(engine);
    const trainer = known?.isThere === true ? known : new LocalTrainer(engine, environment);
    trainers.set(engine, trainer);
    return trainer.train(config);
  });
  lastTraining = training.catch(() => undefined);
  return training;
}

function fileOf(key: string): string | undefined {
  const folder = process.env["SAF_TEST_REFERENCES"];
  return folder === undefined ? undefined : join(folder, `${key}.json`);
}

function storedBefore(key: string): Trajectory | undefined {
  const file = fileOf(key);
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Trajectory;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: another test file may be reading. */
function store(key: string, trajectory: Trajectory): void {
  const file = fileOf(key);
  if (file === undefined) return;
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(trajectory));
  renameSync(`${file}.${process.pid}`, file);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
