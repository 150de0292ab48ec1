/** The overview of a reproduction on the disk: what was asked for, and how far each member is. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../shared/io/atomic-file.js";
import type { RunStatus } from "../../coordinator/runs/status.js";
import { ClusterError } from "../../shared/errors.js";
import { type Member, type Reproduction, membersOf } from "../../shared/reproduction.js";

export type Plan = Pick<
  Reproduction,
  "dataset" | "models" | "seeds" | "epochs" | "images" | "settings" | "command"
>;

type Failures = Readonly<Record<string, { code: string; message: string } | undefined>>;

const FILE = "reproduction.json";

/** What the folder holds already, or undefined. Throws ClusterError("data") when it is damaged. */
export async function readReproduction(out: string): Promise<Reproduction | undefined> {
  const text = await readFile(join(out, FILE), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Reproduction;
  } catch (cause) {
    throw new ClusterError("data", `Cannot read ${join(out, FILE)}: it is damaged`, { cause });
  }
}

/** Writes the overview anew, one writing after another. */
export class ReproductionFile {
  readonly #out: string;
  readonly #plan: Plan;
  readonly #begun: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(out: string, plan: Plan, begun: string | undefined) {
    this.#out = out;
    this.#plan = plan;
    this.#begun = begun ?? new Date().toISOString();
  }

  /** `failed`: members whose own folders may not be able to tell. Throws ClusterError("storage"). */
  write(failed: Failures = {}): Promise<void> {
    const turn = this.#writing.then(() => this.#write(failed));
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  async #write(failed: Failures): Promise<void> {
    const { models, seeds } = this.#plan;
    const members = membersOf(models, seeds);
    const document: Reproduction = {
      ...this.#plan,
      begun: this.#begun,
      updated: new Date().toISOString(),
      environment: await this.#environment(members),
      members: await Promise.all(members.map((member) => this.#memberNow(member, failed[member.name]))),
    };
    await writeFileAtomic(join(this.#out, FILE), `${JSON.stringify(document, null, 2)}\n`);
  }

  async #environment(members: readonly Member[]): Promise<Record<string, string>> {
    for (const { name } of members) {
      const found = await json<Record<string, string>>(join(this.#out, name, "env.json"));
      if (found !== undefined) return found;
    }
    return {};
  }

  async #memberNow(member: Member, failure: Failures[string]): Promise<Reproduction["members"][number]> {
    const folder = join(this.#out, member.name);
    const status = await json<RunStatus>(join(folder, "status.json"));
    const error = failure ?? (await json<{ code: string; message: string }>(join(folder, "error.json")));
    return {
      ...member,
      state: error === undefined ? (status?.state ?? "waiting") : "failed",
      step: status?.step ?? null,
      steps: status?.steps ?? null,
      error: error === undefined ? null : { code: error.code, message: error.message },
    };
  }
}

async function json<Value>(file: string): Promise<Value | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Value;
  } catch {
    return undefined;
  }
}
