import assert from "node:assert/strict";
import { test } from "node:test";
import {
  capabilitiesOf,
  compareVersions,
  isAtLeast,
  parseNatsVersion,
} from "../../deploy/local/nats/capabilities.js";

test("the version is read from what nats-server says about itself", () => {
  assert.equal(parseNatsVersion("nats-server: v2.9.10\n"), "2.9.10");
  assert.equal(parseNatsVersion("nats-server: v2.12.0-RC.1\n"), "2.12.0-RC.1");
  assert.equal(parseNatsVersion("nats-server version 2.0.4"), "2.0.4");
  assert.equal(parseNatsVersion("etcd Version: 3.4.23"), undefined);
});

test("versions are ordered by number, not by letter, and a pre-release comes before its release", () => {
  const ordered = ["2.9.0", "2.9.10", "2.10.0", "2.12.0-RC.1", "2.12.0", "10.0.0"];
  assert.deepEqual([...ordered].reverse().sort(compareVersions), ordered);
  assert.equal(isAtLeast("2.10.0", "2.10.0"), true);
  assert.equal(isAtLeast("2.11.0-preview.1", "2.11.0"), false);
});

test("the three servers that were tried have the capabilities that were seen", () => {
  const names = (version: string): string[] =>
    Object.entries(capabilitiesOf(version)).flatMap(([name, value]) => (value === true ? [name] : []));
  assert.deepEqual(names("2.9.10"), []);
  assert.deepEqual(names("2.10.27"), ["syncInterval", "routePool", "noFastProducerStall"]);
  assert.deepEqual(names("2.15.1"), [
    ...["syncInterval", "routePool", "noFastProducerStall", "maxBufferedSize", "strict"],
    ...["perKeyTtl", "writeTimeout", "serverMetadata"],
  ]);
  assert.equal(capabilitiesOf("2.9.10").terminatedExitCode, 1);
  assert.equal(capabilitiesOf("2.15.1").terminatedExitCode, 0);
});
