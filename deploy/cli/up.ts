/** What `saf up` does. */
import { once } from "node:events";
import { realDirectory } from "../../coordinator/io/run-directory.js";
import type { EngineName } from "../../shared/engine.js";
import { realClock } from "../../shared/io/real-clock.js";
import { defaultCacheDir } from "../../shared/io/cache-directory.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { poolHome, stateDirectory } from "../machines/home.js";
import { type ListeningPool, startListeningPool } from "../machines/listening-pool.js";
import { engineInEnvironment } from "../setup/engine.js";
import { type LedOptions, type LedPool, leadPool } from "./led-pool.js";
import type { ListenPlace } from "./listen-option.js";
import { invitation, joinCommandLine } from "./open-pool.js";
import { printResult, shown } from "./output.js";
import { loadPool, refuseRunSettings } from "./pool-options.js";
import type { Interruption } from "./signals.js";

export interface UpOptions {
  listen?: ListenPlace;
  expires: number;
  fresh?: true;
  natsServer?: string;
  json?: true;
  /** Folder of a queue. */
  queue?: string;
  workers?: number | "auto";
  engine?: EngineName;
  httpPort?: number;
  poolFile?: string;
  set: string[];
}

const LOOPBACK = "127.0.0.1";

export async function up(options: UpOptions, stop: Interruption): Promise<void> {
  const { listen, expires, fresh, natsServer } = options;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const queue = options.queue === undefined ? undefined : await queueOf(options, options.queue);
  const binary = await resolveNatsServer({
    env: process.env,
    cacheDir: defaultCacheDir(process.env),
    install: true,
    progress: say,
    ...(natsServer === undefined ? {} : { explicit: natsServer }),
  });
  const home = poolHome(stateDirectory(process.env));
  const pool = await startListeningPool({
    home,
    binary,
    place: listen ?? { host: LOOPBACK, port: undefined },
    tokenLifeMs: 1000 * expires,
    fresh: fresh === true,
    clock: realClock,
    wallClock: () => Date.now(),
    onNote: say,
  });
  let led: LedPool | undefined;
  let lost = pool.lost;
  try {
    if (queue !== undefined)
      led = await leadPool(pool, { ...queue, nats: binary, home }, { say, stop: stop.signal }).catch(
        (error: unknown) => {
          // Told to end, it did not start.
          if (stop.signal.aborted) return undefined;
          throw error;
        },
      );
    if (led !== undefined) lost = AbortSignal.any([pool.lost, led.lost]);
    if (!stop.signal.aborted) tell(pool, options, say);
    const ended = AbortSignal.any([stop.signal, lost]);
    if (!ended.aborted) await once(ended, "abort");
    if (led !== undefined && !lost.aborted)
      say("finishing the steps and writing checkpoints; once more stops at once");
  } finally {
    await led?.end();
    await pool.close();
  }
  if (lost.aborted && !stop.signal.aborted) throw lost.reason;
  process.exitCode = stop.exitCode();
}

/** Settings are wrong before anything is started. Throws ClusterError("config"), ("usage"). */
async function queueOf(
  { workers, engine, httpPort, poolFile, set }: UpOptions,
  folder: string,
): Promise<Omit<LedOptions, "nats" | "home">> {
  refuseRunSettings(set);
  const flags = {
    set,
    ...(poolFile === undefined ? {} : { poolFile }),
    ...(workers === undefined ? {} : { workers }),
  };
  const { value: pool } = await loadPool(flags);
  return {
    ...{ folder: await realDirectory(folder), pool, engine: engine ?? engineInEnvironment(process.env) },
    ...(httpPort === undefined ? {} : { httpPort }),
  };
}

function tell(pool: ListeningPool, { listen, json, queue }: UpOptions, say: (line: string) => void): void {
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
  say(
    queue === undefined
      ? "runs on this machine use the pool now: npx saf train -c examples/quick.yaml"
      : `it takes work in, for ${shown(queue)}: npx saf submit examples/quick.yaml`,
  );
  say("Ctrl-C ends the pool; machines come back by themselves when it is started again");
}
