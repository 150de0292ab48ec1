/** What `saf coordinator` does. */
import type { CoordinatorOptions } from "../../coordinator/main.js";
import { ClusterError, EXIT_CODES, exitCodeOf } from "../../shared/errors.js";
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
  sweep: string[];
  force?: true;
  poolFile?: string;
  set: string[];
  out?: string;
  latest: boolean;
  /** The folder of a queue, instead of all of these. */
  queue?: string;
  emulated?: true;
  title: string;
  command: string;
  lineage: boolean;
  evaluateOnly: boolean;
  sideBySide: number;
  dismissWorkers: boolean;
  stay: boolean;
  termFolder?: string;
}

type Given = Pick<CoordinatorOptions, "configs" | "sweeps" | "out"> & { queue: CoordinatorOptions["queue"] };

/** What there is to do. Throws ClusterError: "usage", "config". */
async function workOf({ queue, out, emulated, ...files }: CoordinatorFlags): Promise<Given> {
  if (queue !== undefined)
    return { configs: [], sweeps: [], out: queue, queue: { isEmulated: emulated === true } };
  if (out === undefined)
    throw new ClusterError(
      "usage",
      "A coordinator needs --out FOLDER, where its runs are kept, or --queue FOLDER",
    );
  return { ...(await settingsIn(files)), out, queue: undefined };
}

async function settingsIn({
  run: files,
  sweep: sweepFiles,
  force,
}: Pick<CoordinatorFlags, "run" | "sweep" | "force">): Promise<Pick<Given, "configs" | "sweeps">> {
  if (files.length + sweepFiles.length === 0)
    throw new ClusterError(
      "usage",
      "A coordinator needs --run FILE or --sweep FILE, as often as there are any, or --queue FOLDER",
    );
  const loaded = await Promise.all(files.map((one) => loadConfig({ files: [one], set: [] })));
  const configs = loaded.map(({ value }) => value);
  if (sweepFiles.length === 0) return { configs, sweeps: [] };
  const [{ loadSweep }, { spaceOf }] = await Promise.all([
    import("./sweep-file.js"),
    import("../../coordinator/sweeps/space.js"),
  ]);
  const specs = await Promise.all(sweepFiles.map((file) => loadSweep(file)));
  return {
    configs,
    sweeps: specs.map(({ spec }) => ({ space: spaceOf(spec, spec.base), isForced: force === true })),
  };
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
  const given = await workOf(options);
  // What is wrong with the settings is said before the rest is loaded.
  const { runCoordinator } = await import("../../coordinator/main.js");
  const ended = await runCoordinator(
    {
      ...options,
      ...given,
      poolName: options.pool,
      isLatest: options.latest,
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
  const isMeantToStay = options.stay || given.queue !== undefined;
  const signalled = isMeantToStay && !ended.interrupted ? 0 : stop.exitCode();
  process.exitCode = signalled || (Object.keys(ended.failed).length > 0 ? EXIT_CODES.trials : 0);
}
