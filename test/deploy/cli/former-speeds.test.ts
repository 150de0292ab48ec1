import assert from "node:assert/strict";
import { test } from "node:test";
import { speedKey } from "../../../deploy/cli/former-speeds.js";
import { type ConfigInput, configSchema } from "../../../shared/config/run.js";

const keyOf = (input: ConfigInput): string => speedKey(configSchema.parse(input));

test("a run is as fast as former ones of the same network on the same kind of engine", () => {
  const paper = keyOf({ model: "mrelu" });
  assert.equal(keyOf({ model: "mrelu", network: { channels: [20, 50, 500], activation_width: 2 } }), paper);
  const others: ConfigInput[] = [
    { model: "mrelu" },
    { model: "rbf" },
    { model: "mrelu", data: { set: "cifar10" } },
    { model: "mrelu", engine: "emulated" },
    { model: "mrelu", network: { channels: [1, 1, 1] } },
    { model: "mrelu-pgd" },
    { model: "mrelu-pgd", network: { pgd: { steps: 3 } } },
  ];
  assert.equal(new Set(others.map(keyOf)).size, others.length);
});
