import assert from "node:assert/strict";
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, describe, test } from "node:test";
import type { Bus } from "../../../shared/bus.js";
import { ClusterError, exitCodeOf } from "../../../shared/errors.js";
import { type NatsBusOptions, connectNats } from "../../../shared/io/nats-bus.js";
import { NO_SERVER, anyServer } from "../../deploy/nats-support.js";
import { Certificates, noOpenssl, productionNats } from "../../support/production-nats.js";
import type { ProductionNats } from "../../support/production-nats.js";
import { saf } from "../../support/saf.js";

const binary = await anyServer();
const skip = binary === undefined ? NO_SERVER : noOpenssl();
const LIMIT = { timeout: 60_000 };

interface World {
  server: ProductionNats;
  certificates: Certificates;
  directory: string;
  url: string;
}

async function encrypted(t: TestContext, tls = ""): Promise<World> {
  assert.ok(binary);
  const directory = await mkdtemp(join(tmpdir(), "saf-tls-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const certificates = new Certificates(directory);
  certificates.authority("authority");
  certificates.authority("stranger");
  await certificates.sign("server", "authority");
  await certificates.sign("client", "authority");
  const files = `cert_file: "${certificates.certificate("server")}", key_file: "${certificates.key("server")}"`;
  const server = await productionNats(t, binary, {
    tls: `${files}, ca_file: "${certificates.certificate("authority")}"${tls}`,
  });
  return { server, certificates, directory, url: `tls://localhost:${server.port}` };
}

async function busOf(t: TestContext, world: World, more: Partial<NatsBusOptions> = {}): Promise<Bus> {
  const bus = await connectNats({
    url: world.url,
    caFile: world.certificates.certificate("authority"),
    credentialsFile: await world.server.mint("coordinator"),
    identity: "coordinator",
    purpose: "test",
    connectTimeoutMs: 10_000,
    ...more,
  });
  t.after(() => bus.close());
  return bus;
}

async function refusal(promise: Promise<unknown>): Promise<ClusterError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError, `it was ${String(error)}`);
  return error;
}

const toldOf = (bus: Bus, connected: boolean): Promise<void> =>
  new Promise((resolve) => {
    bus.onConnection((now) => {
      if (now === connected) resolve();
    });
  });

describe("NATS over TLS", { skip: skip ?? false }, () => {
  test("megabytes arrive whole, in order, with answers", LIMIT, async (t) => {
    const world = await encrypted(t);
    const [bus, other] = [await busOf(t, world), await busOf(t, world)];
    const sent = Array.from({ length: 40 }, (_, i) =>
      Uint8Array.from({ length: 256 * 1024 }, (_, k) => (k * 31 + i) & 255),
    );
    const arrived: Uint8Array[] = [];
    const all = new Promise<void>((resolve) => {
      bus.subscribe("saf.v1.pool.param.0", ({ data }) => {
        arrived.push(new Uint8Array(data));
        if (arrived.length === sent.length) resolve();
      });
    });
    bus.subscribe("saf.v1.pool.events.echo", ({ data, respond }) => respond(data));
    await bus.flush();
    for (const frame of sent) other.publish("saf.v1.pool.param.0", frame);
    await other.flush();
    await all;
    for (const [i, frame] of arrived.entries()) assert.deepEqual(frame, sent[i], `frame ${i}`);
    const echo = await other.request("saf.v1.pool.events.echo", sent[3] as Uint8Array, 10_000);
    assert.deepEqual(echo, sent[3]);
  });

  test("a host dialled by its address must be in the certificate too", LIMIT, async (t) => {
    const world = await encrypted(t);
    const url = `tls://127.0.0.1:${world.server.port}`;
    assert.ok((await busOf(t, world, { url })).connected);

    const { certificates } = world;
    await certificates.sign("elsewhere", "authority", "DNS:localhost");
    await copyFile(certificates.certificate("elsewhere"), certificates.certificate("server"));
    await copyFile(certificates.key("elsewhere"), certificates.key("server"));
    await world.server.reload();
    const error = await refusal(busOf(t, world, { url }));
    assert.equal(error.exitCode, 5);
    assert.match(`${error.message} ${error.hint}`, /127\.0\.0\.1|ALTNAME/);
    assert.match(error.hint ?? "", /not for this host.*must stand in its subjectAltName/);
  });

  test("a server signed by a stranger is refused at once, with exit code 5 and a hint", LIMIT, async (t) => {
    const world = await encrypted(t);
    const began = performance.now();
    const caFile = world.certificates.certificate("stranger");
    const error = await refusal(busOf(t, world, { caFile, connectTimeoutMs: 60_000 }));
    assert.ok(performance.now() - began < 15_000, "it went on dialling");
    assert.equal(exitCodeOf(error), 5);
    assert.match(error.hint ?? "", /TLS failed.*SAF_NATS_CA_FILE/);

    const credentials = await world.server.mint("worker", "w1");
    const { code, stderr } = await saf([
      ...["coordinator", "--run", "examples/mnist-plain.yaml", "--out", join(world.directory, "run")],
      ...["--nats-url", world.url, "--creds-file", credentials, "--nats-ca-file", caFile],
    ]);
    assert.equal(code, 2, stderr); // the credentials are a worker's: seen before anything is dialled
    await world.server.mint("coordinator");
    const second = await saf([
      ...["coordinator", "--run", "examples/mnist-plain.yaml", "--out", join(world.directory, "run")],
      ...["--nats-url", world.url, "--nats-ca-file", caFile],
      ...["--creds-file", join(world.server.directory, "creds")],
    ]);
    assert.equal(second.code, 5, second.stderr);
    assert.match(second.stderr, /TLS failed/);
  });

  test(
    "a server that asks for a certificate gets ours, and nobody without one is let in",
    LIMIT,
    async (t) => {
      const world = await encrypted(t, ", verify: true");
      const { certificates } = world;
      const own = { certFile: certificates.certificate("client"), keyFile: certificates.key("client") };
      assert.ok((await busOf(t, world, own)).connected);
      assert.equal((await refusal(busOf(t, world, { connectTimeoutMs: 500 }))).exitCode, 5);
    },
  );

  test("renewed certificates are used at the next dial", LIMIT, async (t) => {
    const world = await encrypted(t, ", verify: true");
    const { certificates, directory, server } = world;
    const own = { certFile: join(directory, "own.crt"), keyFile: join(directory, "own.key") };
    const caFile = join(directory, "ca.crt");
    const take = async (name: string, ca: string): Promise<void> => {
      await copyFile(certificates.certificate(name), own.certFile);
      await copyFile(certificates.key(name), own.keyFile);
      await copyFile(certificates.certificate(ca), caFile);
    };
    await take("client", "authority");
    const bus = await busOf(t, world, { ...own, caFile });

    // Another authority on both sides; the connection is then cut.
    await certificates.sign("server-2", "stranger");
    await certificates.sign("client-2", "stranger");
    await take("client-2", "stranger");
    await copyFile(certificates.certificate("server-2"), certificates.certificate("server"));
    await copyFile(certificates.key("server-2"), certificates.key("server"));
    await copyFile(certificates.certificate("stranger"), certificates.certificate("authority"));
    const [gone, back] = [toldOf(bus, false), toldOf(bus, true)];
    await server.reload();
    await server.authority.rotate(["coordinator"], 0, Date.now());
    await server.authority.prune(Date.now());
    await server.mint("coordinator");
    await server.reload();
    await gone;
    await back;
    assert.ok(bus.connected);
  });

  test("less than the URL asks for is never taken", LIMIT, async (t) => {
    assert.ok(binary);
    const plain = await productionNats(t, binary);
    const world = await encrypted(t);
    const identity = { identity: "coordinator", purpose: "test", connectTimeoutMs: 500 };
    const credentialsFile = await plain.mint("coordinator");
    const caFile = world.certificates.certificate("authority");
    const dial = (options: Partial<NatsBusOptions>): Promise<ClusterError> =>
      refusal(connectNats({ url: plain.url, credentialsFile, ...identity, ...options }));

    const noTls = await dial({ url: plain.url.replace("nats:", "tls:"), caFile });
    assert.deepEqual([noTls.exitCode, /offers no TLS/.test(noTls.hint ?? "")], [5, true]);
    const asked = await dial({
      url: world.url.replace("tls:", "nats:"),
      credentialsFile: await world.server.mint("coordinator"),
    });
    assert.deepEqual([asked.exitCode, asked.hint], [5, "the server asks for TLS: write tls://"]);
    const wrong: [Partial<NatsBusOptions>, RegExp][] = [
      [{ caFile }, /files for TLS .* nats:\/\//],
      [{ url: `${world.url},${plain.url}` }, /mixes/],
      [{ url: world.url, certFile: caFile }, /needs its key/],
      [
        { url: world.url, caFile: join(world.directory, "none.crt") },
        /none\.crt of TLS: the file is missing/,
      ],
      [{ url: "http://localhost:4222" }, /no NATS URL/],
      [{ url: "nats://me:hunter2@localhost:4222" }, /\*\*\*@localhost:4222 holds a secret/],
    ];
    for (const [options, words] of wrong) {
      const error = await dial(options);
      assert.equal(error.exitCode, 2, error.message);
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /hunter2/);
    }
  });
});

describe("a file of credentials", { skip: binary === undefined && NO_SERVER }, () => {
  test("may be in a folder, or have {id} in its path; one for everybody's eyes is told", LIMIT, async (t) => {
    assert.ok(binary);
    const server = await productionNats(t, binary);
    const file = await server.mint("worker", "w1");
    const warnings: string[] = [];
    for (const credentialsFile of [file, join(server.directory, "creds"), file.replace("w1", "{id}")]) {
      const bus = await connectNats({
        ...{ url: server.url, credentialsFile, identity: "w1", purpose: "test", connectTimeoutMs: 10_000 },
        onWarning: (message) => warnings.push(message),
      });
      await bus.close();
    }
    assert.equal(warnings.join("\n"), "");
    await chmod(file, 0o644);
    const bus = await connectNats({
      ...{
        url: server.url,
        credentialsFile: file,
        identity: "w1",
        purpose: "test",
        connectTimeoutMs: 10_000,
      },
      onWarning: (message) => warnings.push(message),
    });
    await bus.close();
    assert.match(warnings[0] ?? "", /w1\.creds can be read by every user/);
  });

  test("that is missing, damaged, over or another's is an error that names it", LIMIT, async (t) => {
    assert.ok(binary);
    const server = await productionNats(t, binary);
    const file = await server.mint("worker", "w1");
    const over = await server.mint("worker", "w2", -10);
    const noise = join(server.directory, "noise.creds");
    await writeFile(noise, "-----BEGIN NATS USER JWT-----\nno\n", { mode: 0o600 });
    const dial = (credentialsFile: string, identity: string): Promise<ClusterError> =>
      refusal(
        connectNats({
          ...{ url: server.url, credentialsFile, identity, purpose: "test", connectTimeoutMs: 60_000 },
        }),
      );
    for (const [path, identity, exitCode, words] of [
      [join(server.directory, "none.creds"), "w1", 2, /none\.creds: the file is missing/],
      [noise, "w1", 2, /noise\.creds: expected an nkey seed/],
      [file, "w9", 2, /w1\.creds are of "w1", this process is "w9"/],
      [over, "w2", 5, /as w2/],
    ] as const) {
      const error = await dial(path, identity);
      assert.equal(error.exitCode, exitCode, error.message);
      assert.match(error.message, words);
    }
  });
});
