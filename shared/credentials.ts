/**
 * What a process shows NATS to prove who it is: a bare nkey seed, or a `.creds` file with a JWT and the seed of the key
 * that it was signed for. Only read here; `saf creds` makes them.
 */
import { ClusterError } from "./errors.js";
import { type Role, ROLES } from "./subjects.js";

export interface Credentials {
  /** An nkey seed (`SU…`). Secret. */
  seed: string;
  /** Absent for a bare seed. */
  jwt?: string;
  /** What the JWT says; it is not verified here, the server does that. */
  claims?: UserClaims;
}

export interface UserClaims {
  /** The name the server puts into the subject templates. */
  name: string;
  /** Public key (`U…`) of the seed. */
  subject: string;
  /** Public key (`A…`) of the signing key. */
  issuer: string;
  /** Account (`A…`) that the signing key belongs to. */
  account: string | undefined;
  role: Role | undefined;
  pool: string | undefined;
  /** Seconds since 1970. */
  issuedAt: number;
  /** Seconds since 1970; undefined: never. */
  expiresAt: number | undefined;
}

const SEED = /^SU[A-Z2-7]{56}$/;
const JWT_BLOCK = /-{3,}BEGIN NATS USER JWT-{3,}\s+([\w.-]+)\s+-{3,}END NATS USER JWT-{3,}/;
const SEED_BLOCK = /-{3,}BEGIN USER NKEY SEED-{3,}\s+(\w+)\s+-{3,}END USER NKEY SEED-{3,}/;
/** A file of credentials has two kilobytes; anything much larger is something else. */
export const MAX_CREDENTIALS_BYTES = 64 * 1024;

/** @throws ClusterError("config") that names `file` and never quotes it. */
export function parseCredentials(text: string, file: string): Credentials {
  const seed = SEED_BLOCK.exec(text)?.[1] ?? text.trim();
  const jwt = JWT_BLOCK.exec(text)?.[1];
  if (!SEED.test(seed)) {
    throw new ClusterError(
      "config",
      `Cannot use the NATS credentials in ${file}: expected an nkey seed (SU…), or a .creds file with a JWT and a seed`,
      { hint: "make some with `saf creds mint`" },
    );
  }
  return jwt === undefined ? { seed } : { seed, jwt, claims: userClaims(jwt, file) };
}

/** @throws ClusterError("config") when it is no user JWT. */
export function userClaims(jwt: string, file: string): UserClaims {
  const wrong = (what: string): ClusterError =>
    new ClusterError("config", `Cannot read the JWT in ${file}: ${what}`);
  const body = jwt.split(".")[1];
  if (body === undefined || jwt.length > MAX_CREDENTIALS_BYTES) throw wrong("it is not of three parts");
  let claims: Record<string, unknown> & { nats?: Record<string, unknown> | null };
  try {
    const bytes = Uint8Array.from(atob(body.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    claims = JSON.parse(new TextDecoder().decode(bytes)) as typeof claims;
  } catch {
    throw wrong("its claims are no JSON");
  }
  const nats = claims.nats ?? {};
  if (nats["type"] !== "user") throw wrong(`it is for ${textOf(nats["type"]) ?? "nobody"}, not for a user`);
  const tags = Array.isArray(nats["tags"]) ? nats["tags"].map(String) : [];
  const tag = (key: string): string | undefined =>
    tags.find((candidate) => candidate.startsWith(`${key}:`))?.slice(key.length + 1);
  return {
    name: textOf(claims["name"]) ?? "",
    subject: textOf(claims["sub"]) ?? "",
    issuer: textOf(claims["iss"]) ?? "",
    account: textOf(nats["issuer_account"]),
    role: ROLES.find((role) => role === tag("role")),
    pool: tag("pool"),
    issuedAt: typeof claims["iat"] === "number" ? claims["iat"] : 0,
    expiresAt: typeof claims["exp"] === "number" ? claims["exp"] : undefined,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
