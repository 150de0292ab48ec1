/** Trains so many steps on a cluster of this machine; measured from commit to commit. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { poolSchema } from "../../shared/config/pool.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { TRACE_VARIABLE } from "../../shared/io/trace-file.js";
import { loadConfig } from "../cli/config-file.js";
import { LocalCluster, type Route } from "../local/cluster.js";
import { temporaryFolder } from "../local/places.js";
import { type Snapshot, clusterFigures, snapshotOf } from "./cluster-figures.js";
import type { Cluster, Measured } from "./core/contenders.js";
import { engineIn } from "./engine-in.js";
import { type Ground, engineVariables } from "./ground.js";

const LIMIT_MS = 180_000;
/** Steps before the clock starts: images are fetched, buffers grown, code compiled. As many as the bare loop's. */
export const WARM_UP_STEPS = 100;

export interface ClusterPlace {
  /** Where the processes write what they trace. */
  traces?: string;
  /** How processes of other hosts reach the server, and where they are. */
  route?: (serverUrl: string) => Promise<Route>;
}

export interface ClusterRun {
  measured: Measured;
  first: Snapshot;
  last: Snapshot;
}

export async function clusterRun(
  ground: Ground,
  cluster: Cluster,
  place: ClusterPlace = {},
): Promise<ClusterRun> {
  const folder = await temporaryFolder("saf-bench-");
  try {
    const file = join(folder, "run.yaml");
    await writeFile(file, stringify(await settingsOf(cluster)));
    const out = join(folder, "run");
    const snapshots = await train(ground, cluster, place, { file, out });
    const [first, last] = [await snapshots[0], await snapshots.at(-1)];
    if (first === undefined || last === undefined || first === last)
      throw new ClusterError("unexpected", "The benchmark saw too little of its training", {
        hint: "give it more --steps",
      });
    const figures = clusterFigures(first, last, cluster.batch);
    return { measured: { figures, by: engineIn(join(out, "logs")) }, first, last };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Checked as any run's are: a setting that there is not is an error that names it. */
export async function settingsOf({ data, model, batch, slots, steps, codec }: Cluster): Promise<Config> {
  const { value } = await loadConfig({
    files: [],
    set: [
      ...[`data.set=${data}`, `model=${model}`, "evaluate.kinds=[clean]"],
      ...[`train.batch_size=${batch}`, `train.slots=${slots}`, `train.max_steps=${steps + WARM_UP_STEPS}`],
      "train.evaluate_every_epochs=0",
      ...(codec === undefined ? [] : [`train.codec=${codec}`]),
    ],
  });
  return value;
}

async function train(
  ground: Ground,
  { workers, bulk, mode, hosts }: Cluster,
  { traces, route }: ClusterPlace,
  { file, out }: { file: string; out: string },
): Promise<Promise<Snapshot>[]> {
  const traced: Record<string, string> = traces === undefined ? {} : { [TRACE_VARIABLE]: traces };
  const snapshots: Promise<Snapshot>[] = [];
  const trained = new Ending();
  const timer = setTimeout(
    () => trained.fail(new ClusterError("unexpected", "The benchmark's training did not end in time")),
    LIMIT_MS,
  );
  let cluster: LocalCluster | undefined;
  const { choice, nats, cacheDir } = ground;
  try {
    cluster = await LocalCluster.start({
      ...{ nats, engine: choice.engine, workers, out, cacheDir },
      ...(route === undefined ? {} : { route }),
      workerEnvironment: { ...engineVariables(ground, mode), ...traced },
      coordinatorEnvironment: traced,
      coordinatorArguments: ["--run", file, "--out", out],
      pool: poolSchema.parse({
        ...{ workers, min_workers: workers, shared_memory: bulk === "mapped" },
        hosts: hosts > 1 ? hosts : 0,
      }),
      clock: realClock,
      restartCoordinator: false,
      onNote: () => undefined,
      onEvent: ({ progress }) => {
        const done = progress?.done ?? 0;
        if (progress?.phase !== "training" || cluster === undefined || done < WARM_UP_STEPS) return;
        snapshots.push(snapshotOf(cluster, done, snapshots.length === 0 || done === progress.total));
        if (done === progress.total) trained.reach();
      },
    });
    void cluster.finished().then((code) => {
      if (code === 0) trained.reach();
      else trained.fail(endedWith(code));
    });
    await trained.reached;
    await Promise.all(snapshots);
    return snapshots;
  } finally {
    clearTimeout(timer);
    await cluster?.stop();
  }
}

function endedWith(code: number): ClusterError {
  return new ClusterError("unexpected", `The benchmark's coordinator ended with exit code ${code}`);
}

/** What is waited for, as those see it who know whether it comes. */
class Ending {
  reach: () => void = () => undefined;
  fail: (error: ClusterError) => void = () => undefined;
  readonly reached = new Promise<void>((resolve, reject) => {
    this.reach = resolve;
    this.fail = reject;
  });
}
