/** What `saf coordinator` does. */
import { EXIT_CODES, exitCodeOf } from "../../shared/errors.js";
import { removeRings } from "../../shared/io/shared-memory-bus.js";
import { readDeathNotice } from "../local/death-notice.js";
import { loadConfig } from "./config-file.js";
import type { ConnectionOptions } from "./connection-options.js";
import { warnOfVariables } from "./environment.js";
import { httpOptionsOf } from "./http-options.js";
import { natsAccessOf } from "./nats-options.js";
import { loadPool, refuseRunSettings } from "./pool-options.js";
import { type Interruption, exitWithParent } from "./signals.js";

export interface CoordinatorFlags extends ConnectionOptions {
  run: string[];
  poolFile?: string;
  set: string[];
  out: string;
  title: string;
  command: string;
  evaluateOnly: boolean;
  sideBySide: number;
  dismissWorkers: boolean;
  stay: boolean;
  termFolder?: string;
}

/** `own`: variables that its options read. */
export async function lead(
  options: CoordinatorFlags,
  own: readonly (string | undefined)[],
  stop: Interruption,
): Promise<void> {
  let tell: (worker: string, pid: number) => void = () => undefined;
  if (options.exitWithParent === true) {
    exitWithParent(
      () => removeRings(options.sharedMemory),
      (line) => {
        const death = readDeathNotice(line);
        if (death !== undefined) tell(death.worker, death.pid);
      },
    );
  }
  await warnOfVariables(process.env, own);
  refuseRunSettings(options.set);
  const { value: pool } = await loadPool(options);
  const configs = await Promise.all(
    options.run.map(async (file) => (await loadConfig({ files: [file], set: [] })).value),
  );
  // What is wrong with the settings is said before the rest is loaded.
  const { runCoordinator } = await import("../../coordinator/main.js");
  const ended = await runCoordinator(
    {
      ...options,
      configs,
      poolName: options.pool,
      pool,
      nats: natsAccessOf(options),
      http: httpOptionsOf(options),
      connectTimeoutMs: 1000 * options.natsTimeout,
      onWorkerDeath: (hear) => (tell = hear),
    },
    stop.signal,
  ).catch((error: unknown) => {
    // Told to end while it was still waiting for NATS.
    if (stop.exitCode() === 0 || exitCodeOf(error) !== EXIT_CODES.dependency) throw error;
    return { failed: {}, interrupted: true };
  });
  // Whoever stays when all is done is ended by a signal: that interrupts nothing.
  const signalled = options.stay && !ended.interrupted ? 0 : stop.exitCode();
  process.exitCode = signalled || (Object.keys(ended.failed).length > 0 ? EXIT_CODES.trials : 0);
}
