import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { processIdentity } from "../../deploy/local/nats/store-lock.js";
import { createScratch, sweepScratch } from "../../deploy/local/scratch.js";
import { temporaryDirectory } from "../support/cluster.js";

const skip = existsSync("/proc/self/stat") ? false : "owners are told apart by /proc";

test("only folders whose owner is dead are swept", { skip }, async (t) => {
  const parent = await temporaryDirectory(t);
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = parent;
  t.after(() => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  });
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const dead = processIdentity(child.pid as number);
  assert.ok(dead);
  const own = await createScratch(undefined);
  const owner = JSON.parse(readFileSync(join(own, "owner.json"), "utf8")) as Record<string, unknown>;
  assert.equal(owner["pid"], process.pid);
  assert.equal(statSync(own).mode & 0o077, 0);
  const folder = async (name: string, content?: object): Promise<void> => {
    await mkdir(join(parent, name, "nats", "keys"), { recursive: true });
    await writeFile(join(parent, name, "nats", "keys", "worker-1.seed"), "a secret");
    if (content !== undefined) await writeFile(join(parent, name, "owner.json"), JSON.stringify(content));
  };
  await folder("saf-dead00", { ...owner, ...dead });
  await folder("saf-ns0000", { ...owner, ...dead, place: "another host" });
  // The pid was given away again.
  await folder("saf-again0", { ...owner, startTime: "another-boot:1" });
  await folder("saf-noname");
  await folder("saf-broken", { ...owner, pid: "1" });
  await folder("saf-test-longer", { ...owner, ...dead });
  await symlink(join(parent, "saf-test-longer"), join(parent, "saf-link00"));

  assert.deepEqual(
    (await sweepScratch(parent)).sort(),
    [join(parent, "saf-again0")],
    "the child still lives",
  );
  child.stdin?.end();
  await once(child, "exit");
  assert.deepEqual(await sweepScratch(parent), [join(parent, "saf-dead00")]);

  assert.deepEqual(
    (await readdir(parent)).sort(),
    [own.split("/").at(-1), "saf-broken", "saf-link00", "saf-noname", "saf-ns0000", "saf-test-longer"].sort(),
  );
});
