/**
 * Who may make credentials of a pool: an operator, which the server trusts, an account, and one signing key for each
 * role, whose rights are templates. Workers by the hundred then need no change of the server's configuration.
 *
 * Below the folder (0700): `authority.json` and `nats-auth.conf`, which are public, and the seeds (0600):
 * `operator.seed`, `account.seed`, `system.seed`, `signing/<role>-<key>.seed`.
 */
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type KeyPair, createAccount, createOperator, createUser, fromSeed } from "nkeys.js";
import { z } from "zod";
import { ClusterError } from "../../shared/errors.js";
import { ROLES, type Role, isNameOf, isToken } from "../../shared/subjects.js";
import { accountJwt, credsText, operatorJwt, userJwt } from "./jwt.js";
import { writeSecret } from "./secret-file.js";
import { SERVER_CONFIG } from "./server-config.js";
import { makeFolder } from "../../shared/io/folders.js";

const STATE = "authority.json";

const signingKeySchema = z.strictObject({
  role: z.enum(ROLES),
  key: z.string().regex(/^A[A-Z2-7]{55}$/),
  created: z.iso.datetime(),
  /** Signs no more; what it has signed holds until then. */
  retired_until: z.iso.datetime().optional(),
});

const stateSchema = z.strictObject({
  version: z.literal(1),
  pool: z.string().refine(isToken),
  /** Signed once: a server does not take another one when it reloads. */
  operator_jwt: z.string(),
  account: z.string().regex(/^A[A-Z2-7]{55}$/),
  system_account: z.string().regex(/^A[A-Z2-7]{55}$/),
  signing_keys: z.array(signingKeySchema).min(1),
});

type State = z.output<typeof stateSchema>;
export type SigningKey = z.output<typeof signingKeySchema>;

export interface MintedUser {
  /** "coordinator", "observer" or the worker's or submitter's name: also the name of its `.creds` file. */
  name: string;
  role: Role;
  expiresAt: number;
  /** Content of the `.creds` file. Secret. */
  text: string;
}

const NAME_HINTS: Partial<Record<Role, string>> = {
  worker: "1 to 32 of a-z, 0-9 and -; not the name of a role",
  submitter: "submitter, or submitter-NAME, as in submitter-alice: 32 of a-z, 0-9 and - at most",
};

export class Authority {
  readonly #directory: string;
  #state: State;

  private constructor(directory: string, state: State) {
    this.#directory = directory;
    this.#state = state;
  }

  /** @throws ClusterError("usage") where there is one already: its credentials would be void. */
  static async create(directory: string, pool: string, nowMs: number): Promise<Authority> {
    if (!isToken(pool)) {
      throw new ClusterError("usage", `Cannot call a pool "${pool}": expected 1 to 32 of a-z, 0-9 and -`);
    }
    if ((await stat(join(directory, STATE)).catch(() => undefined)) !== undefined) {
      throw new ClusterError("usage", `There are keys in ${directory} already`, {
        hint: "`saf creds rotate` makes new signing keys; another --dir makes another authority",
      });
    }
    await makeFolder(join(directory, "signing"), { mode: 0o700 });
    const operator = createOperator();
    const account = createAccount();
    const system = createAccount();
    await writeSecret(join(directory, "operator.seed"), operator.getSeed());
    await writeSecret(join(directory, "account.seed"), account.getSeed());
    await writeSecret(join(directory, "system.seed"), system.getSeed());
    const authority = new Authority(directory, {
      version: 1,
      pool,
      operator_jwt: operatorJwt(operator, {
        name: "saf",
        systemAccount: system.getPublicKey(),
        issuedAt: Math.floor(nowMs / 1000),
      }),
      account: account.getPublicKey(),
      system_account: system.getPublicKey(),
      signing_keys: [],
    });
    for (const role of ROLES) await authority.#addSigningKey(role, nowMs);
    await authority.#save(nowMs);
    return authority;
  }

  /** @throws ClusterError("config") when there is none, or it is damaged. */
  static async open(directory: string): Promise<Authority> {
    let state: unknown;
    try {
      state = JSON.parse(await readFile(join(directory, STATE), "utf8"));
    } catch (cause) {
      throw new ClusterError("config", `Cannot read ${join(directory, STATE)}`, {
        hint: "`saf creds init` makes the keys of a pool",
        cause,
      });
    }
    const parsed = stateSchema.safeParse(state);
    if (!parsed.success) {
      throw new ClusterError("config", `${join(directory, STATE)} is damaged: ${parsed.error.message}`);
    }
    return new Authority(directory, parsed.data);
  }

  get pool(): string {
    return this.#state.pool;
  }

  get account(): string {
    return this.#state.account;
  }

  get signingKeys(): readonly SigningKey[] {
    return this.#state.signing_keys;
  }

  /** Credentials of a new user key, good for `lifeSeconds`. Throws ClusterError("usage") on a name it may not have. */
  async mint(role: Role, name: string, lifeSeconds: number, nowMs: number): Promise<MintedUser> {
    if (!isNameOf(role, name))
      throw new ClusterError("usage", `Cannot make credentials of a ${role} called "${name}"`, {
        hint: NAME_HINTS[role] ?? `a ${role} is always called ${role}`,
      });
    const key = this.signingKeys.find((candidate) => candidate.role === role && isCurrent(candidate));
    if (key === undefined)
      throw new ClusterError("config", `There is no signing key for a ${role}`, {
        hint: `the keys are of an older release: saf creds rotate --role ${role} makes one`,
      });
    const user = createUser();
    const issuedAt = Math.floor(nowMs / 1000);
    const expiresAt = issuedAt + lifeSeconds;
    const jwt = userJwt(await this.#seed(join("signing", seedName(key))), {
      name,
      user: user.getPublicKey(),
      account: this.account,
      role,
      pool: this.pool,
      issuedAt,
      expiresAt,
    });
    return { name, role, expiresAt, text: credsText(jwt, new TextDecoder().decode(user.getSeed())) };
  }

  /**
   * New signing keys for these roles. What the old ones have signed holds for `graceSeconds` more, on servers that are
   * given the new configuration, and no key holds longer than that; the old seeds are removed at once.
   */
  async rotate(roles: readonly Role[], graceSeconds: number, nowMs: number): Promise<void> {
    const until = new Date(nowMs + graceSeconds * 1000).toISOString();
    for (const key of this.signingKeys) {
      if (!roles.includes(key.role)) continue;
      const wasCurrent = isCurrent(key);
      if (wasCurrent || Date.parse(key.retired_until ?? until) > Date.parse(until)) key.retired_until = until;
      if (!wasCurrent) continue;
      await rm(join(this.#directory, "signing", seedName(key)), { force: true });
    }
    for (const role of roles) await this.#addSigningKey(role, nowMs);
    await this.#save(nowMs);
  }

  /** Forgets the keys whose grace is over. Returns how many. */
  async prune(nowMs: number): Promise<number> {
    const before = this.signingKeys.length;
    await this.#save(nowMs);
    return before - this.signingKeys.length;
  }

  /** What nats-server.conf includes: public keys and their rights, no secret. */
  async serverConfig(nowMs: number): Promise<string> {
    const { account, system_account: system, pool, operator_jwt: trusted } = this.#state;
    const issuedAt = Math.floor(nowMs / 1000);
    const operator = await this.#seed("operator.seed");
    const signingKeys = this.signingKeys.map(({ role, key }) => ({ role, publicKey: key }));
    const accounts = {
      [account]: accountJwt(operator, {
        ...{ name: `saf-${pool}`, account, pool, signingKeys, issuedAt },
      }),
      [system]: accountJwt(operator, {
        ...{ name: "SYS", account: system, pool, signingKeys: [], issuedAt },
      }),
    };
    return [
      `# Who may use this server: made by saf creds for the pool "${pool}". It holds no secret.`,
      `operator: "${trusted}"`,
      `system_account: "${system}"`,
      "resolver: MEMORY",
      "resolver_preload: {",
      ...Object.entries(accounts).map(([key, jwt]) => `  ${key}: "${jwt}"`),
      "}",
      "",
    ].join("\n");
  }

  async #addSigningKey(role: Role, nowMs: number): Promise<void> {
    const pair = createAccount();
    const key: SigningKey = { role, key: pair.getPublicKey(), created: new Date(nowMs).toISOString() };
    await writeSecret(join(this.#directory, "signing", seedName(key)), pair.getSeed());
    this.#state.signing_keys.push(key);
  }

  async #save(nowMs: number): Promise<void> {
    const isOver = ({ retired_until: until }: SigningKey): boolean =>
      until !== undefined && Date.parse(until) <= nowMs;
    this.#state = { ...this.#state, signing_keys: this.signingKeys.filter((key) => !isOver(key)) };
    await writeFile(join(this.#directory, STATE), `${JSON.stringify(this.#state, null, 2)}\n`);
    await writeFile(join(this.#directory, SERVER_CONFIG), await this.serverConfig(nowMs));
  }

  async #seed(name: string): Promise<KeyPair> {
    const file = join(this.#directory, name);
    try {
      return fromSeed(new TextEncoder().encode((await readFile(file, "utf8")).trim()));
    } catch (cause) {
      throw new ClusterError("config", `Cannot read the seed in ${file}`, { cause });
    }
  }
}

function isCurrent({ retired_until: until }: SigningKey): boolean {
  return until === undefined;
}

function seedName({ role, key }: SigningKey): string {
  return `${role}-${key.slice(0, 12)}.seed`;
}
