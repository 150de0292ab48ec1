/**
 * NATS JWTs (version 2): claims signed with an nkey. The server reads them, and so do the vendor's tools.
 * Form: header, claims and signature in base64url; algorithm `ed25519-nkey`; `jti` is a hash of the claims.
 */
import { createHash } from "node:crypto";
import type { KeyPair } from "nkeys.js";
import { type Permissions, type Role, permissionsOf } from "../../shared/subjects.js";
import { subjectRights } from "../local/nats/config.js";

const HEADER = { typ: "JWT", alg: "ed25519-nkey" };
const UNLIMITED = -1;
/** One answer for each request; the server forgets a request that stays unanswered. Nanoseconds. */
const RESPONSE_TTL_NS = 60_000_000_000;

interface Claims {
  /** Public key the claims are about. */
  subject: string;
  name: string;
  /** Seconds since 1970. */
  issuedAt: number;
  expiresAt?: number | undefined;
  nats: Record<string, unknown>;
}

function sign(issuer: KeyPair, { subject, name, issuedAt, expiresAt, nats }: Claims): string {
  const claims = {
    ...(expiresAt === undefined ? {} : { exp: expiresAt }),
    iat: issuedAt,
    iss: issuer.getPublicKey(),
    name,
    sub: subject,
    nats: { ...nats, version: 2 },
  };
  const jti = base32(createHash("sha512-256").update(JSON.stringify(claims)).digest());
  const signed = `${base64url(HEADER)}.${base64url({ jti, ...claims })}`;
  const signature = Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url");
  return `${signed}.${signature}`;
}

/** The root of trust: the server believes what this key has signed. */
export function operatorJwt(
  operator: KeyPair,
  options: { name: string; systemAccount: string; issuedAt: number },
): string {
  return sign(operator, {
    subject: operator.getPublicKey(),
    name: options.name,
    issuedAt: options.issuedAt,
    nats: { type: "operator", system_account: options.systemAccount },
  });
}

/** A key that may sign users of one role, and what these may do. */
export interface ScopedKey {
  role: Role;
  /** `A…` */
  publicKey: string;
}

/** An account whose users get their rights from the key that signed them. Without such a key they have none. */
export function accountJwt(
  operator: KeyPair,
  options: {
    name: string;
    account: string;
    pool: string;
    signingKeys: readonly ScopedKey[];
    issuedAt: number;
  },
): string {
  return sign(operator, {
    subject: options.account,
    name: options.name,
    issuedAt: options.issuedAt,
    nats: {
      type: "account",
      limits: {
        ...{ subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED, conn: UNLIMITED, leaf: 0 },
        ...{ imports: UNLIMITED, exports: UNLIMITED, wildcards: true },
        // No JetStream: saf keeps no stream.
        ...{ mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 },
      },
      signing_keys: options.signingKeys.map(({ role, publicKey }) => ({
        kind: "user_scope",
        key: publicKey,
        role,
        template: scope(permissionsOf(role, options.pool)),
      })),
      default_permissions: { pub: { deny: [">"] }, sub: { deny: [">"] } },
    },
  });
}

function scope(rights: Permissions): object {
  return {
    pub: subjectRights(rights.publish),
    sub: subjectRights(rights.subscribe),
    ...(rights.allowResponses ? { resp: { max: 1, ttl: RESPONSE_TTL_NS } } : {}),
    ...{ subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED },
    // No leaf node, no browser.
    allowed_connection_types: ["STANDARD"],
  };
}

/** A user of the role that the signing key stands for. The rights are the key's: none stand here. */
export function userJwt(
  signingKey: KeyPair,
  options: {
    name: string;
    user: string;
    account: string;
    role: Role;
    pool: string;
    issuedAt: number;
    expiresAt: number;
  },
): string {
  return sign(signingKey, {
    subject: options.user,
    name: options.name,
    issuedAt: options.issuedAt,
    expiresAt: options.expiresAt,
    nats: {
      type: "user",
      issuer_account: options.account,
      tags: [`role:${options.role}`, `pool:${options.pool}`],
    },
  });
}

/** A `.creds` file as the NATS tools write it. */
export function credsText(jwt: string, seed: string): string {
  return [
    "-----BEGIN NATS USER JWT-----",
    jwt,
    "------END NATS USER JWT------",
    "",
    "The seed below is secret: whoever has it is this user.",
    "",
    "-----BEGIN USER NKEY SEED-----",
    seed,
    "------END USER NKEY SEED------",
    "",
  ].join("\n");
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => BASE32.charAt(Number.parseInt(five.padEnd(5, "0"), 2)))
    .join("");
}
