import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SmallDisk } from "../../../deploy/chaos/small-disk.js";

const home = mkdtempSync(join(tmpdir(), "saf-test-"));
const folder = join(home, "disk");
mkdirSync(folder);
const disk = await SmallDisk.mount(folder, 4 * 2 ** 20);
const skip = typeof disk === "string" ? disk : false;

after(async () => {
  if (disk instanceof SmallDisk) await disk.unmount();
  rmSync(home, { recursive: true, force: true });
});

test("a full disk takes nothing more, and everything again once it is freed", { skip }, async () => {
  assert.ok(disk instanceof SmallDisk);
  const write = (bytes: number): void => writeFileSync(join(folder, "file"), Buffer.alloc(bytes));
  write(100_000);

  await disk.fill();

  assert.throws(() => write(200_000), { code: "ENOSPC" });
  await disk.free();
  write(200_000);
});

test("where none can be mounted, the reason is said", async () => {
  const refusal = await SmallDisk.mount(join(home, "missing"), 2 ** 20);
  assert.ok(typeof refusal === "string");
  assert.match(refusal, /no small disk can be mounted here|only Linux/);
});
