/** `saf creds`: the keys and credentials with which coordinator, workers and observers meet on a NATS server of many. */
import { Argument, Command, Option } from "commander";
import { ROLES } from "../../shared/subjects.js";
import { SERVER_CONFIG } from "../credentials/server-config.js";
import { duration } from "./duration.js";
import { wholeNumber } from "./run-options.js";
import type { KubernetesOptions, MintOptions, RotateOptions } from "./creds.js";

export function credsCommand(): Command {
  return new Command("creds")
    .description("make, renew and show the credentials of a pool (NATS JWTs)")
    .addCommand(initCommand())
    .addCommand(mintCommand())
    .addCommand(rotateCommand())
    .addCommand(showCommand())
    .addCommand(kubernetesCommand());
}

const dirOption = (): Option =>
  new Option("--dir <folder>", "folder with the pool's keys; guard it").makeOptionMandatory();
const expiresOption = (): Option =>
  new Option("--expires <time>", "life of the credentials: 90s, 30m, 24h, 30d")
    .default(duration("24h"), "24h")
    .argParser(duration);
const roleOption = (text: string): Option => new Option("--role <role>", text).choices(ROLES);
const jsonOption = (): Option => new Option("--json", "one JSON document");

function initCommand(): Command {
  return new Command("init")
    .description(`make a pool's keys, and ${SERVER_CONFIG} for nats-server to include`)
    .addOption(dirOption())
    .requiredOption("--pool <name>", "name of the cluster, as in SAF_POOL")
    .action(async ({ dir, pool }: { dir: string; pool: string }) => {
      const { init } = await import("./creds.js");
      await init(dir, pool);
    });
}

function mintCommand(): Command {
  return new Command("mint")
    .description("make credentials; a file that is there already is renewed in place")
    .addOption(dirOption())
    .addOption(roleOption("what their holder is").makeOptionMandatory())
    .option("--id <name>", "name of one worker, or of a submitter: submitter-NAME")
    .addOption(
      new Option("--count <number>", "so many workers: worker-0, worker-1, …")
        .argParser(wholeNumber)
        .conflicts("id"),
    )
    .addOption(new Option("--prefix <name>", "with --count: another word than worker").default("worker"))
    .addOption(expiresOption())
    .requiredOption("--out <folder>", "where <name>.creds is written")
    .addOption(jsonOption())
    .action(async (options: MintOptions) => {
      const { mint } = await import("./creds.js");
      await mint(options);
    });
}

function rotateCommand(): Command {
  return new Command("rotate")
    .description("make new signing keys; what the old ones signed holds until the grace is over")
    .addOption(dirOption())
    .addOption(roleOption("only the key of this role"))
    .addOption(
      new Option("--grace <time>", "how long old credentials hold: 0s, 30m, 24h")
        .default(duration("24h"), "24h")
        .argParser(duration),
    )
    .addOption(
      new Option("--finish", "make no new keys; leave out the old ones whose grace is over").conflicts(
        "role",
      ),
    )
    .action(async (options: RotateOptions) => {
      const { rotate } = await import("./creds.js");
      await rotate(options);
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("who a file of credentials is for, until when, and what that allows; never the seed")
    .addArgument(new Argument("<file>", "a .creds file or a bare seed"))
    .addOption(jsonOption())
    .action(async (file: string, { json }: { json?: true }) => {
      const { show } = await import("./creds.js");
      await show(file, json === true);
    });
}

function kubernetesCommand(): Command {
  return new Command("kubernetes")
    .description("print a Secret with everybody's credentials and a ConfigMap for the server, for kubectl")
    .addOption(dirOption())
    .addOption(
      new Option("--workers <number>", "so many workers: worker-0, worker-1, …")
        .argParser(wholeNumber)
        .makeOptionMandatory(),
    )
    .addOption(new Option("--prefix <name>", "another word than worker").default("worker"))
    .addOption(expiresOption())
    .option("--namespace <name>", "namespace of the objects")
    .action(async (options: KubernetesOptions) => {
      const { printKubernetes } = await import("./creds.js");
      await printKubernetes(options);
    });
}
