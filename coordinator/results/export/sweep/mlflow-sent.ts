/**
 * What an MLflow server has been sent of a sweep, in a file of one line each: after an outage the same command goes on where
 * it stopped, and an hour later it sends what is new.
 */
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { ClusterError } from "../../../../shared/errors.js";
import { storageError } from "../../../../shared/io/atomic-file.js";
import { makeFolder } from "../../../../shared/io/folders.js";
import { readBytes, readJsonLines } from "../../../../shared/io/json-lines.js";

/** First line of the file: whom the others are about. */
interface OpenedLine {
  kind: "opened";
  version: 1;
  uri: string;
  sweep: string;
  experiment: string;
}

/** The server has the run, and so many of its parameters and metrics. */
interface RunLine extends SentRun {
  kind: "run";
  key: string;
}

type SentLine = OpenedLine | RunLine;

export interface SentRun {
  id: string;
  params: number;
  metrics: number;
  /** Hash of its tags, status and end, as they were sent; absent before the first time. */
  state?: string;
}

export class MlflowSent {
  readonly file: string;
  readonly #handle: FileHandle;
  readonly #runs: Map<string, SentRun>;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: string, handle: FileHandle, runs: Map<string, SentRun>) {
    this.file = file;
    this.#handle = handle;
    this.#runs = runs;
  }

  /** Throws ClusterError: "usage" (the file is about something else), "storage". */
  static async open(file: string, about: Omit<OpenedLine, "kind" | "version">): Promise<MlflowSent> {
    const lines = await readJsonLines<SentLine>(file);
    const [first] = lines;
    const opened: OpenedLine = { kind: "opened", version: 1, ...about };
    if (first !== undefined && JSON.stringify(first) !== JSON.stringify(opened)) throw foreign(file, first);
    const isTorn = ((await readBytes(file)).at(-1) ?? 10) !== 10;
    try {
      await makeFolder(dirname(file));
      const handle = await open(file, "a");
      const runs = lines.flatMap((line) => (line.kind === "run" ? [line] : []));
      const sent = new MlflowSent(file, handle, new Map(runs.map(({ key, ...run }) => [key, run])));
      if (isTorn) await handle.write("\n");
      if (first === undefined) await sent.#append(opened);
      return sent;
    } catch (cause) {
      throw storageError(`open ${file}`, cause);
    }
  }

  of(key: string): SentRun | undefined {
    return this.#runs.get(key);
  }

  async note(key: string, run: SentRun): Promise<void> {
    this.#runs.set(key, run);
    await this.#append({ kind: "run", key, ...run });
  }

  /** Makes what was noted safe. */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    try {
      await this.#handle.sync();
    } catch (cause) {
      throw storageError(`write ${this.file}`, cause);
    } finally {
      await this.#handle.close();
    }
  }

  /** One after another: lines of several runs must not mix. */
  #append(line: SentLine): Promise<void> {
    const written = this.#writing
      .catch(() => undefined)
      .then(() => this.#handle.write(`${JSON.stringify(line)}\n`))
      .then(() => undefined)
      .catch((cause: unknown) => {
        throw storageError(`write ${this.file}`, cause);
      });
    this.#writing = written;
    return written;
  }
}

function foreign(file: string, first: SentLine): ClusterError {
  const about =
    first.kind === "opened" ? `what ${first.uri} was sent of another sweep or experiment` : "something else";
  return new ClusterError("usage", `Cannot go on with ${file}: it remembers ${about}`, {
    hint: "name another file by --out",
  });
}
