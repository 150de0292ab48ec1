import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { openApiDocument } from "../../../coordinator/live/core/openapi.js";
import { VERSION } from "../../../shared/version.js";
import { OPENAPI_FILE, openApiText } from "../../docs/tables.js";
import { sweepMessage } from "../../../shared/sweep-progress.js";
import { sweepAfter } from "../../support/sweep-progress.js";
import { RUN, eventually, opened, startLive, trained } from "./live-support.js";

interface Operation {
  parameters?: { name: string; in: string }[];
  responses: Record<string, { content: { "application/json": { schema: object } } }>;
}
interface Document {
  servers: { url: string }[];
  paths: Record<string, { get: Operation }>;
  components: { schemas: Record<string, object> };
}

const document = openApiDocument(VERSION) as Document;
const ajv = new Ajv2020({ strict: true, allErrors: true });
ajv.addVocabulary(["components"]);
ajv.addSchema({ $id: "api", components: document.components });

/** Errors of an answer against the schema that the document gives for it. */
function problems(path: string, status: number, answer: unknown): unknown {
  const schema = document.paths[path]?.get.responses[status]?.content["application/json"].schema;
  assert.ok(schema !== undefined, `${path} documents no ${status}`);
  const placed = JSON.parse(
    JSON.stringify(schema).replaceAll('"#/components/', '"api#/components/'),
  ) as object;
  const validate = ajv.compile(placed);
  return validate(answer) ? null : validate.errors;
}

test("the OpenAPI file in docs/ is the one that is served", async (t) => {
  const live = await startLive(t, {}, { version: VERSION });
  const served = await (await fetch(`${live.url}/api/v1/openapi.json`)).text();
  assert.equal(readFileSync(OPENAPI_FILE, "utf8"), openApiText());
  assert.deepEqual(JSON.parse(served), JSON.parse(openApiText()));
});

test("every answer of the API is as the OpenAPI file says, at every stage of a run", async (t) => {
  const live = await startLive(t);
  const point = {
    kind: "noisy",
    strength: 0.1,
    n: 10,
    error: 0.5,
    ci_low: 0.2,
    ci_high: 0.8,
    mean_confidence: NaN,
  } as const;
  const held = { runId: RUN, attempt: 2, held_seconds: 9, deadline_seconds: -1 };
  const stages = [
    () => undefined,
    () => live.tell({ timeMs: 1, phase: { name: "waiting", detail: "for 1 worker(s)" } }),
    () => live.tell({ timeMs: 2, phase: { runId: RUN, model: "plain", name: "loading", detail: "" } }),
    () => live.tell(opened()),
    () =>
      live.tell({
        timeMs: 3,
        workers: { workers: [{ workerId: "worker-1", state: "busy", engine: "wasm" }] },
        pool: {
          workers: [{ id: "worker-1", holds: { ...held, unit: "step 2, slot 0" }, rests_seconds: 0 }],
          waits: [{ runId: RUN, text: "step 2 waits for slot 0 of worker-1", is_late: true }],
          taken: [{ runId: RUN, worker: "worker-1", unit: "step 1", reason: "late", ago_seconds: 3 }],
        },
      }),
    () => {
      for (let step = 1; step < 30; step++) live.tell(trained(step, 3 / step));
    },
    () => live.tell(trained(30, NaN)),
    () => live.tell({ testAccuracy: { runId: RUN, step: 30, accuracy: 0.5 } }),
    () => live.tell({ learningRate: { runId: RUN, rate: 0.05 } }),
    () => live.tell({ measured: { runId: RUN, checkpoint: "ab", points: [point] } }),
    () =>
      live.tell({
        progress: {
          runId: RUN,
          model: "plain",
          phase: "evaluating",
          done: 1,
          total: 9,
          etaSeconds: -1,
          samplesPerSecond: Infinity,
        },
      }),
    () => live.tell({ workers: { workers: [] } }),
    () => live.tell({ timeMs: 4, sweep: { name: "s" } }),
    () => live.tell({ timeMs: 5, sweep: sweepMessage(sweepAfter(700, 1000, { name: "s" })) }),
    () => live.tell({ timeMs: 6, sweep: sweepMessage(sweepAfter(2000, 1000, { name: "s", seconds: NaN })) }),
    () =>
      live.tell({
        result: {
          runId: RUN,
          points: [{ ...point, unreliable: ["so"] }],
          checks: [{ number: 3, title: "t", status: "not run", detail: "" }],
          unreliable: ["so"],
        },
      }),
    () =>
      live.tell({ finished: { runId: RUN, ok: false, message: "diverged", code: "diverged", exitCode: 4 } }),
    () => live.tell({ finished: { ok: false, message: "no", code: "unexpected", exitCode: 1 } }),
  ];
  const seen = new Map<string, Set<number>>();
  for (const [i, stage] of stages.entries()) {
    stage();
    // What was told before this note has come in when the note is there.
    live.tell({ note: { level: "info", message: `stage ${i}` } });
    await eventually(async () => {
      const { events } = (await (await fetch(`${live.url}/api/v1/events`)).json()) as {
        events: { message: string }[];
      };
      assert.equal(events.at(-1)?.message, `stage ${i}`);
    });
    for (const path of Object.keys(document.paths)) {
      const response = await fetch(
        `${live.url}/api/v1${path.replace("{run}", "plain").replace("{sweep}", "s")}`,
      );
      assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
      assert.equal(problems(path, response.status, await response.json()), null, `stage ${i}, ${path}`);
      seen.set(path, (seen.get(path) ?? new Set()).add(response.status));
    }
  }
  for (const [path, statuses] of seen)
    assert.deepEqual([...statuses].sort(), path.includes("{") ? [200, 404] : [200], path);
});

test("a wrong document would be noticed", () => {
  assert.notEqual(problems("/runs", 200, { runs: [{ name: "plain" }] }), null);
  assert.notEqual(problems("/workers", 200, { workers: [], more: 1 }), null);
});

test("runs are found by name and by id, sweeps by name, and events after a number", async (t) => {
  const live = await startLive(t);
  live.tell(opened("20260101-run-a b", "a b"));
  for (let i = 0; i < 5; i++) live.tell({ note: { level: "info", message: `note ${i}` } });
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${live.url}/api/v1${path}`)).json()) as Record<string, unknown>;
  await eventually(async () => assert.equal((await get("/runs/a%20b"))["id"], "20260101-run-a b"));
  assert.equal((await get("/runs/20260101-run-a%20b"))["name"], "a b");
  await eventually(async () => assert.equal(((await get("/events"))["events"] as unknown[]).length, 5));
  assert.deepEqual(
    ((await get("/events?after=2"))["events"] as { seq: number }[]).map(({ seq }) => seq),
    [3, 4],
  );
  live.tell({ sweep: sweepMessage(sweepAfter(30, 100, { name: "wide" })) });
  await eventually(async () => assert.equal((await get("/sweeps/wide"))["planned"], 100));
  assert.deepEqual(
    ((await get("/sweeps"))["sweeps"] as { name: string }[]).map(({ name }) => name),
    ["wide"],
  );
  assert.deepEqual((await get("/sweeps/none"))["error"], { status: 404, message: "there is no such sweep" });
  for (const path of ["/runs/none", "/runs/%E0%A4%A", "/runs/", "/secret", "/runs/a%20b/secret"])
    assert.ok((await get(path))["error"], path);
});
