/** What `saf join` does. */
import { availableParallelism, hostname } from "node:os";
import { join as joinPath } from "node:path";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { defaultCacheDir } from "../../shared/io/cache-directory.js";
import { realClock } from "../../shared/io/real-clock.js";
import { writeSecret } from "../credentials/secret-file.js";
import { localWorkers } from "../local/cluster.js";
import { type LockContent, lockStore } from "../local/nats/store-lock.js";
import { addressText } from "../machines/core/address.js";
import { listed } from "../machines/core/enrolment.js";
import { watchAuthority } from "../machines/authority-watch.js";
import { enrolMachine } from "../machines/enrol.js";
import { findAuthority } from "../machines/find-authority.js";
import { joinedHome, makePrivate, stateDirectory } from "../machines/home.js";
import { serveOnMachine } from "../machines/joined-machine.js";
import { type JoinToken, readToken } from "../machines/token.js";
import { provisionEngine, workerEnvironment } from "../setup/engine.js";
import type { Interruption } from "./signals.js";

export interface JoinOptions {
  workers: number | "auto";
  engine?: EngineName;
  once?: true;
}

export async function join(typed: string, options: JoinOptions, stop: Interruption): Promise<void> {
  const token = readToken(typed === "-" ? await standardInput() : typed);
  const home = joinedHome(stateDirectory(process.env), token.authority);
  await makePrivate(home);
  const lock = await lockStore(home, { clock: realClock, serverWaitMs: 0, inUse: joinedAlready });
  try {
    await serve(token, home, options, stop);
  } finally {
    lock.release();
  }
  process.exitCode = stop.exitCode();
}

async function serve(
  token: JoinToken,
  home: string,
  { workers, engine, once }: JoinOptions,
  stop: Interruption,
): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const cacheDir = defaultCacheDir(process.env);
  const { address, authority } = await findAuthority(token.addresses, token.authority);
  const choice = await provisionEngine({
    ...{ cacheDir, progress: say },
    ...(engine === undefined ? {} : { force: engine }),
  });
  const caFile = joinPath(home, "authority.crt");
  await writeSecret(caFile, authority);
  const url = `tls://${addressText(address)}`;
  const count = localWorkers(workers, availableParallelism());
  const machine = await enrolMachine({
    ...{ token, url, caFile, home, host: hostname(), workers: count, clock: realClock },
  });
  const names = listed(machine.workers.map(({ name }) => name));
  say(`in the pool at ${addressText(address)}: ${names}`);
  say(`engine ${choice.version} on ${choice.device}`);
  say(`logs are in ${joinPath(home, "logs")}`);
  say("Ctrl-C takes this machine out again, and no step is lost");
  const stopWatching = watchAuthority({
    ...{ clock: realClock, onNote: say },
    look: () => findAuthority([address], token.authority),
  });
  try {
    await serveOnMachine(
      {
        ...{ machine, url, caFile, home, cacheDir, once: once === true, clock: realClock, onNote: say },
        engine: choice.engine,
        workerEnvironment: workerEnvironment(choice),
      },
      stop.signal,
    );
  } finally {
    stopWatching();
  }
}

async function standardInput(): Promise<string> {
  let text = "";
  for await (const part of process.stdin.setEncoding("utf8")) text += String(part);
  return text;
}

function joinedAlready(_: string, { owner }: LockContent): ClusterError {
  return new ClusterError("dependency", `This machine has joined that pool already: process ${owner.pid}`, {
    hint: "end that process first; --workers says how many workers it brings",
  });
}
