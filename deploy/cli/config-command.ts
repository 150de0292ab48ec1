/** `saf config show | schema | validate`: what would run, what may be said, and whether a file says it right. */
import { Command } from "commander";
import { configSchema } from "../../shared/config.js";
import { ClusterError } from "../../shared/errors.js";
import { resolveRun } from "../../shared/resolve.js";
import { loadConfig, type LoadedConfig } from "./config-file.js";
import { jsonSchemaOf } from "./config-schema.js";
import { completeConfig, showConfig } from "./config-view.js";
import { printResult } from "./output.js";

interface ConfigOptions {
  config: string[];
  set: string[];
  json?: true;
}

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
    .option("--set <key=value>", "one setting over the files, as in train.epochs=3; repeatable", append, [])
    .option("--data-dir <path>", "sets data.dir: folder with the data files, or the archive of CIFAR-10");
}

/** Throws ClusterError("config") from its actions; the caller reports it. */
export function configCommand(): Command {
  const command = new Command("config").description("show, describe and check configurations");

  addConfigOptions(command.command("show"))
    .description("every setting with its value and where it comes from")
    .option("--json", "one JSON document: config and sources")
    .action(async ({ config: files, set, json }: ConfigOptions) => {
      const loaded = complete(await loadConfig({ files, set }));
      const { config, sources } = loaded;
      printResult(json ? { config, sources } : showConfig(config, sources));
    });

  command
    .command("schema")
    .description("JSON Schema of a configuration file, for editors")
    .action(() => {
      printResult({ ...jsonSchemaOf(configSchema), title: "saf run configuration" });
    });

  addConfigOptions(command.command("validate"))
    .description("check files and settings; exit code 2 when something is wrong")
    .argument("[files...]", "files to check together, as with -c")
    .option("--json", "one JSON document: valid, and the problems")
    .action(async (more: string[], { config, set, json }: ConfigOptions) => {
      const files = [...config, ...more];
      const problems = await problemsIn(files, set);
      if (json) printResult({ valid: problems === undefined, problems: problems?.message.split("\n") ?? [] });
      else if (problems !== undefined) throw problems;
      else process.stderr.write(`${files.length === 0 ? "the defaults" : files.join(", ")}: valid\n`);
      if (problems !== undefined) process.exitCode = problems.exitCode;
    });

  return command;
}

function complete({ value, sources }: LoadedConfig): ReturnType<typeof completeConfig> {
  return completeConfig(value, sources, resolveRun(value));
}

async function problemsIn(
  files: readonly string[],
  set: readonly string[],
): Promise<ClusterError | undefined> {
  try {
    complete(await loadConfig({ files, set }));
    return undefined;
  } catch (error) {
    if (error instanceof ClusterError && error.code === "config") return error;
    throw error;
  }
}
