/** Data sets read beside the event loop: heartbeats and leases go on meanwhile. */
import { Worker as Thread } from "node:worker_threads";
import { ClusterError, type ErrorCode } from "../../../shared/errors.js";
import { PartitionedDataset, type PreparedDataset } from "./dataset.js";

export interface DataSetting {
  set: string;
  /** The setting data.dir. */
  dir?: string | undefined;
}

export interface LoadOrder {
  name: string;
  dir: string | undefined;
  checkOnly: boolean;
}

export interface LoadAnswer {
  prepared?: PreparedDataset;
  failure?: { code: ErrorCode; message: string; hint?: string };
}

/** Throws what `loadDataset` throws. */
export async function loadAside(setting: DataSetting, env: NodeJS.ProcessEnv): Promise<PartitionedDataset> {
  const { prepared } = await ask(setting, env, false);
  if (prepared === undefined) throw new ClusterError("unexpected", `Reading ${setting.set} brought nothing`);
  return new PartitionedDataset(prepared.dataset, prepared);
}

/** Reads all of it, keeps nothing. Throws what `loadDataset` throws. */
export async function checkAside(setting: DataSetting, env: NodeJS.ProcessEnv): Promise<void> {
  await ask(setting, env, true);
}

async function ask(
  { set, dir }: DataSetting,
  env: NodeJS.ProcessEnv,
  checkOnly: boolean,
): Promise<LoadAnswer> {
  const order: LoadOrder = { name: set, dir, checkOnly };
  const thread = new Thread(new URL("./load-thread.js", import.meta.url), { workerData: order, env });
  const answer = await new Promise<LoadAnswer>((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", () => reject(new ClusterError("unexpected", `Reading ${set} ended without a word`)));
  });
  await thread.terminate();
  const { failure } = answer;
  if (failure === undefined) return answer;
  const { code, message, hint } = failure;
  throw new ClusterError(code, message, hint === undefined ? {} : { hint });
}
