/**
 * The token that takes a machine to a pool: where the server is, which authority signed its certificate, and the seed of
 * the guest, who may enrol and nothing else. Text: `safjoin1_`, then base64url of the message and of a checksum.
 */
import { createHash } from "node:crypto";
import { ClusterError } from "../../shared/errors.js";
import { machineWire } from "../../shared/machine-messages.js";
import { readMessage, writeMessage } from "../../shared/messages.js";
import { type Address, addressIn, addressText } from "./core/address.js";

export interface JoinToken {
  /** In the order in which they are tried. */
  addresses: readonly Address[];
  /** SHA-256 of the authority's certificate. */
  authority: Uint8Array;
  /** nkey seed of the guest. Secret. */
  seed: string;
  expiresMs: number;
}

const PREFIX = "safjoin1_";
const ANY_PREFIX = /^safjoin(\d+)_/;
const CHECKSUM_BYTES = 6;
const AUTHORITY_BYTES = 32;
const MOST_ADDRESSES = 32;
/** A token has some 250 characters; anything much longer is something else. */
const MOST_CHARACTERS = 4096;
const SEED = /^SU[A-Z2-7]{56}$/;

export function writeToken({ addresses, authority, seed, expiresMs }: JoinToken): string {
  const body = writeMessage(machineWire.Token, {
    addresses: addresses.map(addressText),
    authority,
    seed,
    expires: expiresMs,
  });
  return PREFIX + Buffer.concat([body, checksumOf(body)]).toString("base64url");
}

/**
 * Blanks and line ends, which a terminal may have put in, do not count. Throws ClusterError("usage"), which never quotes
 * the token.
 */
export function readToken(typed: string): JoinToken {
  const text = typed.replace(/\s+/g, "");
  const version = ANY_PREFIX.exec(text)?.[1];
  if (version === undefined) throw noToken(`it does not begin with ${PREFIX}`);
  if (version !== "1")
    throw noToken("it is of a newer release of saf", "install the same release on both machines");
  if (text.length > MOST_CHARACTERS) throw noToken("it is too long");
  const payload = text.slice(PREFIX.length);
  if (!/^[\w-]+$/.test(payload)) throw noToken("it holds characters that no token has");
  const bytes = Buffer.from(payload, "base64url");
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  // Decoding forgives bits that no byte needs; the text must be the one that was written.
  const isWhole =
    bytes.byteLength > CHECKSUM_BYTES &&
    bytes.toString("base64url") === payload &&
    checksumOf(body).equals(bytes.subarray(-CHECKSUM_BYTES));
  if (!isWhole) throw noToken("it is damaged: a part is missing or was changed");
  const token = tokenIn(body);
  if (token === undefined) throw noToken("its content makes no sense");
  return token;
}

function tokenIn(body: Uint8Array): JoinToken | undefined {
  const message = readMessage(machineWire.Token, body);
  if (message === undefined) return undefined;
  const addresses = message.addresses.map(addressIn).filter((address) => address !== undefined);
  const isSound =
    addresses.length > 0 &&
    addresses.length === message.addresses.length &&
    addresses.length <= MOST_ADDRESSES &&
    message.authority.byteLength === AUTHORITY_BYTES &&
    SEED.test(message.seed) &&
    Number.isFinite(message.expires);
  if (!isSound) return undefined;
  return { addresses, authority: message.authority, seed: message.seed, expiresMs: message.expires };
}

function checksumOf(body: Uint8Array): Buffer {
  return createHash("sha256").update(PREFIX).update(body).digest().subarray(0, CHECKSUM_BYTES);
}

function noToken(why: string, hint = "copy it again, all of it: `saf up --listen` prints it"): ClusterError {
  return new ClusterError("usage", `The token cannot be used: ${why}`, { hint });
}
