/** Which names the workers of a machine get. This module decides; registrar.ts tells the server and the machine. */
import { isWorkerName } from "../../../shared/subjects.js";

/** A worker whose key the server knows; its seed never left its own machine. */
export interface EnrolledWorker {
  name: string;
  /** Public nkey, U… */
  key: string;
}

export interface Enrolment {
  protocol: number;
  /** What the machine calls itself. */
  host: string;
  /** Public keys of its workers. */
  keys: readonly string[];
}

export type EnrolmentVerdict =
  { accepted: true; names: string[]; added: EnrolledWorker[] } | { accepted: false; reason: string };

export const MOST_KEYS_A_MACHINE = 256;
export const MOST_ENROLLED = 1024;
const USER_KEY = /^U[A-Z2-7]{55}$/;
/** Room for a dash and a number behind it. */
const LONGEST_HOST = 24;

/** A key that is known keeps its name, so a machine that comes again is who it was. `taken`: names that are others'. */
export function enrol(
  known: readonly EnrolledWorker[],
  taken: ReadonlySet<string>,
  { protocol, host, keys }: Enrolment,
  ownProtocol: number,
): EnrolmentVerdict {
  const refused = (reason: string): EnrolmentVerdict => ({ accepted: false, reason });
  if (protocol !== ownProtocol)
    return refused(
      `it speaks protocol version ${protocol}, this pool ${ownProtocol}: install the same release of saf on both machines`,
    );
  if (keys.length < 1 || keys.length > MOST_KEYS_A_MACHINE || new Set(keys).size !== keys.length)
    return refused(`it has ${keys.length} workers; 1 to ${MOST_KEYS_A_MACHINE} can come from one machine`);
  if (!keys.every((key) => USER_KEY.test(key))) return refused("its keys are no public user keys");
  const names = new Map(known.map(({ name, key }) => [key, name]));
  const inUse = new Set([...taken, ...names.values()]);
  const added: EnrolledWorker[] = [];
  const stem = stemOf(host);
  let number = 1;
  for (const key of keys.filter((each) => !names.has(each))) {
    while (inUse.has(`${stem}-${number}`)) number++;
    const name = `${stem}-${number}`;
    inUse.add(name);
    names.set(key, name);
    added.push({ name, key });
  }
  if (known.length + added.length > MOST_ENROLLED)
    return refused(`the pool knows ${known.length} workers, and there is room for ${MOST_ENROLLED}`);
  return { accepted: true, names: keys.map((key) => names.get(key) ?? ""), added };
}

/** The host's name as the beginning of a worker's. */
function stemOf(host: string): string {
  const stem = (host.split(".")[0] ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST_HOST)
    .replace(/^-+|-+$/g, "");
  return isWorkerName(`${stem}-1`) && stem !== "" ? stem : "machine";
}

/** Names in one line of a terminal. */
export function listed(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} … ${names.at(-1)}`;
}
