/** What `saf creds init | mint | rotate | show | kubernetes` do. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fromSeed } from "nkeys.js";
import { parseCredentials } from "../../shared/credentials.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { ROLES, type Role, permissionsOf } from "../../shared/subjects.js";
import { Authority, type MintedUser } from "../credentials/authority.js";
import { kubernetesManifests } from "../credentials/kubernetes.js";
import { writeSecret } from "../credentials/secret-file.js";
import { SERVER_CONFIG } from "../credentials/server-config.js";
import { printResult } from "./output.js";
import { makeFolder } from "../../shared/io/folders.js";

export interface MintOptions {
  dir: string;
  role: Role;
  id?: string;
  count?: number;
  prefix: string;
  expires: number;
  out: string;
  json?: true;
}

export interface RotateOptions {
  dir: string;
  role?: Role;
  grace: number;
  finish?: true;
}

export interface KubernetesOptions {
  dir: string;
  workers: number;
  prefix: string;
  expires: number;
  namespace?: string;
}

export async function init(dir: string, pool: string): Promise<void> {
  await Authority.create(dir, pool, Date.now());
  printResult(join(dir, SERVER_CONFIG));
  process.stderr.write(
    `Keys of pool "${pool}" are in ${dir}; keep the folder off the cluster.\n` +
      `nats-server: put \`include "${SERVER_CONFIG}"\` into its configuration.\n`,
  );
}

export async function mint({ dir, role, id, count, prefix, expires, out, json }: MintOptions): Promise<void> {
  const authority = await Authority.open(dir);
  const users = await Promise.all(
    namesFor(role, id, count, prefix).map((name) => authority.mint(role, name, expires, Date.now())),
  );
  await makeFolder(out, { mode: 0o700 });
  for (const { name, text } of users) await writeSecret(fileOf(out, name), text);
  printResult(
    json
      ? { credentials: users.map((user) => ({ ...described(user), file: resolve(fileOf(out, user.name)) })) }
      : users.map(({ name }) => fileOf(out, name)).join("\n"),
  );
}

function namesFor(role: Role, id: string | undefined, count: number | undefined, prefix: string): string[] {
  if (role === "submitter") {
    if (count === undefined) return [id ?? role];
    throw new ClusterError("usage", "--count is for workers", {
      hint: "several submitters have a name each: --id submitter-alice",
    });
  }
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

export async function rotate({ dir, role, grace, finish }: RotateOptions): Promise<void> {
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
}

export async function show(file: string, json: boolean): Promise<void> {
  const shown = await credentialsShown(file, Date.now());
  printResult(
    json
      ? shown
      : Object.entries(shown)
          .map(([key, value]) => `${key.padEnd(10)} ${listed(value)}`)
          .join("\n"),
  );
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

export async function printKubernetes(options: KubernetesOptions): Promise<void> {
  const { dir, workers, prefix, expires, namespace } = options;
  const authority = await Authority.open(dir);
  await authority.prune(Date.now());
  const everybody: [Role, string][] = [
    ["coordinator", "coordinator"],
    ["observer", "observer"],
    ["submitter", "submitter"],
    ...Array.from({ length: workers }, (_, i): [Role, string] => ["worker", `${prefix}-${i}`]),
  ];
  const users: MintedUser[] = [];
  for (const [role, name] of everybody) users.push(await authority.mint(role, name, expires, Date.now()));
  const serverConfig = await authority.serverConfig(Date.now());
  printResult(kubernetesManifests({ users, serverConfig, pool: authority.pool, namespace }));
}

function described({ name, role, expiresAt }: MintedUser): Record<string, unknown> {
  return { name, role, expires: new Date(expiresAt * 1000).toISOString() };
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}.creds`);
}
