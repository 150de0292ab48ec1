/**
 * Two machines: network namespaces with a cable between them. One leads a pool and trains; the other joins in the middle
 * of the run, over TLS, and carries it on while the first one's worker stands still.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { checkpointOf, ledgerOf, temporaryDirectory, testConfig } from "../support/cluster.js";
import { localWeightsSha256 } from "../support/reference-weights.js";
import { PROGRAM } from "../support/saf.js";

const LIMIT = { timeout: 180_000 };
const CONFIG = testConfig({ train: { max_steps: 60 }, evaluate: { images: 100 } });
const HOLDER_S = "240";

const canMakeMachines =
  spawnSync("unshare", ["--net", "ip", "link", "set", "lo", "up"]).status === 0 &&
  spawnSync("nsenter", ["--version"]).status === 0;
const skip = canMakeMachines ? false : "network namespaces need root, unshare, nsenter and ip";

/** Its namespace lives as long as the process that holds it. */
interface Machine {
  holder: number;
  state: string;
}

async function namespace(t: TestContext): Promise<number> {
  const holder = spawn(
    "unshare",
    ["--net", "sh", "-c", `ip link set lo up && echo up && exec sleep ${HOLDER_S}`],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  t.after(() => void holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  return holder.pid ?? 0;
}

function inside(holder: number, ...command: string[]): void {
  const { status, stderr } = spawnSync("nsenter", ["-t", String(holder), "-n", ...command], {
    encoding: "utf8",
  });
  assert.equal(status, 0, `${command.join(" ")}: ${stderr}`);
}

async function twoMachines(t: TestContext, folder: string): Promise<[Machine, Machine]> {
  const holders = [await namespace(t), await namespace(t)] as const;
  const [left, right] = holders.map(String) as [string, string];
  const cable = spawnSync("ip", [
    "link",
    "add",
    "cable",
    "netns",
    left,
    "type",
    "veth",
    "peer",
    "name",
    "cable",
    "netns",
    right,
  ]);
  assert.equal(cable.status, 0, String(cable.stderr));
  for (const [i, holder] of holders.entries()) {
    inside(holder, "ip", "address", "add", `10.99.0.${i + 1}/24`, "dev", "cable");
    inside(holder, "ip", "link", "set", "cable", "up");
  }
  return [
    { holder: holders[0], state: join(folder, "state-1") },
    { holder: holders[1], state: join(folder, "state-2") },
  ];
}

interface Running {
  child: ChildProcess;
  exit: Promise<number | null>;
  /** Resolves with the line of standard error that matches. */
  said(pattern: RegExp): Promise<string>;
  /** Its JSON document, once it is whole. */
  result<Value>(): Promise<Value>;
  words: () => string;
}

/** `saf` on a machine; ended after the test. */
function saf(t: TestContext, { holder, state }: Machine, folder: string, ...args: string[]): Running {
  const child = spawn(
    "nsenter",
    ["-t", String(holder), "-n", process.execPath, "--enable-source-maps", PROGRAM, ...args],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, SAF_STATE_DIR: state } },
  );
  const exit = once(child, "close").then(([code]) => code as number | null);
  t.after(async () => {
    child.kill("SIGTERM");
    await exit;
  });
  let out = "";
  const result = async <Value>(): Promise<Value> => {
    for await (const text of child.stdout.setEncoding("utf8")) {
      out += String(text);
      if (out.endsWith("}\n")) return JSON.parse(out) as Value;
    }
    throw new Error(`no result\n${words()}`);
  };
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const words = (): string => `saf ${args[0]}:\n${lines.slice(-30).join("\n")}\n${out}`;
  const said = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines.find((line) => pattern.test(line));
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void exit.then((code) => reject(new Error(`ended with ${code} before ${pattern}\n${words()}`)));
    });
  return { child, exit, said, result, words };
}

/** The worker processes that a launcher has started. */
function workersOf(launcher: number): number[] {
  const children = readFileSync(`/proc/${launcher}/task/${launcher}/children`, "utf8").trim().split(" ");
  return children.map(Number).filter((pid) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.includes("worker");
  });
}

/** How often the workers of a machine were taken in. */
async function joinsOf({ state }: Machine): Promise<number> {
  const [home = ""] = await readdir(join(state, "joined"));
  const logs = join(state, "joined", home, "logs");
  const files = readdirSync(logs).filter((name) => name.endsWith(".jsonl"));
  const texts = await Promise.all(files.map((name) => readFile(join(logs, name), "utf8")));
  return texts.join("").split("Joined the pool as").length - 1;
}

test(
  "a second machine joins a running training over TLS: the same weights; then it waits for the next run",
  { ...LIMIT, skip },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const reference = localWeightsSha256(CONFIG);
    const [leader, other] = await twoMachines(t, folder);
    await writeFile(join(folder, "run.yaml"), JSON.stringify(CONFIG));
    const up = saf(t, leader, folder, "up", "--listen", "10.99.0.1", "--json");
    const { token } = await up.result<{ token: string }>();
    await reference;

    const pool = ["--set", "pool.heartbeat_ms=250", "-w", "1", "--progress", "json", "--json"];
    const train = saf(t, leader, folder, "train", "-c", "run.yaml", ...pool);
    await train.said(/"name":"training"/);
    const [local] = workersOf(train.child.pid ?? 0);
    assert.ok(local, train.words());
    process.kill(local, "SIGSTOP");
    t.after(() => {
      try {
        process.kill(local, "SIGCONT");
      } catch {
        // Ended with its run.
      }
    });
    // The pool serves one run; whoever comes second leaves no folder.
    const second = saf(t, leader, folder, "train", "-c", "run.yaml", "--runs", "second", "-w", "1");
    assert.equal(await second.exit, 5, second.words());
    assert.match(second.words(), /serves another run: process \d+/);
    assert.ok(!existsSync(join(folder, "second")));
    const joined = saf(t, other, folder, "join", token, "-w", "1");
    await joined.said(/^in the pool at 10\.99\.0\.1:/);
    const { directory } = await train.result<{ directory: string }>();
    assert.equal(await train.exit, 0, train.words());
    const out = directory;
    assert.deepEqual(checkpointOf(out), { step: 60, sha256: await reference });
    const ledger = ledgerOf(out);
    assert.deepEqual(
      ledger.map(({ step, samples }) => [step, samples]),
      Array.from({ length: 60 }, (_, step) => [step, 32]),
    );
    const workers = new Set(ledger.flatMap(({ blocks }) => blocks.map(({ worker }) => worker)));
    assert.ok(
      [...workers].some((worker) => worker !== "worker-1"),
      [...workers].join(),
    );

    const measured = saf(
      t,
      leader,
      folder,
      "evaluate",
      directory,
      "--images",
      "200",
      ...pool,
      "--set",
      "pool.min_workers=2",
    );
    await measured.result();
    assert.equal(await measured.exit, 0, measured.words());
    assert.equal(await joinsOf(other), 2);

    joined.child.kill("SIGINT");
    assert.equal(await joined.exit, 130, joined.words());
    up.child.kill("SIGINT");
    assert.equal(await up.exit, 130, up.words());
  },
);
