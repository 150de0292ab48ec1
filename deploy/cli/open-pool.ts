/** The pool that a run of this machine meets in: one that it opens itself, that of `saf up`, or none. */
import { realClock } from "../../shared/io/real-clock.js";
import type { OpenPool } from "../local/cluster.js";
import type { NatsBinary } from "../local/nats/binary.js";
import { attachPool, takePool } from "../machines/attached-pool.js";
import { poolHome, stateDirectory } from "../machines/home.js";
import { type ListeningPool, startListeningPool } from "../machines/listening-pool.js";
import type { ListenPlace } from "./listen-option.js";

export type Say = (line: string, level?: "info" | "warning") => void;

export interface Meeting {
  pool: OpenPool | undefined;
  leave(): Promise<void>;
}

export const TOKEN_LIFE_S = 24 * 3600;

/** Can workers of other machines come to it? */
export async function canBeJoined({
  listen,
  alone,
}: {
  listen?: ListenPlace;
  alone?: true;
}): Promise<boolean> {
  if (listen !== undefined) return true;
  return alone !== true && (await attachPool(poolHome(stateDirectory(process.env)))) !== undefined;
}

/** Throws ClusterError("dependency") when the pool serves another run, or cannot listen there. */
export async function openPoolFor(
  { listen, alone }: { listen?: ListenPlace; alone?: true },
  binary: NatsBinary,
  say: Say,
): Promise<Meeting> {
  const home = poolHome(stateDirectory(process.env));
  if (listen !== undefined) {
    const pool = await startListeningPool({
      ...{ home, binary, place: listen, fresh: false, tokenLifeMs: 1000 * TOKEN_LIFE_S },
      ...{ clock: realClock, wallClock: () => Date.now(), onNote: say },
    });
    const done = await takePool(home, realClock).catch(async (error: unknown) => {
      await pool.close();
      throw error;
    });
    for (const line of invitation(pool)) say(line);
    return {
      pool,
      async leave() {
        done();
        await pool.close();
      },
    };
  }
  const pool = alone === true ? undefined : await attachPool(home);
  if (pool === undefined) return { pool, leave: () => Promise.resolve() };
  const done = await takePool(home, realClock);
  say("in the pool of saf up, with the machines that have joined it (--alone: without)");
  return { pool, leave: () => Promise.resolve(done()) };
}

/** What a person needs to bring another machine. */
export function invitation({ token, addresses, expiresMs }: ListeningPool): string[] {
  const end = new Date(expiresMs).toISOString().slice(0, 16).replace("T", " ");
  const places = addresses.map(({ host, port }) => `${host}:${port}`).join(", ");
  return [
    `machines may join at ${places} (encrypted)`,
    `the token is secret, and good until ${end} UTC`,
    "on another machine, with the same release of saf:",
    joinCommandLine(token),
  ];
}

export function joinCommandLine(token: string): string {
  return `npx saf join ${token}`;
}
