import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ClusterError, exitCodeOf } from "../../shared/errors.js";
import { cachedPath } from "../../deploy/local/nats/binary.js";
import { unpackFromSuite } from "../../deploy/local/nats/package-managers.js";
import { resolveNatsServer } from "../../deploy/local/nats/resolve.js";
import type { NatsBinary, ResolveOptions } from "../../deploy/local/nats/resolve.js";
import { anyServer, NO_SERVER, serversOfBothAges, temporaryDirectory } from "./nats-support.js";

const any = await anyServer();
const [old, current] = await serversOfBothAges();

/** A machine without a nats-server: nothing on PATH, no usual places, an empty cache. */
async function bareMachine(t: TestContext, changes: Partial<ResolveOptions> = {}): Promise<ResolveOptions> {
  const cacheDir = await temporaryDirectory(t);
  return { env: { PATH: "" }, cacheDir, install: false, places: [], progress: () => {}, ...changes };
}

function isDependencyError(pattern: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ClusterError && error.code === "dependency" && pattern.test(error.message);
}

/** Serves one file on loopback and says its address. */
async function serveFile(t: TestContext, content: Buffer): Promise<string> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === "/file" ? 200 : 404;
    response.end(request.url === "/file" ? content : "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

test("without any nats-server the error names three ways to get one, and the exit code is 5", async (t) => {
  const error: unknown = await resolveNatsServer(await bareMachine(t)).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof ClusterError);
  assert.equal(error.code, "dependency");
  assert.equal(exitCodeOf(error), 5);
  assert.match(error.hint ?? "", /apt-get install nats-server[^]*SAF_NATS_SERVER=[^]*--nats-server /);
});

test("a named program that does not work is an error, whatever else there is", async (t) => {
  const options = await bareMachine(t, { env: process.env, explicit: "/nowhere/nats-server" });
  await assert.rejects(
    resolveNatsServer(options),
    isDependencyError(/named by the option.*\/nowhere\/nats-server/),
  );
  const notNats = await bareMachine(t, { env: { PATH: "/usr/bin:/bin", SAF_NATS_SERVER: process.execPath } });
  await assert.rejects(resolveNatsServer(notNats), isDependencyError(/named by SAF_NATS_SERVER/));
});

test("a program that only pretends to be a nats-server on PATH is passed over, and that is said", async (t) => {
  const folder = await temporaryDirectory(t);
  await writeFile(join(folder, "nats-server"), "#!/bin/sh\necho 'nats-server: v2.2.0'\n", { mode: 0o755 });
  const lines: string[] = [];
  const options = await bareMachine(t, { env: { PATH: folder }, progress: (line) => lines.push(line) });
  await assert.rejects(resolveNatsServer(options), isDependencyError(/Cannot find/));
  assert.match(lines.join("\n"), /nats-server is not used: version 2\.2\.0 is older than 2\.9\.0/);
});

test("the option comes before the environment, that before PATH, and PATH before the cache", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const [onPath, named] = [await temporaryDirectory(t), await temporaryDirectory(t)];
  await symlink(any.path, join(onPath, "nats-server"));
  await symlink(any.path, join(named, "mine"));
  const options = await bareMachine(t);
  const inCache = cachedPath(options.cacheDir, any.version);
  await mkdir(dirname(inCache), { recursive: true });
  await copyFile(any.path, inCache);
  const pathOf = async (changes: Partial<ResolveOptions>): Promise<[string, string]> => {
    const binary = await resolveNatsServer({ ...options, ...changes });
    assert.equal(binary.version, any.version);
    return [binary.from, binary.path];
  };

  const env = { PATH: onPath, SAF_NATS_SERVER: join(named, "mine") };
  assert.deepEqual(await pathOf({ env, explicit: any.path }), ["the option", any.path]);
  assert.deepEqual(await pathOf({ env }), ["SAF_NATS_SERVER", join(named, "mine")]);
  assert.deepEqual(await pathOf({ env: { PATH: onPath } }), ["PATH", join(onPath, "nats-server")]);
  assert.deepEqual(await pathOf({ env: { PATH: "" }, places: [onPath] }), [
    onPath,
    join(onPath, "nats-server"),
  ]);
  assert.deepEqual(await pathOf({}), ["the cache", inCache]);
});

test("an old server on PATH gives way to a newer one that can be had, and serves where none can", async (t) => {
  if (old.binary === undefined || current.binary === undefined) return t.skip(NO_SERVER);
  const [onPath, newer] = [await temporaryDirectory(t), current.binary];
  await symlink(old.binary.path, join(onPath, "nats-server"));
  let asked = 0;
  const found = async (changes: Partial<ResolveOptions>, inCache: ResolveOptions): Promise<string> =>
    (await resolveNatsServer({ ...inCache, env: { PATH: onPath }, ...changes })).version;
  const getNewer = (result: NatsBinary | undefined) => (): Promise<NatsBinary | undefined> => {
    asked++;
    return Promise.resolve(result);
  };

  const none = await bareMachine(t);
  assert.equal(await found({ install: false, getNewer: getNewer(newer) }, none), old.binary.version);
  assert.equal(asked, 0, "without leave nothing is fetched");
  assert.equal(await found({ install: true, getNewer: getNewer(undefined) }, none), old.binary.version);
  assert.equal(await found({ install: true, getNewer: getNewer(newer) }, none), old.binary.version);
  assert.equal(asked, 1, "what could not be had is not looked for again at once");

  const fresh = await bareMachine(t);
  assert.equal(await found({ install: true, getNewer: getNewer(newer) }, fresh), newer.version);
});

test("the newest server in the cache that works is used", async (t) => {
  if (old.binary === undefined || current.binary === undefined) return t.skip(NO_SERVER);
  const options = await bareMachine(t);
  for (const { path, version } of [old.binary, current.binary]) {
    await mkdir(dirname(cachedPath(options.cacheDir, version)), { recursive: true });
    await copyFile(path, cachedPath(options.cacheDir, version));
  }
  assert.equal((await resolveNatsServer(options)).version, current.binary.version);
  await writeFile(cachedPath(options.cacheDir, current.binary.version), "cut off");
  assert.equal((await resolveNatsServer(options)).version, old.binary.version);
});

test("a download is taken when its checksum is right, as a program, a tar.gz or a zip", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const folder = await temporaryDirectory(t);
  const release = join(folder, "nats-server-v0-linux");
  await mkdir(release);
  await copyFile(any.path, join(release, "nats-server"));
  await writeFile(join(release, "README.md"), "not the program");
  execFileSync("tar", ["-czf", "release.tar.gz", "nats-server-v0-linux"], { cwd: folder });
  const files = [join(release, "nats-server"), join(folder, "release.tar.gz")];
  try {
    execFileSync("python3", ["-m", "zipfile", "-c", "release.zip", "nats-server-v0-linux"], { cwd: folder });
    files.push(join(folder, "release.zip"));
  } catch {
    t.diagnostic("no python3 to make a zip with");
  }

  for (const file of files) {
    const content = await readFile(file);
    const url = await serveFile(t, content);
    const env = {
      PATH: "",
      SAF_NATS_DOWNLOAD_URL: url,
      SAF_NATS_DOWNLOAD_SHA256: sha256(content).toUpperCase(),
    };
    const options = await bareMachine(t, { env, install: true });
    const binary = await resolveNatsServer(options);
    assert.deepEqual([binary.from, binary.version], ["the download", any.version]);
    assert.equal(binary.path, cachedPath(options.cacheDir, any.version));
    assert.equal((await resolveNatsServer({ ...options, install: false })).from, "the cache");
  }
});

test("a download with another checksum is refused, and nothing of it is kept", async (t) => {
  const url = await serveFile(t, Buffer.from("#!/bin/sh\necho 'nats-server: v9.9.9'\n"));
  const env = { PATH: "", SAF_NATS_DOWNLOAD_URL: url, SAF_NATS_DOWNLOAD_SHA256: "0".repeat(64) };
  const options = await bareMachine(t, { env, install: true });
  await assert.rejects(
    resolveNatsServer(options),
    isDependencyError(/expected SHA-256 0+, got [0-9a-f]{64}/),
  );
  assert.deepEqual(await readdir(options.cacheDir), []);
});

test("a download without a checksum is refused before anything is fetched", async (t) => {
  const env = { PATH: "", SAF_NATS_DOWNLOAD_URL: "http://127.0.0.1:1/file" };
  const options = await bareMachine(t, { env, install: true });
  await assert.rejects(
    resolveNatsServer(options),
    (error) => error instanceof ClusterError && error.code === "usage" && /SHA256/.test(error.message),
  );
});

test("a download that cannot be had, or does not run here, is an error that says so", async (t) => {
  const content = Buffer.from("no program");
  const url = await serveFile(t, content);
  const fetchFrom = async (address: string): Promise<void> => {
    const env = { PATH: "", SAF_NATS_DOWNLOAD_URL: address, SAF_NATS_DOWNLOAD_SHA256: sha256(content) };
    await resolveNatsServer(await bareMachine(t, { env, install: true }));
  };
  await assert.rejects(fetchFrom(`${url}-not`), isDependencyError(/answered 404/));
  await assert.rejects(fetchFrom(url), isDependencyError(/the download does not work on this machine/));
});

test("a package of a newer suite is unpacked into the cache, and apt's own state stays as it was", async (t) => {
  const cacheDir = await temporaryDirectory(t);
  await chmod(cacheDir, 0o700);
  const systemLists = (): Promise<string[]> => readdir("/var/lib/apt/lists").catch(() => []);
  const before = await systemLists();
  const options = { env: process.env, cacheDir, progress: () => {} };
  const binary = await unpackFromSuite("sid", options).catch((error: unknown) => String(error));
  if (typeof binary === "string") return t.skip(`no package to be had here: ${binary}`);
  assert.equal(binary.path, cachedPath(cacheDir, binary.version));
  assert.deepEqual(await readdir(join(cacheDir, "nats-server")), [binary.version]);
  assert.deepEqual(await systemLists(), before);
});
