import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { processIdentity } from "../../deploy/local/nats/store-lock.js";
import { createScratch, removeScratch, sweepScratch } from "../../deploy/local/scratch.js";
import type { ClusterError } from "../../shared/errors.js";
import { temporaryDirectory } from "../support/cluster.js";

const skip = existsSync("/proc/self/stat") ? false : "owners are told apart by /proc";

test("only folders whose owner is dead are swept", { skip }, async (t) => {
  const parent = await temporaryDirectory(t);
  t.after(withTemporary(parent));
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const dead = processIdentity(child.pid as number);
  assert.ok(dead);
  const { disk: own } = await createScratch(false);
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
    (await sweepScratch([parent])).sort(),
    [join(parent, "saf-again0")],
    "the child still lives",
  );
  child.stdin?.end();
  await once(child, "exit");
  assert.deepEqual(await sweepScratch([parent]), [join(parent, "saf-dead00")]);

  assert.deepEqual(
    (await readdir(parent)).sort(),
    [own.split("/").at(-1), "saf-broken", "saf-link00", "saf-noname", "saf-ns0000", "saf-test-longer"].sort(),
  );
});

test(
  "shared memory of a killed cluster is swept whatever the next TMPDIR is, and leads to its folder on disk",
  { skip },
  async (t) => {
    const [memory, before, now] = [
      await temporaryDirectory(t),
      await temporaryDirectory(t),
      await temporaryDirectory(t),
    ];
    const mine = processIdentity(process.pid);
    assert.ok(mine);
    const place = `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
    const dead = { pid: mine.pid, startTime: "another-boot:1", place };
    const folder = async (path: string, owner: object): Promise<void> => {
      await mkdir(path);
      await writeFile(join(path, "worker-1-0123abcd"), "a ring");
      await writeFile(join(path, "owner.json"), JSON.stringify(owner));
    };
    const ring = join(memory, "saf-ring00");
    const keys = join(before, "saf-keys00");
    const stranger = join(before, "saf-other0");
    await folder(ring, { ...dead, others: [keys, stranger, "/nowhere"] });
    await folder(keys, { ...dead, others: [ring] });
    await folder(stranger, { ...dead, startTime: "another-boot:2", others: [] });
    await folder(join(memory, "saf-lives0"), { ...mine, place, others: [] });

    assert.deepEqual(await sweepScratch([now, memory]), [ring, keys]);

    assert.deepEqual(await readdir(memory), ["saf-lives0"]);
    assert.deepEqual(await readdir(before), ["saf-other0"], "what another process left is not this one's");
  },
);

test(
  "a cluster's folders name each other; without a place for them none is left behind",
  { skip },
  async (t) => {
    const parent = await temporaryDirectory(t);
    t.after(withTemporary(parent));
    const { disk, memory } = await createScratch(true);
    t.after(() => removeScratch({ disk, memory }));
    const others = (folder: string): unknown =>
      (JSON.parse(readFileSync(join(folder, "owner.json"), "utf8")) as { others: unknown }).others;
    assert.deepEqual(others(disk), memory === undefined ? [] : [memory]);
    if (memory !== undefined) assert.deepEqual(others(memory), [disk]);
    await removeScratch({ disk, memory });

    await writeFile(join(parent, "file"), "");
    const inMemory = (): string[] =>
      readdirSync("/dev/shm").filter((name) => ownedByUs(join("/dev/shm", name)));
    for (const missing of [join(parent, "nowhere"), join(parent, "file")]) {
      process.env["TMPDIR"] = missing;
      await assert.rejects(createScratch(true), (error: ClusterError) => {
        assert.equal(error.code, "storage");
        assert.match(error.message, /^Cannot make a temporary folder in .*(nowhere|file): it is no folder$/);
        assert.match(error.hint ?? "", /set TMPDIR to a folder that is there/);
        return true;
      });
    }
    assert.deepEqual(inMemory(), []);
  },
);

function withTemporary(path: string): () => void {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = path;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  };
}

function ownedByUs(folder: string): boolean {
  try {
    const { pid } = JSON.parse(readFileSync(join(folder, "owner.json"), "utf8")) as { pid: number };
    return pid === process.pid;
  } catch {
    return false;
  }
}
