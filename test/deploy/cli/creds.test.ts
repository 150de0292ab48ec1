import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { parseCredentials } from "../../../shared/credentials.js";
import { ROLES } from "../../../shared/subjects.js";
import { fromPublic, fromSeed } from "nkeys.js";
import { saf } from "../../support/saf.js";

const SEED = /S[UAO][A-Z2-7]{56}/;

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "saf-creds-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A pool's keys, made by the command. */
async function authority(t: TestContext): Promise<{ home: string; dir: string; out: string }> {
  const home = await folder(t);
  const dir = join(home, "keys");
  const { code, stderr, stdout } = await saf(["creds", "init", "--dir", dir, "--pool", "lab"]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${join(dir, "nats-auth.conf")}\n`);
  assert.doesNotMatch(stderr, SEED);
  return { home, dir, out: join(home, "creds") };
}

async function minted(dir: string, out: string, ...more: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await saf(["creds", "mint", "--dir", dir, "--out", out, ...more]);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout + stderr, SEED);
  return stdout.trim().split("\n");
}

/** Is this JWT signed by the key that it names? */
function isSigned(jwt: string): boolean {
  const [header = "", claims = "", signature = ""] = jwt.split(".");
  const { iss } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { iss: string };
  return fromPublic(iss).verify(Buffer.from(`${header}.${claims}`), Buffer.from(signature, "base64url"));
}

test("a pool's keys are made once, and only their owner may read them", async (t) => {
  const { dir } = await authority(t);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  const seeds = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith(".seed"));
  assert.equal(seeds.length, 3 + ROLES.length);
  for (const name of seeds) assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name);
  for (const name of ["authority.json", "nats-auth.conf"])
    assert.doesNotMatch(await readFile(join(dir, name), "utf8"), SEED, name);

  const again = await saf(["creds", "init", "--dir", dir, "--pool", "lab"]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /keys in .* already/);
});

test("credentials are signed, their seed fits, and they end when they should", async (t) => {
  const { dir, out } = await authority(t);
  const beganS = Math.floor(Date.now() / 1000);
  const files = await minted(dir, out, "--role", "worker", "--count", "3", "--expires", "90s");
  assert.deepEqual(
    files,
    [0, 1, 2].map((i) => join(out, `worker-${i}.creds`)),
  );
  for (const [i, file] of files.entries()) {
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const { jwt, seed, claims } = parseCredentials(await readFile(file, "utf8"), file);
    assert.ok(jwt && claims && isSigned(jwt));
    assert.equal(fromSeed(Buffer.from(seed)).getPublicKey(), claims.subject);
    assert.deepEqual([claims.name, claims.role, claims.pool], [`worker-${i}`, "worker", "lab"]);
    const life = (claims.expiresAt ?? 0) - beganS;
    assert.ok(life >= 90 && life < 150, `${life} s`);
  }
});

test("showing credentials tells whose they are and what they allow, and not the seed", async (t) => {
  const { dir, out } = await authority(t);
  const [file = ""] = await minted(dir, out, "--role", "worker", "--id", "gpu-7");
  const { code, stdout, stderr } = await saf(["creds", "show", file, "--json"]);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout + stderr, SEED);
  const shown = JSON.parse(stdout) as Record<string, unknown> & { publish: string[]; subscribe: string[] };
  assert.deepEqual([shown["name"], shown["role"], shown["expired"]], ["gpu-7", "worker", false]);
  assert.ok(shown.publish.includes("saf.v1.lab.grad.*.gpu-7"));
  assert.ok(shown.subscribe.includes("_INBOX.gpu-7.>"));
});

test("the Kubernetes objects hold everybody's credentials, and the server's without a secret", async (t) => {
  const { dir } = await authority(t);
  const { code, stdout, stderr } = await saf([
    ...["creds", "kubernetes", "--dir", dir, "--workers", "2", "--namespace", "lab"],
  ]);
  assert.equal(code, 0, stderr);
  const [secret, config, ...more] = parseAllDocuments(stdout).map(
    (document) => document.toJS() as Record<string, Record<string, string>>,
  );
  assert.equal(more.length, 0);
  assert.deepEqual([secret?.["kind"], config?.["kind"]], ["Secret", "ConfigMap"]);
  assert.deepEqual(
    [secret, config].map((object) => [object?.["metadata"]?.["name"], object?.["metadata"]?.["namespace"]]),
    [
      ["saf-nats-creds", "lab"],
      ["saf-nats-auth", "lab"],
    ],
  );
  const files = secret?.["stringData"] ?? {};
  assert.deepEqual(Object.keys(files), [
    "coordinator.creds",
    "observer.creds",
    "submitter.creds",
    "worker-0.creds",
    "worker-1.creds",
  ]);
  for (const [name, text] of Object.entries(files))
    assert.equal(`${parseCredentials(text, name).claims?.name}.creds`, name);
  const auth = config?.["data"]?.["auth.conf"] ?? "";
  assert.match(auth, /^operator: "eyJ/m);
  assert.doesNotMatch(auth, SEED);
});

test("rotating leaves the old key in the server's configuration until its grace is over", async (t) => {
  const { dir, out } = await authority(t);
  const keys = async (): Promise<string[]> => {
    const { signing_keys: all } = JSON.parse(await readFile(join(dir, "authority.json"), "utf8")) as {
      signing_keys: { role: string; key: string }[];
    };
    return all.filter(({ role }) => role === "worker").map(({ key }) => key);
  };
  const seeds = async (): Promise<string[]> => readdir(join(dir, "signing"));
  const [old = ""] = await keys();

  assert.equal((await saf(["creds", "rotate", "--dir", dir, "--role", "worker", "--grace", "1h"])).code, 0);
  assert.equal((await keys()).length, 2);
  assert.equal((await seeds()).length, ROLES.length, "the old key's seed stayed");
  assert.ok((await keys()).includes(old));

  assert.equal((await saf(["creds", "rotate", "--dir", dir, "--finish"])).code, 0);
  assert.ok((await keys()).includes(old), "left out before its time");

  assert.equal((await saf(["creds", "rotate", "--dir", dir, "--grace", "0s"])).code, 0);
  assert.equal((await saf(["creds", "rotate", "--dir", dir, "--finish"])).code, 0);
  const left = await keys();
  assert.equal(left.length, 1, "a shorter grace ends the longer one too");
  assert.equal((await minted(dir, out, "--role", "worker", "--id", "w1")).length, 1);
});

test("what nobody may be called, and what is no file of credentials, is refused with exit code 2", async (t) => {
  const { home, dir, out } = await authority(t);
  const mint = ["creds", "mint", "--dir", dir, "--out", out];
  for (const [args, words] of [
    [[...mint, "--role", "worker", "--id", "observer"], /called "observer"/],
    [[...mint, "--role", "worker", "--id", "../w"], /called "..\/w"/],
    [[...mint, "--role", "worker", "--id", "w*"], /called "w\*"/],
    [[...mint, "--role", "worker"], /Which worker/],
    [[...mint, "--role", "worker", "--id", "submitter-a"], /called "submitter-a"/],
    [[...mint, "--role", "submitter", "--id", "alice"], /called "alice"[^]*submitter-alice/],
    [[...mint, "--role", "submitter", "--count", "2"], /--count is for workers[^]*submitter-alice/],
    [[...mint, "--role", "coordinator", "--count", "2"], /one coordinator/],
    [[...mint, "--role", "king", "--id", "w"], /Allowed choices/],
    [[...mint, "--role", "worker", "--id", "w", "--expires", "soon"], /Expected a time/],
    [["creds", "mint", "--dir", home, "--role", "observer", "--out", out], /saf creds init/],
    [["creds", "init", "--dir", join(home, "b"), "--pool", "Big Pool"], /call a pool/],
    [["creds", "show", join(dir, "authority.json")], /expected an nkey seed/],
    [["creds", "show", join(dir, "operator.seed")], /expected an nkey seed/],
    [["creds", "show", join(home, "none.creds")], /Cannot read/],
  ] as const) {
    const { code, stdout, stderr } = await saf(args);
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, words);
    assert.doesNotMatch(stdout + stderr, SEED);
  }
});
