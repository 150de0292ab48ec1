/** What `saf up` does. */
import { once } from "node:events";
import { realClock } from "../../shared/io/real-clock.js";
import { defaultCacheDir } from "../../shared/io/cache-directory.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { poolHome, stateDirectory } from "../machines/home.js";
import { type ListeningPool, startListeningPool } from "../machines/listening-pool.js";
import type { ListenPlace } from "./listen-option.js";
import { invitation, joinCommandLine } from "./open-pool.js";
import { printResult } from "./output.js";
import type { Interruption } from "./signals.js";

export interface UpOptions {
  listen?: ListenPlace;
  expires: number;
  fresh?: true;
  natsServer?: string;
  json?: true;
}

const LOOPBACK = "127.0.0.1";

export async function up(options: UpOptions, stop: Interruption): Promise<void> {
  const { listen, expires, fresh, natsServer } = options;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const binary = await resolveNatsServer({
    env: process.env,
    cacheDir: defaultCacheDir(process.env),
    install: true,
    progress: say,
    ...(natsServer === undefined ? {} : { explicit: natsServer }),
  });
  const pool = await startListeningPool({
    home: poolHome(stateDirectory(process.env)),
    binary,
    place: listen ?? { host: LOOPBACK, port: undefined },
    tokenLifeMs: 1000 * expires,
    fresh: fresh === true,
    clock: realClock,
    wallClock: () => Date.now(),
    onNote: say,
  });
  try {
    tell(pool, options, say);
    const ended = AbortSignal.any([stop.signal, pool.lost]);
    if (!ended.aborted) await once(ended, "abort");
  } finally {
    await pool.close();
  }
  if (pool.lost.aborted && !stop.signal.aborted) throw pool.lost.reason;
  process.exitCode = stop.exitCode();
}

function tell(pool: ListeningPool, { listen, json }: UpOptions, say: (line: string) => void): void {
  const { token, addresses, expiresMs, authority } = pool;
  for (const line of invitation(pool).slice(0, -1)) say(line);
  if (json === true) {
    printResult({
      token,
      command: joinCommandLine(token),
      addresses: addresses.map(({ host, port }) => ({ host, port })),
      authority_sha256: Buffer.from(authority).toString("hex"),
      token_expires: new Date(expiresMs).toISOString(),
    });
  } else printResult(joinCommandLine(token));
  if (listen === undefined) say("only this machine reaches it: --listen lets others in");
  say("runs on this machine use the pool now: npx saf train -c examples/quick.yaml");
  say("Ctrl-C ends the pool; machines come back by themselves when it is started again");
}
