/**
 * The CPU image, really built: by buildah, without a daemon and without a registry. In place of Debian's Node image stands
 * one made of this machine's own files; the packages come from npm's cache, where `npm ci` has left them.
 */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { ROOT } from "../../docs/tables.js";
import { missingTools } from "../../support/apt-tools.js";

const LIMIT_MS = 1_500_000;
const STAND_IN = "localhost/saf-stand-in:1.0.0";
const IMAGE = "localhost/saf-cpu:test";
/** What the Dockerfile's commands, npm and the checks below call. */
const TOOLS = ["sh", "env", "ls", "cat", "rm", "mkdir", "chown", "sleep", "id"];
const C_LIBRARIES = [
  ...["librt.so.1", "libpthread.so.0", "libdl.so.2", "libm.so.6", "libutil.so.1", "libresolv.so.2"],
  ...["libnss_files.so.2", "libnss_dns.so.2", "libgcc_s.so.1", "libstdc++.so.6"],
];

function run(command: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(command, [...args], { encoding: "utf8", cwd: ROOT });
}

/** Why the image cannot be built here; undefined when it can. Debian's buildah is installed, where that may be done. */
async function problem(): Promise<string | undefined> {
  if (process.platform !== "linux") return "buildah is for Linux";
  if (process.getuid?.() !== 0) return "buildah's chroot isolation needs root here";
  return missingTools(["buildah"], "buildah");
}

/** A minimal root file system: Node, npm, a shell and some tools, with the libraries they are linked to. */
function standInRoot(folder: string): void {
  for (const name of [
    "bin",
    "usr/bin",
    "usr/local/bin",
    "usr/local/lib/node_modules",
    "tmp",
    "root",
    "etc",
    "proc",
    "dev",
    "sys",
  ])
    mkdirSync(join(folder, name), { recursive: true });
  chmodSync(join(folder, "tmp"), 0o1777);
  const programs = TOOLS.map(
    (tool) => [tool, run("sh", ["-c", `command -v ${tool}`]).stdout.trim()] as const,
  );
  for (const [tool, path] of [...programs, ["node", process.execPath] as const]) {
    const source = realpathSync(path);
    copyFileSync(
      source,
      join(folder, tool === "node" ? "usr/local/bin" : tool === "env" ? "usr/bin" : "bin", tool),
    );
    for (const [, library = ""] of run("ldd", [source]).stdout.matchAll(/(\/\S+) \(0x/g)) {
      const target = join(folder, library);
      mkdirSync(dirname(target), { recursive: true });
      if (!existsSync(target)) copyFileSync(realpathSync(library), target);
    }
  }
  // The C library's own parts, which packages' binaries are linked to though Node is not.
  const [, libc = ""] = /(\/\S*\/)libc\.so\.6 \(0x/.exec(run("ldd", [process.execPath]).stdout) ?? [];
  for (const name of C_LIBRARIES) {
    if (existsSync(join(libc, name)) && !existsSync(join(folder, libc, name)))
      copyFileSync(realpathSync(join(libc, name)), join(folder, libc, name));
  }
  const npm = join(run("npm", ["root", "--global"]).stdout.trim(), "npm");
  cpSync(realpathSync(npm), join(folder, "usr/local/lib/node_modules/npm"), { recursive: true });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(folder, "usr/local/bin/npm"));
  writeFileSync(join(folder, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\n");
  writeFileSync(join(folder, "etc/group"), "root:x:0:\nnode:x:1000:\n");
}

class Buildah {
  readonly #home: string;
  /** vfs works everywhere, and copies every layer whole: the packages four times. */
  readonly #driver: "overlay" | "vfs";

  constructor(home: string, driver: "overlay" | "vfs") {
    this.#home = home;
    this.#driver = driver;
  }

  /** `output` is both streams as their parts came: whoever decodes a document takes `stdout`. */
  async run(...args: string[]): Promise<{ code: number | null; stdout: string; output: string; ms: number }> {
    const storage = [
      "--storage-driver",
      this.#driver,
      "--root",
      join(this.#home, `${this.#driver}-storage`),
      "--runroot",
      join(this.#home, `${this.#driver}-run`),
    ];
    const began = performance.now();
    const child = spawn("buildah", [...storage, ...args], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stdout.on("data", (text: string) => (stdout += text));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, stdout, output, ms: performance.now() - began };
  }

  async must(...args: string[]): Promise<string> {
    const { code, stdout, output } = await this.run(...args);
    assert.equal(code, 0, `buildah ${args.join(" ")}:\n${output.slice(-4000)}`);
    return stdout.trim();
  }
}

/** The container of the stand-in, where a driver works; else why none does. */
async function workingBuildah(folder: string): Promise<Buildah | string> {
  let words = "";
  for (const driver of ["overlay", "vfs"] as const) {
    const buildah = new Buildah(folder, driver);
    const { code, output } = await buildah.run("from", "--name", "stand-in", "scratch");
    if (code === 0 && (await buildah.run("mount", "stand-in")).code === 0) {
      await buildah.must("umount", "stand-in");
      return buildah;
    }
    words = output;
  }
  return `buildah does not work here: ${words.trim().split("\n").at(-1) ?? ""}`;
}

async function makeStandIn(buildah: Buildah, folder: string): Promise<void> {
  standInRoot(join(folder, "root"));
  await buildah.must("copy", "stand-in", join(folder, "root"), "/");
  const npm = (key: string): string => run("npm", ["config", "get", key]).stdout.trim();
  // Whatever the cache was filled from: entries are kept by address.
  for (const [key, value] of [
    ["PATH", "/usr/local/bin:/usr/bin:/bin"],
    ["npm_config_offline", "true"],
    ["npm_config_registry", npm("registry")],
    ["npm_config_logs_max", "0"],
    ["npm_config_update_notifier", "false"],
  ])
    await buildah.must("config", "--env", `${key}=${value}`, "stand-in");
  await buildah.must("commit", "--rm", "stand-in", STAND_IN);
}

const SKIP = (await problem()) ?? false;

test(
  "the CPU image is built, and its entry point runs as a user without rights",
  { timeout: LIMIT_MS, skip: SKIP },
  async (t: TestContext) => {
    const folder = mkdtempSync(join(tmpdir(), "saf-image-"));
    const buildah = await workingBuildah(folder);
    t.after(async () => {
      // The folder can go when nothing is mounted in it.
      if (typeof buildah !== "string") await buildah.run("rm", "--all");
      rmSync(folder, { recursive: true, force: true });
    });
    if (typeof buildah === "string") return t.skip(buildah);
    await makeStandIn(buildah, folder);

    const cache = run("npm", ["config", "get", "cache"]).stdout.trim();
    const built = await buildah.run(
      ...["build", "--isolation", "chroot", "--format", "docker", "--pull-never"],
      ...["--build-arg", `NODE_IMAGE=${STAND_IN}`, "--build-arg", "ENGINE=wasm"],
      ...["--volume", `${cache}:/root/.npm`, "--file", "deploy/docker/cpu.Dockerfile", "--tag", IMAGE, "."],
    );
    if (built.code !== 0 && /ENOTCACHED/.test(built.output))
      return t.skip("npm's cache does not hold all packages: run npm ci with a network first");
    assert.equal(built.code, 0, built.output.slice(-4000));
    t.diagnostic(`built in ${(built.ms / 1000).toFixed(0)} s`);

    const facts = JSON.parse(await buildah.must("inspect", "--type", "image", IMAGE)) as {
      Docker: {
        config: {
          User: string;
          Entrypoint: string[];
          Healthcheck: { Test: string[] };
          Labels: Record<string, string>;
        };
      };
    };
    const { config } = facts.Docker;
    assert.equal(config.User, "1000:1000");
    assert.deepEqual(config.Entrypoint, ["node", "/opt/saf/dist/deploy/cli/main.js"]);
    assert.deepEqual(config.Healthcheck.Test, ["CMD", "node", "/opt/saf/deploy/docker/health.mjs"]);

    await buildah.must("from", "--pull-never", "--name", "process", IMAGE);
    const inside = (...args: string[]): ReturnType<Buildah["run"]> =>
      buildah.run("run", "--isolation", "chroot", "process", "--", ...args);
    assert.match((await inside("id", "-u")).output, /^1000$/m);
    const { entrypoint } = { entrypoint: config.Entrypoint };
    const help = await inside(...entrypoint, "worker", "--help");
    assert.equal(help.code, 0, help.output);
    assert.match(help.output, /SAF_WORKER_ID/);

    // A real start, engine included, up to the server that is not there.
    const worker = await inside(
      ...entrypoint,
      "worker",
      // It shares this machine's ports: its own default may be another test's.
      "--http-port",
      "0",
      "--nats-url",
      "nats://127.0.0.1:1",
      "--nats-timeout",
      "1",
    );
    assert.equal(worker.code, 5, worker.output);
    assert.match(worker.output, /Engine tfjs-backend-wasm/);
    assert.match(worker.output, /saf: Cannot connect to NATS at nats:\/\/127\.0\.0\.1:1/);

    const doctor = await inside(...entrypoint, "doctor", "--json");
    assert.notEqual(doctor.stdout, "", doctor.output);
    const document = JSON.parse(doctor.stdout) as {
      findings: { what: string; ok: boolean }[];
    };
    const wrong = document.findings.filter(({ ok }) => !ok).map(({ what }) => what);
    assert.deepEqual(wrong, ["nats-server"], "an image needs no nats-server of its own, and everything else");

    const left = await inside("ls", "/opt/saf", "/opt/saf/dist", "/opt/saf/node_modules/typescript");
    assert.doesNotMatch(left.output, /^(test|shared\.ts|tsconfig\.json)$/m);
    assert.match(left.output, /typescript.*No such file/);
    assert.ok(readFileSync(join(ROOT, "deploy/docker/cpu.Dockerfile"), "utf8").includes("node:22"));
  },
);
