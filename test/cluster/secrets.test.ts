/** Secrets are planted wherever a process of a cluster could meet one; then everything it wrote and said is searched. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect, credsAuthenticator } from "nats";
import { parseCredentials } from "../../shared/credentials.js";
import { inboxPrefix } from "../../shared/subjects.js";
import { NO_SERVER, anyServer } from "../deploy/nats-support.js";
import { programs, testConfig } from "../support/cluster.js";
import { productionNats } from "../support/production-nats.js";
import { type SafRun, saf } from "../support/saf.js";

const binary = await anyServer();
const LIMIT = { timeout: 240_000, skip: binary === undefined ? NO_SERVER : false };

/** Every file below, as text. */
async function filesBelow(folder: string): Promise<[name: string, text: string][]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file): Promise<[string, string]> => [file, await readFile(file, "latin1")]),
  );
}

/** Arguments of every process of ours, as every user of the machine can see them. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return texts.filter((text) => text.includes("--creds-file"));
}

test("no secret is in a log, a file of the run, an event, an answer or an argument", LIMIT, async (t) => {
  assert.ok(binary);
  const home = await mkdtemp(join(tmpdir(), "saf-secrets-"));
  t.after(() => rm(home, { recursive: true, force: true }));
  const planted = (name: string): string => `planted-${name}-${randomBytes(8).toString("hex")}`;
  const server = await productionNats(t, binary);
  const out = join(home, "out");
  await mkdir(out);

  const tokenFile = join(home, "http-token");
  const token = planted("http-token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  const [password, environment, command] = [planted("password"), planted("environment"), planted("command")];
  const secrets = new Map<string, string>([
    ["HTTP token", token],
    ["password in a URL", password],
    ["variable of the environment", environment],
    ["token in a command", command],
  ]);
  for (const [role, name] of [
    ["coordinator", "coordinator"],
    ["worker", "worker-0"],
    ["observer", "observer"],
  ] as const) {
    const file = await server.mint(role, name);
    const { seed, jwt = "" } = parseCredentials(await readFile(file, "utf8"), file);
    secrets.set(`seed of ${name}`, seed);
    secrets.set(`JWT of ${name}`, jwt);
  }
  const env = {
    SAF_HTTP_TOKEN_FILE: tokenFile,
    SAF_NATS_DOWNLOAD_URL: `https://me:${password}@localhost/nats.tar.gz`,
    AWS_SECRET_ACCESS_KEY: environment,
    SAF_LOG_LEVEL: "debug",
  };

  // All events, as whoever looks on gets them.
  const heard: string[] = [];
  const observer = await connect({
    servers: server.url,
    authenticator: credsAuthenticator(await readFile(server.credentialsFile("observer"))),
    inboxPrefix: inboxPrefix("observer"),
  });
  t.after(() => observer.close());
  observer.subscribe("saf.v1.pool.events.*", {
    callback: (_, message) => heard.push(Buffer.from(message.data).toString("latin1")),
  });
  observer.subscribe("saf.v1.pool.hb.*", {
    callback: (_, message) => heard.push(Buffer.from(message.data).toString("latin1")),
  });
  await observer.flush();

  const run = join(home, "run.yaml");
  await writeFile(run, JSON.stringify(testConfig({ model: "plain", train: { max_steps: 6 } })));
  const { choice, cacheDir, environment: engineEnvironment } = await programs();
  const nats = ["--nats-url", server.url, "--creds-file", join(server.directory, "creds"), "--pool", "pool"];
  const worker = saf(
    [
      ...["worker", ...nats, "--id", "worker-0", "--engine", choice.engine, "--cache-dir", cacheDir],
      ...["--log-file", join(out, "worker.jsonl")],
    ],
    { env: { ...engineEnvironment, ...env } },
  );
  const runs: Promise<SafRun>[] = [
    worker,
    saf(
      [
        ...["coordinator", ...nats, "--run", run, "--out", join(out, "run"), "--dismiss-workers"],
        ...[
          "--title",
          `token=${command}`,
          "--command",
          `saf train nats://me:${password}@host --token=${command}`,
        ],
      ],
      { env },
    ),
  ];
  const seen: string[] = [];
  const looking = setInterval(() => {
    void commandLines().then((lines) => seen.push(...lines));
  }, 300);
  t.after(() => clearInterval(looking));
  const ended = await Promise.all(runs);
  clearInterval(looking);
  for (const { code, stderr } of ended) assert.equal(code, 0, stderr);

  // What goes wrong says much: a URL with a password, credentials that are somebody else's, a wrong key in a file.
  const wrong = join(home, "wrong.yaml");
  await writeFile(wrong, `train:\n  password: ${password}\n`);
  const failed = join(out, "failed");
  const failing = await Promise.all([
    saf(
      ["coordinator", "--run", run, "--out", failed, "--nats-url", `nats://me:${password}@localhost:4222`],
      { env },
    ),
    saf(
      [
        ...["worker", "--id", "worker-9", "--engine", "wasm", "--nats-url", server.url],
        ...["--creds-file", server.credentialsFile("worker-0")],
      ],
      { env },
    ),
    saf(["config", "validate", wrong, "--json"], { env }),
    saf(["config", "show", "-c", wrong], { env }),
    saf(["config", "show", "-c", run, "--debug"], { env }),
    saf(["creds", "show", server.credentialsFile("worker-0"), "--json"], { env }),
  ]);
  assert.deepEqual(
    failing.map(({ code }) => code),
    [2, 2, 2, 2, 0, 0],
  );

  const texts: [string, string][] = [
    ...(await filesBelow(out)),
    ...[...ended, ...failing].flatMap(({ stdout, stderr }, i): [string, string][] => [
      [`standard output of process ${i}`, stdout],
      [`standard error of process ${i}`, stderr],
    ]),
    ["the events", heard.join("\n")],
  ];
  const names = texts.map(([name]) => name).join("\n");
  for (const file of [
    "log.jsonl",
    "worker.jsonl",
    "env.json",
    "config.yaml",
    "report.html",
    "failed/error.json",
  ])
    assert.ok(names.includes(file), `${file} was not written`);
  assert.ok(heard.length > 3, "no events were heard");
  assert.ok(seen.length > 0, "no process was seen");
  texts.push(["the arguments", seen.filter((line) => !line.includes("--command")).join("\n")]);
  for (const [name, text] of texts) {
    for (const [what, secret] of secrets) assert.ok(!text.includes(secret), `${what} is in ${name}`);
  }
  assert.match(
    await readFile(join(failed, "error.json"), "utf8"),
    /nats:\/\/\*\*\*@localhost:4222 holds a secret/,
  );
});
