import assert from "node:assert/strict";
import { test } from "node:test";
import {
  coordinatorArguments,
  withoutSettings,
  workerArguments,
  workerProcessEnvironment,
} from "../../../deploy/local/command-lines.js";
import { poolSchema } from "../../../shared/config/pool.js";

const connection = { url: "nats://127.0.0.1:4222", seedFile: "keys/a.seed", pool: "local", memory: "rings" };
const pool = poolSchema.parse({ heartbeat_ms: 250 });

/** The value behind an option, or undefined where it is not given. */
function optionOf(args: readonly string[], name: string): string | undefined {
  const place = args.indexOf(name);
  return place < 0 ? undefined : args[place + 1];
}

test("both programs learn where the server is, who they are and where the rings lie", () => {
  const files = { cacheDir: "cache", logFile: "worker-1.jsonl" };
  const worker = { id: "worker-1", engine: "wasm", computeMs: 50, ...files } as const;
  const coordinator = { pool, httpPort: undefined, page: undefined, others: ["--run", "run.yaml"] };
  for (const args of [workerArguments(connection, worker), coordinatorArguments(connection, coordinator)]) {
    assert.equal(optionOf(args, "--nats-url"), connection.url);
    assert.equal(optionOf(args, "--creds-file"), connection.seedFile);
    assert.equal(optionOf(args, "--pool"), "local");
    assert.equal(optionOf(args, "--shared-memory"), "rings");
  }
  const alone = workerArguments({ ...connection, memory: undefined }, worker);
  assert.equal(optionOf(alone, "--shared-memory"), undefined);
  const args = coordinatorArguments(connection, coordinator);
  assert.ok(args.includes("pool.heartbeat_ms=250"));
  assert.deepEqual(args.slice(-2), ["--run", "run.yaml"]);
});

test("only the emulated engine is told how long a slot takes", () => {
  const files = { cacheDir: "cache", logFile: "worker-1.jsonl" };
  const argsOf = (engine: "wasm" | "emulated"): string[] =>
    workerArguments(connection, { id: "worker-1", engine, computeMs: "worker-1=250,50", ...files });
  assert.equal(optionOf(argsOf("emulated"), "--compute-ms"), "worker-1=250,50");
  assert.equal(optionOf(argsOf("wasm"), "--compute-ms"), undefined);
});

test("the live page gets the port that was asked for, and after a restart the one that it had", () => {
  const argsWith = (httpPort: number | undefined, page: string | undefined): string[] =>
    coordinatorArguments(connection, { pool, httpPort, page, others: [] });
  for (const port of [undefined, 0])
    assert.equal(optionOf(argsWith(port, undefined), "--http-port"), undefined);
  const first = argsWith(8080, undefined);
  assert.equal(optionOf(first, "--http-port"), "8080");
  assert.ok(!first.includes("--http-any-port"));
  const again = argsWith(8080, "http://localhost:9090/");
  assert.equal(optionOf(again, "--http-port"), "9090");
  assert.ok(again.includes("--http-any-port"));
});

test("what the user set for a NATS of their own does not reach the processes; the rest does", () => {
  const environment = {
    SAF_NATS_URL: "nats://elsewhere",
    SAF_NATS_SEED_FILE: "a.seed",
    SAF_POOL_HEARTBEAT_MS: "7",
    SAF_NATS_TIMEOUT_S: "3",
    SAF_HTTP_PORT: "8080",
    HOME: "home",
  };
  assert.deepEqual(withoutSettings(environment), {
    SAF_NATS_TIMEOUT_S: "3",
    SAF_HTTP_PORT: "8080",
    HOME: "home",
  });
  assert.deepEqual(workerProcessEnvironment(environment, { TF_THREADS: "1" }), {
    SAF_NATS_TIMEOUT_S: "3",
    SAF_HTTP_PORT: "0",
    HOME: "home",
    TF_THREADS: "1",
  });
});
