/** `saf creds`: the keys and credentials with which coordinator, workers and observers meet on a NATS server of many. */
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { fromSeed } from "nkeys.js";
import { parseCredentials } from "../../shared/credentials.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { ROLES, type Role, permissionsOf } from "../../shared/subjects.js";
import { Authority, type MintedUser, SERVER_CONFIG } from "../credentials/authority.js";
import { kubernetesManifests } from "../credentials/kubernetes.js";
import { writeSecret } from "../credentials/secret-file.js";
import { printResult } from "./output.js";
import { wholeNumber } from "./run-options.js";

const MOST_SECONDS = 10 * 366 * 86_400;

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
      await Authority.create(dir, pool, Date.now());
      printResult(join(dir, SERVER_CONFIG));
      process.stderr.write(
        `Keys of pool "${pool}" are in ${dir}; keep the folder off the cluster.\n` +
          `nats-server: put \`include "${SERVER_CONFIG}"\` into its configuration.\n`,
      );
    });
}

interface MintOptions {
  dir: string;
  role: Role;
  id?: string;
  count?: number;
  prefix: string;
  expires: number;
  out: string;
  json?: true;
}

function mintCommand(): Command {
  return new Command("mint")
    .description("make credentials; a file that is there already is renewed in place")
    .addOption(dirOption())
    .addOption(roleOption("what their holder is").makeOptionMandatory())
    .option("--id <name>", "name of one worker")
    .addOption(
      new Option("--count <number>", "so many workers: worker-0, worker-1, …")
        .argParser(wholeNumber)
        .conflicts("id"),
    )
    .addOption(new Option("--prefix <name>", "with --count: another word than worker").default("worker"))
    .addOption(expiresOption())
    .requiredOption("--out <folder>", "where <name>.creds is written")
    .addOption(jsonOption())
    .action(mint);
}

async function mint({ dir, role, id, count, prefix, expires, out, json }: MintOptions): Promise<void> {
  const authority = await Authority.open(dir);
  const users = await Promise.all(
    namesFor(role, id, count, prefix).map((name) => authority.mint(role, name, expires, Date.now())),
  );
  await mkdir(out, { recursive: true, mode: 0o700 });
  for (const { name, text } of users) await writeSecret(fileOf(out, name), text);
  printResult(
    json
      ? { credentials: users.map((user) => ({ ...described(user), file: resolve(fileOf(out, user.name)) })) }
      : users.map(({ name }) => fileOf(out, name)).join("\n"),
  );
}

function namesFor(role: Role, id: string | undefined, count: number | undefined, prefix: string): string[] {
  if (role !== "worker") {
    if (count !== undefined || (id !== undefined && id !== role))
      throw new ClusterError("usage", `There is one ${role}, and it is called ${role}`);
    return [role];
  }
  if (id !== undefined) return [id];
  if (count === undefined) {
    throw new ClusterError("usage", "Which worker? Name it with --id, or say how many with --count");
  }
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
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
    .action(
      async ({ dir, role, grace, finish }: { dir: string; role?: Role; grace: number; finish?: true }) => {
        const authority = await Authority.open(dir);
        if (finish) {
          const gone = await authority.prune(Date.now());
          process.stderr.write(`${gone} old signing key(s) left out\n`);
        } else await authority.rotate(role === undefined ? ROLES : [role], grace, Date.now());
        printResult(join(dir, SERVER_CONFIG));
        process.stderr.write("Give the server this configuration and have it reload (SIGHUP).\n");
        const last = authority.signingKeys.flatMap(({ retired_until: until }) => until ?? []).sort();
        if (last.length > 0)
          process.stderr.write(`Old keys hold until ${last.at(-1)}; then: saf creds rotate --finish\n`);
      },
    );
}

function showCommand(): Command {
  return new Command("show")
    .description("who a file of credentials is for, until when, and what that allows; never the seed")
    .addArgument(new Argument("<file>", "a .creds file or a bare seed"))
    .addOption(jsonOption())
    .action(async (file: string, { json }: { json?: true }) => {
      const shown = await credentialsShown(file, Date.now());
      printResult(
        json
          ? shown
          : Object.entries(shown)
              .map(([key, value]) => `${key.padEnd(10)} ${listed(value)}`)
              .join("\n"),
      );
    });
}

async function credentialsShown(file: string, nowMs: number): Promise<Record<string, unknown>> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new ClusterError("config", `Cannot read ${file}: ${wordsOf(cause)}`, { cause });
  });
  const { seed, claims } = parseCredentials(text, file);
  const publicKey = fromSeed(new TextEncoder().encode(seed)).getPublicKey();
  if (claims === undefined) return { kind: "nkey", key: publicKey };
  if (claims.subject !== publicKey)
    throw new ClusterError("config", `The seed and the JWT in ${file} do not belong together`);
  const { name, role, pool, issuer, expiresAt } = claims;
  const rights = role === undefined || pool === undefined ? undefined : permissionsOf(role, pool, name);
  return {
    kind: "jwt",
    name,
    role: role ?? null,
    pool: pool ?? null,
    key: publicKey,
    issuer,
    expires: expiresAt === undefined ? null : new Date(expiresAt * 1000).toISOString(),
    expired: expiresAt !== undefined && expiresAt * 1000 <= nowMs,
    ...(rights === undefined ? {} : { publish: rights.publish, subscribe: rights.subscribe }),
  };
}

function listed(value: unknown): string {
  if (!Array.isArray(value)) return typeof value === "string" ? value : JSON.stringify(value ?? "-");
  return value.length === 0 ? "nothing" : value.join(`\n${" ".repeat(11)}`);
}

interface KubernetesOptions {
  dir: string;
  workers: number;
  prefix: string;
  expires: number;
  namespace?: string;
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
    .action(async ({ dir, workers, prefix, expires, namespace }: KubernetesOptions) => {
      const authority = await Authority.open(dir);
      await authority.prune(Date.now());
      const everybody: [Role, string][] = [
        ["coordinator", "coordinator"],
        ["observer", "observer"],
        ...Array.from({ length: workers }, (_, i): [Role, string] => ["worker", `${prefix}-${i}`]),
      ];
      const users: MintedUser[] = [];
      for (const [role, name] of everybody) users.push(await authority.mint(role, name, expires, Date.now()));
      const serverConfig = await authority.serverConfig(Date.now());
      printResult(kubernetesManifests({ users, serverConfig, pool: authority.pool, namespace }));
    });
}

function described({ name, role, expiresAt }: MintedUser): Record<string, unknown> {
  return { name, role, expires: new Date(expiresAt * 1000).toISOString() };
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}.creds`);
}

/** Seconds of "90s", "30m", "24h", "30d". */
function duration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ""] ?? Number.NaN);
  if (seconds <= MOST_SECONDS) return seconds;
  throw new InvalidArgumentError("Expected a time such as 90s, 30m, 24h or 30d, ten years at most.");
}
