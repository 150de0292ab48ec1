/** What a worker is called where nobody has named it: in a container, by its place. */
import { ClusterError } from "../../shared/errors.js";
import { isWorkerName } from "../../shared/subjects.js";

const LONGEST = 32;

/**
 * `id` is what the user said (`--id` or SAF_WORKER_ID). Else the index of an indexed Job (`worker-3`: credentials are
 * made in advance under that name), else the host's name, which is the pod's, as a token: its end, where it is too long,
 * for that is what tells replicas apart.
 * @throws ClusterError("usage") on a name no worker may have.
 */
export function workerName(
  id: string | undefined,
  completionIndex: string | undefined,
  host: string,
): string {
  const name = id ?? (completionIndex === undefined ? tokenOf(host) : `worker-${completionIndex}`);
  if (isWorkerName(name)) return name;
  const from =
    id !== undefined ? "" : completionIndex === undefined ? ` (of host "${host}")` : " (of the Job)";
  throw new ClusterError(
    "usage",
    `Worker id "${name}"${from} must be 1 to 32 of a-z, 0-9 and -, and not the name of a role`,
    { hint: "say --id NAME, or set SAF_WORKER_ID" },
  );
}

function tokenOf(host: string): string {
  const label = host.split(".")[0] ?? "";
  return label
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(-LONGEST)
    .replace(/^-+|-+$/g, "");
}
