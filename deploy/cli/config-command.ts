/** `saf config show | schema | validate`: what would run, what may be said, and whether a file says it right. */
import { Argument, Command } from "commander";
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { resolveRun } from "../../shared/resolve.js";
import { loadConfig } from "./config-file.js";
import { jsonSchemaOf } from "./config-schema.js";
import { completeConfig, showConfig } from "./config-view.js";
import { printResult } from "./output.js";
import { addPoolOptions, loadPool, ofRun } from "./pool-options.js";

/** Whose settings: a run's stand in the file for -c, a pool's in the one for --pool-file. */
type Subject = "run" | "pool";

interface ConfigOptions {
  config: string[];
  poolFile?: string;
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
    .option(
      "--set <key=value>",
      "one setting over the files, as in train.epochs=3 or pool.heartbeat_ms=500; repeatable",
      append,
      [],
    )
    .option("--data-dir <path>", "sets data.dir: folder with the data files, or the archive of CIFAR-10");
}

/** Throws ClusterError("config") from its actions; the caller reports it. */
export function configCommand(): Command {
  return new Command("config")
    .description("show, describe and check configurations, of a run and of the pool that serves it")
    .addCommand(showCommand())
    .addCommand(schemaCommand())
    .addCommand(validateCommand());
}

function subject(): Argument {
  return new Argument("[of]", "whose settings").choices(["run", "pool"]).default("run");
}

function showCommand(): Command {
  return addPoolOptions(addConfigOptions(new Command("show")))
    .description("every setting with its value and where it comes from")
    .addArgument(subject())
    .option("--json", "one JSON document: config and sources")
    .action(async (of: Subject, options: ConfigOptions) => {
      const { config, sources } = of === "pool" ? await poolShown(options) : await runShown(options);
      printResult(options.json ? { config, sources } : showConfig(config, sources));
    });
}

function schemaCommand(): Command {
  return new Command("schema")
    .description("JSON Schema of a configuration file, for editors")
    .addArgument(subject())
    .action((of: Subject) => {
      const schema = of === "pool" ? poolSchema : configSchema;
      printResult({ ...jsonSchemaOf(schema), title: `saf ${of} configuration` });
    });
}

function validateCommand(): Command {
  return addPoolOptions(addConfigOptions(new Command("validate")))
    .description("check files and settings; exit code 2 when something is wrong")
    .argument("[files...]", "files of a run to check together, as with -c")
    .option("--json", "one JSON document: valid, and the problems")
    .action(async (more: string[], options: ConfigOptions) => {
      const config = [...options.config, ...more];
      const problems = await problemsIn({ ...options, config });
      const pool = options.poolFile === undefined ? [] : [options.poolFile];
      const files = [...config, ...pool];
      if (options.json)
        printResult({ valid: problems === undefined, problems: problems?.message.split("\n") ?? [] });
      else if (problems !== undefined) throw problems;
      else process.stderr.write(`${files.length === 0 ? "the defaults" : files.join(", ")}: valid\n`);
      if (problems !== undefined) process.exitCode = problems.exitCode;
    });
}

interface Shown {
  config: object;
  sources: ReadonlyMap<string, string>;
}

async function runShown({ config: files, set }: ConfigOptions): Promise<Shown> {
  const { value, sources } = await loadConfig({ files, set: ofRun(set) });
  return completeConfig(value, sources, resolveRun(value));
}

async function poolShown(options: ConfigOptions): Promise<Shown> {
  const { value, sources } = await loadPool(options);
  return { config: value, sources };
}

/** Of both, the run's first. */
async function problemsIn(options: ConfigOptions): Promise<ClusterError | undefined> {
  const found: ClusterError[] = [];
  for (const load of [runShown, poolShown]) {
    await load(options).catch((error: unknown) => {
      if (!(error instanceof ClusterError) || error.code !== "config") throw error;
      found.push(error);
    });
  }
  const [first] = found;
  if (first === undefined || found.length === 1) return first;
  return new ClusterError("config", found.map(({ message }) => message).join("\n"), {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  });
}
