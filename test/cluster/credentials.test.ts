import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, describe, test } from "node:test";
import { ClusterError } from "../../shared/errors.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import type { Role } from "../../shared/subjects.js";
import { NO_SERVER, anyServer } from "../deploy/nats-support.js";
import { type LedgerLine, programs, startCluster, testConfig } from "../support/cluster.js";
import { type ProductionNats, productionNats } from "../support/production-nats.js";
import { saf } from "../support/saf.js";

const binary = await anyServer();
const LIMIT = { timeout: 240_000 };
/** Made-up gradients, at a pace at which the run outlives its credentials: 8 s. */
const STEPS = 60;
const SLOT_MS = 60;
const WORKERS = ["worker-0", "worker-1"];
/** Of credentials that end in mid-run; the server counts in seconds. */
const SHORT_S = 3;
const LONG_S = 3600;
const RENEWAL_MS = 500;
/** After so many cuts while steps were being committed, the credentials are long-lived: a busy machine has to end too. */
const CUTS_WANTED = 4;
const CUT = "NATS cut the connection: the credentials are over";

const EVERYBODY: [Role, string][] = [
  ["coordinator", "coordinator"],
  ...WORKERS.map((id): [Role, string] => ["worker", id]),
];

interface Trained {
  weights: string;
  ledger: LedgerLine[];
  /** Of all processes. */
  log: Record<string, unknown>[];
  /** Connections that were cut off between the first and the last step. */
  cutsInMidRun: number;
}

/** Trains with credentials that live for `lifeSeconds` and are renewed in their files until the end. */
async function train(t: TestContext, server: ProductionNats, lifeSeconds: number): Promise<Trained> {
  const home = await mkdtemp(join(tmpdir(), "saf-test-"));
  t.after(() => rm(home, { recursive: true, force: true }));
  const out = join(home, "run");
  const file = join(home, "run.yaml");
  const config = testConfig({
    model: "plain",
    engine: "emulated",
    train: { max_steps: STEPS },
  });
  await writeFile(file, JSON.stringify(config));
  const logs = [join(out, "log.jsonl"), ...WORKERS.map((id) => join(home, `${id}.jsonl`))];
  const textOf = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
  let [cuts, cutsInMidRun] = [0, 0];
  const renew = async (): Promise<void> => {
    const steps = (await textOf(join(out, "ledger.jsonl"))).split("\n").length - 1;
    const now = (await Promise.all(logs.map(textOf))).join("").split(CUT).length - 1;
    if (steps > 0 && steps < STEPS) cutsInMidRun += now - cuts;
    cuts = now;
    const life = cutsInMidRun < CUTS_WANTED ? lifeSeconds : LONG_S;
    for (const [role, name] of EVERYBODY) await server.mint(role, name, life);
  };
  await renew();
  let renewing = Promise.resolve();
  const timer = setInterval(() => {
    renewing = renewing.then(renew);
  }, RENEWAL_MS);
  t.after(() => clearInterval(timer));

  const { cacheDir } = await programs();
  const nats = ["--nats-url", server.url, "--creds-file", join(server.directory, "creds"), "--pool", "pool"];
  const workers = WORKERS.map((id) =>
    saf([
      ...["worker", ...nats, "--id", id, "--cache-dir", cacheDir, "--log-file", join(home, `${id}.jsonl`)],
      ...["--engine", "emulated", "--compute-ms", String(SLOT_MS)],
    ]),
  );
  const { code, stderr } = await saf([
    ...["coordinator", ...nats, "--run", file, "--out", out, "--dismiss-workers"],
    ...["--set", `pool.min_workers=${WORKERS.length}`, "--set", "pool.heartbeat_ms=500"],
  ]);
  assert.equal(code, 0, stderr);
  for (const { code: end, stderr: words } of await Promise.all(workers)) assert.equal(end, 0, words);
  clearInterval(timer);
  await renewing;
  const lines = async <T>(path: string): Promise<T[]> =>
    (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as T);
  const { weights_sha256: weights } = JSON.parse(await readFile(join(out, "results.json"), "utf8")) as {
    weights_sha256: Record<string, string>;
  };
  return {
    weights: Object.values(weights).join(),
    ledger: await lines(join(out, "ledger.jsonl")),
    log: (await Promise.all(logs.map((path) => lines<Record<string, unknown>>(path)))).flat(),
    cutsInMidRun,
  };
}

describe("credentials that end", { skip: binary === undefined && NO_SERVER }, () => {
  test("are renewed in mid-run without losing a step, and the weights are the same", LIMIT, async (t) => {
    assert.ok(binary);
    const server = await productionNats(t, binary);
    const undisturbed = await train(t, server, LONG_S);
    assert.ok(!undisturbed.log.some(({ msg }) => msg === CUT));
    const renewed = await train(t, server, SHORT_S);

    t.diagnostic(`${renewed.cutsInMidRun} times a connection was cut in mid-run`);
    assert.ok(renewed.cutsInMidRun > 0, "the run was too quick to show anything");
    assert.ok(
      renewed.log.some(({ msg }) => msg === "Connected to NATS again"),
      "the coordinator was never cut off",
    );
    assert.deepEqual(
      renewed.log.filter(({ msg }) => /refused/i.test(String(msg))),
      [],
    );
    assert.equal(renewed.weights, undisturbed.weights);
    const steps = renewed.ledger.map(({ step }) => step);
    assert.deepEqual(
      steps,
      undisturbed.ledger.map(({ step }) => step),
    );
    assert.equal(new Set(steps).size, STEPS);
  });

  test(
    "hold the connection off until the file is renewed, and two refusals in a row do not end it",
    LIMIT,
    async (t) => {
      assert.ok(binary);
      let refused = 0;
      let enough = (): void => undefined;
      const refusedTwice = new Promise<void>((resolve) => (enough = resolve));
      const server = await productionNats(t, binary, {
        onLog: (line) => {
          if (/authentication error/i.test(line) && ++refused === 3) enough();
        },
      });
      const warnings: string[] = [];
      const bus = await connectNats({
        ...{ url: server.url, identity: "w1", purpose: "test", connectTimeoutMs: 10_000 },
        credentialsFile: await server.mint("worker", "w1", 3),
        onWarning: (message) => warnings.push(message),
      });
      t.after(() => bus.close());
      await refusedTwice;
      assert.equal(bus.connected, false);
      // While the file is being replaced it is not there: the old credentials are shown once more.
      await rm(server.credentialsFile("w1"));
      await new Promise<void>((resolve) => {
        const before = refused;
        const look = setInterval(() => {
          if (refused === before) return;
          clearInterval(look);
          resolve();
        }, 20);
      });
      const back = new Promise<void>((resolve) => {
        bus.onConnection((connected) => {
          if (connected) resolve();
        });
      });
      await server.mint("worker", "w1", 3600);
      await back;
      assert.ok(bus.connected);
      const words = warnings.join("\n");
      assert.match(words, /credentials of w1 end in \d s and nobody has renewed .*w1\.creds/);
      assert.match(words, /w1\.creds: the file is missing; going on with the credentials read before/);
    },
  );

  test("of another authority are refused within seconds, with exit code 5", LIMIT, async (t) => {
    assert.ok(binary);
    const [server, other] = [await productionNats(t, binary), await productionNats(t, binary)];
    const began = performance.now();
    await assert.rejects(
      connectNats({
        ...{ url: server.url, identity: "w1", purpose: "test", connectTimeoutMs: 60_000 },
        credentialsFile: await other.mint("worker", "w1"),
      }),
      (error) =>
        error instanceof ClusterError &&
        error.exitCode === 5 &&
        /refused the credentials/.test(error.hint ?? ""),
    );
    assert.ok(performance.now() - began < 30_000, "it went on dialling");
  });

  test(
    "of a rotated key are cut off when its grace is over, the others' connections stay",
    LIMIT,
    async (t) => {
      assert.ok(binary);
      const server = await productionNats(t, binary);
      const connect = async (role: Role, name: string): ReturnType<typeof connectNats> => {
        const bus = await connectNats({
          ...{ url: server.url, identity: name, purpose: "test", connectTimeoutMs: 10_000 },
          credentialsFile: await server.mint(role, name),
        });
        t.after(() => bus.close());
        return bus;
      };
      const [worker, coordinator] = [
        await connect("worker", "w1"),
        await connect("coordinator", "coordinator"),
      ];
      const cut: string[] = [];
      const gone = new Promise<void>((resolve) => {
        worker.onConnection((connected) => {
          if (!connected) resolve();
        });
      });
      worker.onConnection((connected) => cut.push(`worker ${connected}`));
      coordinator.onConnection((connected) => cut.push(`coordinator ${connected}`));

      await server.authority.rotate(["worker"], 3600, Date.now());
      await server.reload();
      await Promise.all([worker.flush(), coordinator.flush()]);
      assert.equal(cut.join(), "", "nobody is cut off while the grace lasts");
      const renewed = await connect("worker", "w2");
      renewed.onConnection((connected) => cut.push(`w2 ${connected}`));

      await server.authority.prune(Date.now() + 3_601_000);
      await server.reload();
      await gone;
      await Promise.all([renewed.flush(), coordinator.flush()]);
      assert.ok(renewed.connected && coordinator.connected);
      assert.deepEqual(new Set(cut), new Set(["worker false"]));
    },
  );
});

test("what is set for a NATS of many machines does not disturb a local cluster", LIMIT, async (t) => {
  const set = {
    SAF_NATS_URL: "tls://nats.invalid:4222",
    SAF_NATS_CREDS_FILE: "/nowhere/creds",
    SAF_NATS_CA_FILE: "/nowhere/ca.crt",
  };
  Object.assign(process.env, set);
  t.after(() => Object.keys(set).forEach((name) => delete process.env[name]));
  const cluster = await startCluster(t, {
    ...{ workers: 1, isEmulated: true },
    config: { model: "plain", train: { max_steps: 2 } },
  });
  assert.equal(await cluster.finished(), 0, cluster.words());
});
