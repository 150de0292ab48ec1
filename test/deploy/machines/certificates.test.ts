/** Certificates of our making, as OpenSSL sees them: in Node's own checks, in a handshake, and by the program. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect, createServer } from "node:tls";
import {
  fingerprintOf,
  isGoodFor,
  makeAuthority,
  makeServerCertificate,
} from "../../../deploy/machines/certificates.js";
import { temporaryDirectory } from "../../support/cluster.js";

const NOW = Date.now();
const DAY_MS = 86_400_000;
const NAMES = [
  "lab.example",
  "192.168.1.5",
  "fd00::5",
  "::1",
  "2001:db8:1:2:3:4:5:6",
  "127.0.0.1",
  "localhost",
];
const authority = makeAuthority(NOW);
const server = makeServerCertificate(authority, NAMES, NOW);

test("the server's certificate is the authority's work, for its names and addresses and no others", () => {
  const certificate = new X509Certificate(server.certificate);
  const root = new X509Certificate(authority.certificate);
  assert.ok(certificate.verify(root.publicKey) && certificate.checkIssued(root));
  assert.ok(root.ca && !certificate.ca);
  for (const name of NAMES)
    assert.ok(/^[\d.]+$|:/.test(name) ? certificate.checkIP(name) : certificate.checkHost(name), name);
  assert.equal(certificate.checkHost("other.example"), undefined);
  assert.equal(certificate.checkIP("192.168.1.6"), undefined);
  assert.equal(certificate.checkIP("fd00::6"), undefined);
});

test("it is for a server only, and not older or younger than it says", () => {
  const certificate = new X509Certificate(server.certificate);
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.ok(Date.parse(certificate.validFrom) <= NOW - DAY_MS);
  const days = (Date.parse(certificate.validTo) - NOW) / DAY_MS;
  assert.ok(days > 396 && days < 398, `${days} days`);
});

test("a certificate is used again for its names until it nears its end, and with its own authority only", () => {
  const isGood = (names: readonly string[], nowMs: number, by = authority): boolean =>
    isGoodFor(server.certificate, by.certificate, names, { nowMs, days: 30 });
  assert.ok(isGood(NAMES, NOW));
  assert.ok(isGood(["192.168.1.5"], NOW + 360 * DAY_MS));
  assert.ok(!isGood(NAMES, NOW + 380 * DAY_MS));
  assert.ok(!isGood([...NAMES, "10.0.0.9"], NOW));
  assert.ok(!isGood(NAMES, NOW, makeAuthority(NOW)));
});

test("two authorities have two fingerprints; serial numbers are positive and differ", () => {
  const other = makeAuthority(NOW);
  assert.notDeepEqual(fingerprintOf(other.certificate), fingerprintOf(authority.certificate));
  const serials = Array.from(
    { length: 20 },
    () => new X509Certificate(makeAuthority(NOW).certificate).serialNumber,
  );
  assert.equal(new Set(serials).size, 20);
  assert.ok(
    serials.every((serial) => /^[4][0-9A-F]{31}$/.test(serial)),
    serials.join(),
  );
});

test("a handshake with full verification succeeds by the authority alone, and not for another name", async (t) => {
  const listener = createServer({ cert: server.certificate, key: server.key }, (socket) => socket.end("x"));
  listener.on("tlsClientError", () => undefined);
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => void listener.close());
  const { port } = listener.address() as AddressInfo;
  const handshake = async (ca: string, servername: string): Promise<string> => {
    const socket = connect({ host: "127.0.0.1", port, ca, servername });
    try {
      await once(socket, "secureConnect");
      return socket.authorized ? "authorized" : "not authorized";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    } finally {
      socket.destroy();
    }
  };
  assert.equal(await handshake(authority.certificate, "localhost"), "authorized");
  assert.equal(await handshake(authority.certificate, "other.example"), "ERR_TLS_CERT_ALTNAME_INVALID");
  assert.match(
    await handshake(makeAuthority(NOW).certificate, "localhost"),
    /SIGNATURE|VERIFY|SELF_SIGNED|ISSUER/,
  );
});

test("the openssl program takes the chain by its strict rules", async (t) => {
  if (spawnSync("openssl", ["version"]).status !== 0) {
    t.skip("this machine has no openssl");
    return;
  }
  const folder = await temporaryDirectory(t);
  const [root, leaf] = [join(folder, "authority.crt"), join(folder, "server.crt")];
  writeFileSync(root, authority.certificate);
  writeFileSync(leaf, server.certificate);
  const strict = ["-x509_strict", "-purpose", "sslserver", "-verify_ip", "fd00::5", "-CAfile", root, leaf];
  const { status, stdout, stderr } = spawnSync("openssl", ["verify", ...strict], { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
});
