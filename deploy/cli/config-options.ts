/** The options that say a configuration: of a run, and of the pool that serves it. */
import { type Command, Option } from "commander";

/** Adds `-c FILE`, `--set KEY=VALUE`, both repeatable, and `--data-dir` to a command that loads a configuration. */
export function addConfigOptions(command: Command): Command {
  const append = (value: string, before: string[]): string[] => [...before, value];
  // Whoever reads `set` need not know of --data-dir.
  command.on("option:data-dir", (path: string) => {
    const set = command.getOptionValue("set") as string[];
    command.setOptionValue("set", [...set, `data.dir=${JSON.stringify(path)}`]);
  });
  return command
    .option("-c, --config <file>", "configuration file; repeat it to lay one on another", append, [])
    .option(
      "--set <key=value>",
      "one setting over the files, as in train.epochs=3 or pool.heartbeat_ms=500; repeatable",
      append,
      [],
    )
    .option("--data-dir <path>", "sets data.dir: folder with the data files, or the archive of CIFAR-10");
}

export function addPoolOptions(command: Command): Command {
  return command.addOption(
    new Option(
      "--pool-file <file>",
      "settings of the pool of workers, as in heartbeat_ms: 500; --set pool.KEY=VALUE sets one",
    ).env("SAF_POOL_FILE"),
  );
}
