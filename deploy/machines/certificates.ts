/**
 * The authority of a pool and the certificate of its server. node:crypto makes the keys and signs; this only lays the
 * fields out (RFC 5280), and what OpenSSL and Go think of them the tests ask.
 */
import {
  type KeyObject,
  X509Certificate,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import {
  bits,
  explicit,
  implicit,
  integer,
  objectId,
  octets,
  sequence,
  set,
  text,
  truth,
  utcTime,
} from "./der.js";

/** PEM. */
export interface CertifiedKey {
  certificate: string;
  /** Secret. */
  key: string;
}

const DAY_MS = 86_400_000;
/** Clocks of machines differ. */
const BACKDATED_MS = 2 * DAY_MS;
const AUTHORITY_DAYS = 3650;
const SERVER_DAYS = 397;

const ECDSA_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const SUBJECT_KEY = "2.5.29.14";
const KEY_USAGE = "2.5.29.15";
const ALTERNATIVE_NAMES = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const AUTHORITY_KEY = "2.5.29.35";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1";

/** Signs the certificates of one pool's server, and nothing else: a new pool has a new one. */
export function makeAuthority(nowMs: number): CertifiedKey {
  const { privateKey, publicKey } = newKeys();
  return certified(privateKey, {
    subject: "saf pool authority",
    publicKey,
    issuer: { name: "saf pool authority", key: privateKey },
    nowMs,
    days: AUTHORITY_DAYS,
    extensions: [
      // It signs servers, no further authorities.
      extension(BASIC_CONSTRAINTS, sequence(truth(), integer(Buffer.of(0))), "critical"),
      extension(KEY_USAGE, bits(Buffer.of(0b0000_0110), 1), "critical"),
    ],
  });
}

/** For these names and addresses, which clients dial. `certificate` is the chain, as the server shows it. */
export function makeServerCertificate(
  authority: CertifiedKey,
  names: readonly string[],
  nowMs: number,
): CertifiedKey {
  const { privateKey, publicKey } = newKeys();
  const { certificate, key } = certified(privateKey, {
    subject: "saf nats-server",
    publicKey,
    issuer: { name: "saf pool authority", key: createPrivateKey(authority.key) },
    nowMs,
    days: SERVER_DAYS,
    extensions: [
      extension(BASIC_CONSTRAINTS, sequence(), "critical"),
      extension(KEY_USAGE, bits(Buffer.of(0b1000_0000), 7), "critical"),
      extension(EXTENDED_KEY_USAGE, sequence(objectId(SERVER_AUTHENTICATION))),
      extension(ALTERNATIVE_NAMES, sequence(...names.map(alternativeName))),
    ],
  });
  return { certificate: certificate + authority.certificate, key };
}

/** SHA-256 of the certificate itself. */
export function fingerprintOf(certificate: string | Buffer): Buffer {
  return createHash("sha256").update(new X509Certificate(certificate).raw).digest();
}

/** Is it made by this authority, for each of these names, and good for `days` more? */
export function isGoodFor(
  certificate: string,
  authority: string,
  names: readonly string[],
  { nowMs, days }: { nowMs: number; days: number },
): boolean {
  const found = new X509Certificate(certificate);
  const isNamed = (name: string): boolean =>
    (isIP(name) === 0 ? found.checkHost(name) : found.checkIP(name)) !== undefined;
  return (
    found.verify(new X509Certificate(authority).publicKey) &&
    names.every(isNamed) &&
    Date.parse(found.validTo) - nowMs > days * DAY_MS
  );
}

interface Fields {
  subject: string;
  publicKey: KeyObject;
  issuer: { name: string; key: KeyObject };
  nowMs: number;
  days: number;
  extensions: readonly Buffer[];
}

function certified(
  ownKey: KeyObject,
  { subject, publicKey, issuer, nowMs, days, extensions }: Fields,
): CertifiedKey {
  const body = sequence(
    explicit(0, integer(Buffer.of(2))),
    // A positive number without a leading zero.
    integer(Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
    ECDSA_SHA256,
    nameOf(issuer.name),
    sequence(utcTime(nowMs - BACKDATED_MS), utcTime(nowMs + days * DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    explicit(
      3,
      sequence(
        ...extensions,
        extension(SUBJECT_KEY, octets(keyId(publicKey))),
        extension(AUTHORITY_KEY, sequence(implicit(0, keyId(createPublicKey(issuer.key))))),
      ),
    ),
  );
  const der = sequence(body, ECDSA_SHA256, bits(sign("sha256", body, issuer.key)));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: ownKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(objectId(COMMON_NAME), text(commonName))));
}

function extension(id: string, value: Buffer, critical?: "critical"): Buffer {
  return sequence(objectId(id), ...(critical === undefined ? [] : [truth()]), octets(value));
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha1")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
}

/** `[2]` holds a host's name, `[7]` the bytes of an address. */
function alternativeName(name: string): Buffer {
  return isIP(name) === 0 ? implicit(2, Buffer.from(name, "ascii")) : implicit(7, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  // As the URL standard writes it: groups of hexadecimal digits, one gap at most.
  const [before = "", after] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string | undefined): string[] => (part ? part.split(":") : []);
  const [head, tail] = [groups(before), groups(after)];
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  const all = after === undefined ? head : [...head, ...gap, ...tail];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}
