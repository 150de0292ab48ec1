import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownLibraries } from "../../../deploy/setup/own-libraries.js";
import { temporaryDirectory } from "../../support/cluster.js";

test("an entry keeps its libraries when the place they came from is gone", async (t) => {
  const folder = await temporaryDirectory(t);
  const [python, entry] = [join(folder, "python"), join(folder, "entry")];
  mkdirSync(python);
  mkdirSync(entry);
  writeFileSync(join(python, "libtensorflow_cc.so.2"), "machine code");
  symlinkSync(join(python, "libtensorflow_cc.so.2"), join(entry, "libtensorflow_cc.so.2"));
  symlinkSync("libtensorflow_cc.so.2", join(entry, "libtensorflow.so"));
  ownLibraries(entry);
  rmSync(python, { recursive: true });
  assert.ok(lstatSync(join(entry, "libtensorflow_cc.so.2")).isFile());
  assert.equal(readFileSync(join(entry, "libtensorflow.so"), "utf8"), "machine code");
  assert.equal(readlinkSync(join(entry, "libtensorflow.so")), "libtensorflow_cc.so.2");
});

test("a link that leads nowhere is an error, not a smaller image", async (t) => {
  const folder = await temporaryDirectory(t);
  symlinkSync(join(folder, "gone"), join(folder, "libtensorflow_cc.so.2"));
  assert.throws(() => ownLibraries(folder), /ENOENT/);
});
