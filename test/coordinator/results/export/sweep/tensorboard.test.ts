import assert from "node:assert/strict";
import { test } from "node:test";
import { hyperparametersFormat } from "../../../../../coordinator/results/export/sweep/tensorboard.js";
import type { ExportedSweep } from "../../../../../coordinator/results/export/sweep/exported-sweep.js";
import { tensorboard } from "../../../../../shared/proto/generated/tensorboard.js";
import { eventsOf } from "../../../../support/event-files.js";
import { BEGAN, ROWS, exportedSweep, rowOf } from "../../../../support/exported-sweeps.js";

/** Events by folder; that of the experiment is "". */
function render(sweep: ExportedSweep): Map<string, tensorboard.Event[]> {
  assert.ok(hyperparametersFormat.makes === "folder");
  const files = Object.entries(hyperparametersFormat.render(sweep));
  return new Map(
    files.map(([path, content]) => {
      const parts = path.split("/");
      assert.match(parts.at(-1) ?? "", /^events\.out\.tfevents\.\d+\.saf$/);
      return [parts.slice(0, -1).join("/"), eventsOf(Buffer.from(content))];
    }),
  );
}

/** What the plugin reads of a folder, by tag. */
function pluginData(
  events: readonly tensorboard.Event[] | undefined,
): Record<string, tensorboard.HParamsPluginData> {
  const values = (events ?? []).flatMap(({ summary }) => summary?.value ?? []);
  return Object.fromEntries(
    values.flatMap(({ tag, metadata, tensor }) => {
      const { pluginName, content } = metadata?.pluginData ?? {};
      if (pluginName !== "hparams" || !content) return [];
      assert.ok(tensor, "a summary without a tensor is left out by TensorBoard's data server");
      return [[tag ?? "", tensorboard.HParamsPluginData.decode(content)]];
    }),
  );
}

const FIRST = `0-${"0".repeat(16)}`;

test("the experiment says what is tried and what is measured, objectives first", () => {
  const { experiment } = pluginData(render(exportedSweep()).get(""))["_hparams_/experiment"] ?? {};
  assert.deepEqual([experiment?.name, experiment?.description, experiment?.timeCreatedSecs], ["robust", "Most robust net", BEGAN]); // prettier-ignore
  assert.deepEqual(
    experiment?.hparamInfos?.map(({ name, type, domainInterval, domainDiscrete, differs }) => [
      ...[name, type, differs],
      domainInterval ? [domainInterval.minValue, domainInterval.maxValue] : domainDiscrete?.values?.length,
    ]),
    [
      ["model", 1, true, 2],
      ["train.learning_rate", 3, true, [0.001, 0.1]],
      ["train.batch_size", 3, true, [32, 128]],
      ["train.momentum", 3, true, [0.1, 0.9]],
      ["evaluate.diagnostics", 2, true, 2],
      ["network.channels", 1, true, 2],
    ],
  );
  assert.deepEqual(
    experiment?.metricInfos?.map(({ name, description }) => [name?.tag, description]),
    [
      ["area(adversarial)", "objective: maximize"],
      ["clean", ""],
    ],
  );
});

test("a trial is a session: its settings, its metrics by images seen, and how it ended", () => {
  const events = render(exportedSweep()).get(FIRST) ?? [];
  const found = pluginData(events);
  const start = found["_hparams_/session_start_info"]?.sessionStartInfo;
  assert.deepEqual([start?.groupName, start?.startTimeSecs], ["g".repeat(16), BEGAN + 90]);
  assert.deepEqual(
    Object.entries(start?.hparams ?? {}).map(([name, value]) => [
      name,
      value.kind,
      value[value.kind ?? "numberValue"],
    ]),
    [
      ["model", "stringValue", "mrelu"],
      ["train.learning_rate", "numberValue", 0.01],
      ["train.batch_size", "numberValue", 64],
      ["train.momentum", "numberValue", 0.3],
      ["evaluate.diagnostics", "boolValue", true],
      ["network.channels", "stringValue", "[8,16]"],
    ],
  );
  const scalars = events.flatMap(({ step, summary }) =>
    (summary?.value ?? []).flatMap(({ tag, simpleValue, metadata }) =>
      metadata ? [] : [`${tag} ${Number(step)} ${simpleValue?.toFixed(4)}`],
    ),
  );
  assert.deepEqual(scalars, [
    ...["clean 1000 0.9500", "area(adversarial) 1000 0.5000"],
    ...["clean 3000 0.9800", "area(adversarial) 3000 0.6250"],
  ]);
  const end = found["_hparams_/session_end_info"]?.sessionEndInfo;
  assert.deepEqual([end?.status, end?.endTimeSecs], [1, BEGAN + 200]);
});

test("seeds of one setting are one group, and no hyperparameter", () => {
  const folders = [...render(exportedSweep()).values()].slice(1, 3);
  const starts = folders.map(
    (events) => pluginData(events)["_hparams_/session_start_info"]?.sessionStartInfo,
  );
  assert.equal(starts[0]?.groupName, starts[1]?.groupName);
  for (const start of starts) assert.equal(start?.hparams?.["seed"], undefined);
});

test("a trial that was stopped has no status of its own, and one under way has no end", () => {
  const ends = [...render(exportedSweep()).values()]
    .slice(1)
    .map((events) => pluginData(events)["_hparams_/session_end_info"]?.sessionEndInfo?.status);
  assert.deepEqual(ends, [1, 1, 0, 2, undefined, undefined]);
});

test("a choice of more values than anybody reads is a range", () => {
  const rates = Array.from({ length: 51 }, (_, i) => i / 100);
  const spec = { ...exportedSweep().spec, parameters: { "train.momentum": { choice: rates } } };
  const sweep = exportedSweep({ spec, rows: [rowOf(0, "running", { "train.momentum": 0.2 }, [])] });
  const { experiment } = pluginData(render(sweep).get(""))["_hparams_/experiment"] ?? {};
  assert.deepEqual(
    experiment?.hparamInfos?.map(({ domainInterval }) => [
      domainInterval?.minValue,
      domainInterval?.maxValue,
    ]),
    [[0, 0.5]],
  );
});

test("folders sort by the trials' numbers", () => {
  const rows = [2, 10].map((number) => rowOf(number, "running", {}, []));
  assert.deepEqual(
    [...render(exportedSweep({ rows })).keys()],
    ["", "02-0000000000000002", "10-000000000000000a"],
  );
  assert.equal(render(exportedSweep({ rows: [] })).size, 1);
  assert.equal(ROWS.length, 6);
});
