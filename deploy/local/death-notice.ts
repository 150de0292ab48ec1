/** What the launcher tells the coordinator, a line each on its standard input: a worker process has ended. */

export interface Death {
  worker: string;
  pid: number;
}

export function deathNotice({ worker, pid }: Death): string {
  return `ended ${worker} ${pid}`;
}

/** Undefined for any other line. */
export function readDeathNotice(line: string): Death | undefined {
  const [, worker, pid] = /^ended ([a-z0-9-]{1,32}) ([0-9]{1,10})$/.exec(line) ?? [];
  return worker === undefined ? undefined : { worker, pid: Number(pid) };
}
