import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Domain,
  type SweptSetting,
  cellOf,
  settingsOf,
} from "../../../../../coordinator/results/export/sweep/settings.js";
import { type SettingValue, sweepSchema } from "../../../../../shared/config/sweep.js";
import { exportedSweep, rowOf } from "../../../../support/exported-sweeps.js";

function settingFor(parameter: unknown, ...seen: SettingValue[]): SweptSetting {
  const spec = sweepSchema.parse({ name: "one", parameters: { seed: parameter } });
  const rows = seen.map((value, i) => rowOf(i, "running", { seed: value }, []));
  const [setting] = settingsOf({ spec, rows });
  assert.ok(setting);
  return setting;
}

function domainFor(parameter: unknown, ...seen: SettingValue[]): Domain {
  return settingFor(parameter, ...seen).domain;
}

test("each kind of parameter has a type and a domain, in the spec's order", () => {
  const found = settingsOf(exportedSweep()).map(({ path, type, isRepeated }) => [path, type, isRepeated]);
  assert.deepEqual(found, [
    ["model", "text", false],
    ["train.learning_rate", "number", false],
    ["train.batch_size", "integer", false],
    ["train.momentum", "number", false],
    ["evaluate.diagnostics", "boolean", false],
    ["network.channels", "text", false],
    ["seed", "integer", true],
  ]);
});

test("a range keeps its ends, and ends on a step", () => {
  assert.deepEqual(domainFor({ range: [0.1, 0.95], step: 0.1 }), {
    ...{ kind: "range", type: "float", low: 0.1, high: 0.9, isLog: false, step: 0.1 },
  });
  assert.deepEqual(domainFor({ range: [1, 100], scale: "log", type: "int" }), {
    ...{ kind: "range", type: "int", low: 1, high: 100, isLog: true, step: undefined },
  });
});

test("a domain holds every value that a trial has, whatever the spec says today", () => {
  const walked = domainFor({ range: [0.1, 0.9], step: 0.1 }, 0.5, 1.0800000000000003);
  assert.deepEqual(walked, { kind: "range", type: "float", low: 0.1, high: 1.0800000000000003, isLog: false, step: undefined }); // prettier-ignore
  assert.deepEqual(domainFor({ choice: ["a", "b"] }, "c"), { kind: "choice", choices: ["a", "b", "c"] });
  assert.deepEqual(domainFor({ range: [1, 8], type: "int" }, 2.5), {
    ...{ kind: "range", type: "float", low: 1, high: 8, isLog: false, step: undefined },
  });
});

test("seeds begin where the base's begins", () => {
  assert.deepEqual(domainFor({ repeat: 3 }, 7, 8), {
    ...{ kind: "range", type: "int", low: 7, high: 9, isLog: false, step: undefined },
  });
});

test("a listed sweep has as choices what its trials set", () => {
  const spec = sweepSchema.parse({ name: "listed", list: [{ model: "plain" }, { model: "rbf", seed: 3 }] });
  assert.deepEqual(
    settingsOf({ spec, rows: [] }).map(({ path, type, domain }) => [path, type, domain]),
    [
      ["model", "text", { kind: "choice", choices: ["plain", "rbf"] }],
      ["seed", "integer", { kind: "choice", choices: [3] }],
    ],
  );
});

test("cells are of their column's type; what is not set, or set to null, is empty", () => {
  assert.equal(settingFor({ choice: [null, 0.5] }).type, "number");
  assert.equal(cellOf(null, "number"), null);
  assert.equal(cellOf(undefined, "text"), null);
  assert.equal(cellOf([8, 16], "text"), "[8,16]");
  assert.equal(settingFor({ choice: [1, "auto"] }).type, "text");
  assert.equal(cellOf(1, "text"), "1");
});

test("whatever is tried, no value lies outside its domain", () => {
  const value = fc.oneof(
    fc.integer({ min: -5, max: 5 }),
    fc.double({ min: -9, max: 9, noNaN: true }),
    fc.string(),
  );
  const parameter = fc.oneof(
    fc.record({ choice: fc.array(value, { minLength: 1 }) }),
    fc.record({
      range: fc.constant([1, 4]),
      type: fc.constantFrom("int", "float"),
      step: fc.constantFrom(0.5, 1),
    }),
    fc.record({ repeat: fc.integer({ min: 1, max: 3 }) }),
  );
  fc.assert(
    fc.property(parameter, fc.array(value), (given, seen) => {
      const { domain } = settingFor(given, ...seen);
      for (const one of seen) {
        const isInside =
          domain.kind === "choice"
            ? domain.choices.some((choice) => JSON.stringify(choice) === JSON.stringify(one))
            : typeof one === "number" && one >= domain.low && one <= domain.high;
        assert.ok(isInside, `${JSON.stringify(one)} is not in ${JSON.stringify(domain)}`);
      }
    }),
  );
});
