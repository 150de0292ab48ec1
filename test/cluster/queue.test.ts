/**
 * A coordinator that takes work in while it runs, with a real nats-server and emulated workers: submitted, listed, followed,
 * cancelled and gone on with from another process, across a kill of the coordinator.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { connectNats } from "../../shared/io/nats-bus.js";
import { MOST_SPEC_BYTES } from "../../coordinator/queue/desk.js";
import type { Bus } from "../../shared/bus.js";
import { PROTOCOL_VERSION, readMessage, wire, writeMessage } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import {
  type TestCluster,
  ledgerOf,
  startCluster,
  temporaryDirectory,
  testConfig,
} from "../support/cluster.js";
import { PROGRAM, type SafRun, saf } from "../support/saf.js";

const LIMIT = { timeout: 180_000 };
const STEPS = 80;
const s = subjectsOf("local");

interface Entry {
  id: string;
  state: string;
  folder: string;
  exit_code: number | null;
  message: string;
}

/** `saf` as somebody with a submitter's rights; `who`: another identity. */
function asUser(
  cluster: TestCluster,
  who: "submitter" | "observer" = "submitter",
): (...args: string[]) => Promise<SafRun> {
  const { url, credentials } = cluster.local.server;
  const nats = ["--nats-url", url, "--id", who, "--creds-file", credentials[who].seedFile];
  return (command = "", ...args) => saf([command, ...args, ...nats]);
}

async function busOf(t: TestContext, cluster: TestCluster, identity: "submitter" | "observer"): Promise<Bus> {
  const { url, credentials } = cluster.local.server;
  const bus = await connectNats({
    ...credentials[identity],
    ...{ url, purpose: "test", connectTimeoutMs: 20_000 },
  });
  t.after(() => bus.close());
  return bus;
}

/** Steps done by each run, as the events tell. */
async function watchSteps(
  bus: Bus,
): Promise<{ until: (isThere: (done: ReadonlyMap<string, number>) => boolean) => Promise<void> }> {
  const done = new Map<string, number>();
  const waiting = new Set<() => void>();
  bus.subscribe(s.eventPattern, ({ data }) => {
    const event = readMessage(wire.Event, data);
    if (event?.progress?.phase !== "training") return;
    done.set(event.progress.runId ?? "", event.progress.done ?? 0);
    for (const look of waiting) look();
  });
  await bus.flush();
  return {
    until: (isThere) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!isThere(done)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

test(
  "two submissions share the pool; one is cancelled, the coordinator is killed, and both end right",
  LIMIT,
  async (t) => {
    const cluster = await startCluster(t, {
      ...{ workers: 2, isEmulated: true, isQueue: true, restartCoordinator: true },
      // Long enough for `saf cancel` to start while both train, also on a busy machine.
      pool: { compute_ms: 20, min_workers: 1 },
    });
    const folder = await temporaryDirectory(t);
    const file = join(folder, "run.yaml");
    await writeFile(
      file,
      JSON.stringify(testConfig({ name: "pair", engine: "emulated", train: { max_steps: STEPS } })),
    );
    const user = asUser(cluster);
    const steps = await watchSteps(await busOf(t, cluster, "observer"));

    const [first, second] = [await user("submit", file), await user("submit", file, "--share", "2")];
    assert.deepEqual([first.stdout, second.stdout], ["pair\n", "pair-2\n"], first.stderr + second.stderr);
    await steps.until((done) => (done.get("pair-pair") ?? 0) > 5 && (done.get("pair-2-pair-2") ?? 0) > 5);
    const cancelled = await user("cancel", "pair-2", "--json");
    assert.equal(cancelled.code, 0, cancelled.stderr);
    const log = await user("logs", "-f", "pair-2");
    assert.match(log.stderr, /pair-2: cancelled; saf submit --resume pair-2 goes on with it/);

    cluster.signalCoordinator("SIGKILL");
    const followed = user("submit", "--resume", "pair-2", "--wait", "--json", "--progress", "none");
    const listed = await asUser(cluster, "observer")("list", "--json");
    const { submissions } = JSON.parse(listed.stdout) as { submissions: Entry[] };
    assert.deepEqual(
      submissions.map(({ id }) => id),
      ["pair", "pair-2"],
      listed.stderr,
    );
    assert.notEqual(submissions[0]?.state, "failed");
    const { code, stdout, stderr } = await followed;
    assert.equal(code, 0, stderr);
    const end = JSON.parse(stdout) as Entry;
    assert.deepEqual([end.state, end.exit_code, end.folder], ["done", 0, join(cluster.out, "pair-2")]);
    await user("logs", "-f", "pair");

    const results = await Promise.all(
      ["pair", "pair-2"].map(async (id) => {
        const directory = join(cluster.out, id);
        const { weights_sha256: weights, interrupted } = JSON.parse(
          await readFile(join(directory, "results.json"), "utf8"),
        ) as { weights_sha256: Record<string, string>; interrupted: boolean };
        assert.deepEqual(
          ledgerOf(directory).map(({ step }) => step),
          Array.from({ length: STEPS }, (_, step) => step),
        );
        return { weights: Object.values(weights), interrupted };
      }),
    );
    // The same settings: the same weights, whoever was interrupted how.
    assert.deepEqual(results[0], results[1]);
    assert.equal(results[0]?.interrupted, false);

    await measuresAlone(cluster);
    await refusesOthers(t, cluster, folder);
  },
);

/** An evaluation is handed in, listed and read like any other work, and measures the other submission's weights. */
async function measuresAlone(cluster: TestCluster): Promise<void> {
  const user = asUser(cluster);
  const options = [
    "--set",
    "evaluate.clean_images=200",
    "--share",
    "2",
    "--wait",
    "--json",
    "--progress",
    "none",
  ];
  const { code, stdout, stderr } = await user("submit", "--evaluate", "pair", ...options);
  assert.equal(code, 0, stderr);
  const { id, state, folder } = JSON.parse(stdout) as Entry;
  assert.deepEqual([id, state], ["pair-evaluation", "done"]);
  const resultsOf = async (directory: string): Promise<{ weights_sha256: object; models: { n: number }[] }> =>
    JSON.parse(await readFile(join(directory, "results.json"), "utf8")) as {
      weights_sha256: object;
      models: { n: number }[];
    };
  const [own, trained] = [await resultsOf(folder), await resultsOf(join(cluster.out, "pair"))];
  assert.deepEqual(Object.values(own.weights_sha256), Object.values(trained.weights_sha256));
  assert.equal(own.models[0]?.n, 200);
  const gone = await user("submit", "--evaluate", "nobody");
  assert.equal(gone.code, 2, gone.stderr);
  assert.match((await user("logs", id)).stdout, /\S/);
}

/** What is forged, oversized or not allowed changes nothing, and is named. */
async function refusesOthers(t: TestContext, cluster: TestCluster, folder: string): Promise<void> {
  const wrong = join(folder, "wrong.yaml");
  await writeFile(wrong, "model: plain\ntrain:\n  slotss: 4\n");
  const unsent = await asUser(cluster)("submit", wrong);
  assert.equal(unsent.code, 2);
  assert.match(unsent.stderr, /wrong\.yaml:3:3: .*slotss/);
  const looking = await asUser(cluster, "observer")("cancel", "pair");
  assert.equal(looking.code, 2);
  assert.match(looking.stderr, /observer may look at work, and not change it/);
  const bus = await busOf(t, cluster, "submitter");
  const specJson = JSON.stringify({ name: "a".repeat(2 * MOST_SPEC_BYTES) });
  const submission = { key: "0123456789abcdef", kind: "run", specJson };
  const request = writeMessage(wire.SubmitRequest, { protocol: PROTOCOL_VERSION, submission });
  const answer = readMessage(wire.SubmitReply, await bus.request(s.submit("submitter"), request, 20_000));
  assert.match(answer?.reason ?? "", /at most/);
  const log = await readFile(join(cluster.out, "log.jsonl"), "utf8");
  assert.match(log, /Refused what submitter asked: The request has \d+ bytes/);
}

test("saf up --queue takes work in on its machine, and says so to saf train", LIMIT, async (t) => {
  const folder = await temporaryDirectory(t);
  const env = { SAF_STATE_DIR: join(folder, "state") };
  const config = testConfig({ name: "small", engine: "emulated", train: { max_steps: 10 } });
  await writeFile(join(folder, "run.yaml"), JSON.stringify(config));
  const args = ["up", "--queue", "--engine", "emulated", "-w", "1", "--set", "pool.compute_ms=5"];
  const up = spawn(process.execPath, [PROGRAM, ...args], {
    ...{ cwd: folder, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] as const },
  });
  const ended = once(up, "close");
  t.after(async () => {
    up.kill("SIGKILL");
    await ended;
  });
  const words: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: up.stderr }).on("line", (line) => {
      words.push(line);
      if (line.startsWith("it takes work in")) resolve();
    });
    void ended.then(() => reject(new Error(words.join("\n"))));
  });
  const inFolder = (...command: string[]): Promise<SafRun> => saf(command, { cwd: folder, env });
  const done = await inFolder("submit", "run.yaml", "--wait", "--progress", "plain");
  assert.equal(done.code, 0, `${done.stderr}\n${words.join("\n")}`);
  assert.equal(done.stdout, "small\n");
  const sweep = {
    name: "rates",
    base: "run.yaml",
    parameters: { "train.learning_rate": { grid: [0.01, 0.02] } },
  };
  await writeFile(join(folder, "sweep.yaml"), JSON.stringify(sweep));
  const swept = await inFolder("submit", "sweep.yaml", "--wait", "--json", "--progress", "none");
  const { id, state, folder: place, exit_code: exitCode } = JSON.parse(swept.stdout) as Entry;
  assert.deepEqual([id, state, exitCode, swept.code], ["rates", "done", 0, 0], swept.stderr);
  const journal = await readFile(join(place, "sweep.jsonl"), "utf8");
  assert.equal(journal.split('"kind":"result"').length - 1, 2, journal);
  const refused = await inFolder("train", "-c", "run.yaml", "-w", "1");
  assert.equal(refused.code, 5, refused.stderr);
  assert.match(refused.stderr, /is led by saf up --queue[^]*saf submit[^]*--alone/);
  up.kill("SIGINT");
  assert.deepEqual(await ended, [130, null], words.join("\n"));
});
