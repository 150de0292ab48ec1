/**
 * Who may say and hear what, asked of the server itself: every line is tried with keys in the server's configuration, as
 * a local cluster has them, and with signed credentials, as in production; on an old server and on a new one.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, credsAuthenticator, nkeyAuthenticator } from "nats";
import type { Authenticator, NatsConnection } from "nats";
import { ROLES, type Role, inboxPrefix, subjectsOf } from "../../shared/subjects.js";
import type { NatsBinary } from "../../deploy/local/nats/binary.js";
import { startNatsServer } from "../../deploy/local/nats/server.js";
import { startProductionNats } from "../support/production-nats.js";
import { NO_SERVER, serversOfBothAges, within } from "./nats-support.js";

const s = subjectsOf("pool");
const other = subjectsOf("other");
const WHO = ["coordinator", "observer", "submitter", "w0", "w1"] as const;
type Who = (typeof WHO)[number];

const C = "coordinator";
const O = "observer";
const S = "submitter";

/** Subject, who may publish on it, who may subscribe to it. Nobody else may. */
const TABLE: [subject: string, publish: Who[], subscribe: Who[]][] = [
  [s.join("w0"), ["w0"], [C]],
  [s.join("w1"), ["w1"], [C]],
  [s.all, [C], [C, "w0", "w1"]],
  [s.command("w0"), [C], [C, "w0"]],
  [s.command("w1"), [C], [C, "w1"]],
  [s.heartbeat("w0"), ["w0"], [C, O]],
  [s.heartbeat("w1"), ["w1"], [C, O]],
  [s.lease("w0"), ["w0"], [C]],
  [s.lease("w1"), ["w1"], [C]],
  [s.gradient(0, "w0"), ["w0"], [C]],
  [s.gradient(3, "w0"), ["w0"], [C]],
  [s.gradient(0, "w1"), ["w1"], [C]],
  [s.push("w0"), ["w0"], [C]],
  [s.push("w1"), ["w1"], [C]],
  [s.result("w0"), ["w0"], [C]],
  [s.result("w1"), ["w1"], [C]],
  [s.parameters(0), [C], [C, "w0", "w1"]],
  [s.parametersAsBytes(0), [C], [C, "w0", "w1"]],
  [s.mateParameters("w0"), ["w0"], [C, "w0", "w1"]],
  [s.mateGradient("w1", "w0"), ["w0"], [C, "w1"]],
  [s.parameterGet(0, "w0"), ["w0"], [C]],
  [s.parameterGet(3, "w1"), ["w1"], [C]],
  [s.runGet("w0"), ["w0"], [C]],
  [s.runGet("w1"), ["w1"], [C]],
  [s.data("w0"), ["w0"], [C]],
  [s.data("w1"), ["w1"], [C]],
  [s.event("step"), [C], [C, O, S]],
  [s.submit("submitter"), [S], [C]],
  [s.submit("submitter-b"), [], [C]],
  [s.submit("observer"), [], [C]],
  [s.queue("submitter"), [S], [C]],
  [s.queue("observer"), [O], [C]],
  // Machines come by keys of their own, which this server does not know.
  [s.enrol, [], [C]],
  // Another pool on the same server.
  [other.join("w0"), [], []],
  [other.gradient(0, "w0"), [], []],
  [other.event("step"), [], []],
  // Answers are only for who asked. The coordinator answers what it was asked, and writes nowhere unasked.
  [`${inboxPrefix("coordinator")}.x`, [], [C]],
  [`${inboxPrefix("observer")}.x`, [], [O]],
  [`${inboxPrefix("submitter")}.x`, [], [S]],
  [`${inboxPrefix("w0")}.x`, [], ["w0"]],
  [`${inboxPrefix("w1")}.x`, [], ["w1"]],
  ["_INBOX.x", [], []],
  // Nobody needs JetStream. Its acknowledgements have two forms, the second since nats-server 2.14.
  ["$JS.API.INFO", [], []],
  ["$JS.API.STREAM.CREATE.JOBS", [], []],
  ["$JS.API.STREAM.CREATE.OTHER", [], []],
  ["$JS.API.STREAM.PURGE.JOBS", [], []],
  ["$JS.API.STREAM.MSG.GET.JOBS", [], []],
  ["$JS.API.STREAM.SNAPSHOT.JOBS", [], []],
  ["$JS.API.STREAM.RESTORE.JOBS", [], []],
  ["$JS.API.CONSUMER.CREATE.JOBS", [], []],
  ["$JS.API.CONSUMER.INFO.JOBS.train", [], []],
  ["$JS.API.CONSUMER.MSG.NEXT.JOBS.train", [], []],
  ["$JS.API.CONSUMER.MSG.NEXT.EVENTS.train", [], []],
  ["$JS.ACK.JOBS.train.1.1.1.1.0", [], []],
  ["$JS.ACK._.hash.JOBS.train.1.1.1.1.0", [], []],
  ["$JS.ACK.EVENTS.train.1.1.1.1.0", [], []],
  ["$JS.ACK._.hash.EVENTS.train.1.1.1.1.0", [], []],
  ["$JS.FC.JOBS.x", [], []],
  ["$KV.lead.run", [], []],
  ["$JS.EVENT.ADVISORY.API", [], []],
  ["$SYS.REQ.SERVER.PING", [], []],
  ["$SYS.ACCOUNT.x.CONNECT", [], []],
  ["anything", [], []],
];

/** Patterns, which can only be subscribed to. */
const PATTERNS: [pattern: string, subscribe: Who[]][] = [
  [s.joinPattern, [C]],
  [s.commandPattern, [C]],
  [s.heartbeatPattern, [C, O]],
  [s.leasePattern, [C]],
  [s.gradientPattern(0), [C]],
  [s.pushPattern, [C]],
  [s.resultPattern, [C]],
  [s.parametersPattern, [C, "w0", "w1"]],
  [s.parametersAsBytesPattern, [C, "w0", "w1"]],
  [s.mateGradientPattern("w0"), [C, "w0"]],
  [s.parameterGetPattern(0), [C]],
  [s.eventPattern, [C, O, S]],
  [s.submitPattern, [C]],
  [s.queuePattern, [C]],
  ["saf.v1.pool.>", [C]],
  ["saf.v1.>", []],
  [`${inboxPrefix("coordinator")}.>`, [C]],
  [`${inboxPrefix("observer")}.>`, [O]],
  [`${inboxPrefix("submitter")}.>`, [S]],
  [`${inboxPrefix("w0")}.>`, ["w0"]],
  [`${inboxPrefix("w1")}.>`, ["w1"]],
  ["_INBOX.>", []],
  ["_INBOX.*.>", []],
  ["_INBOX.*", []],
  ["$JS.EVENT.ADVISORY.>", []],
  ["$JS.>", []],
  ["$SYS.>", []],
  [">", []],
  ["*", []],
];

interface World {
  url: string;
  authenticator(who: Who): Authenticator | Promise<Authenticator>;
  stop(): Promise<unknown>;
}

const roleOf = (who: Who): Role => ROLES.find((role) => role === who) ?? "worker";

/** The two ways to say who may do what. */
const FLAVOURS: Record<string, (binary: NatsBinary, directory: string) => Promise<World>> = {
  async "keys in its configuration"(binary, directory) {
    const server = await startNatsServer({ binary, directory, pool: "pool", workers: ["w0", "w1"] });
    const { worker, ...roles } = server.credentials;
    const fileOf = (who: Who): string => (who === "w0" || who === "w1" ? worker(who) : roles[who]).seedFile;
    return {
      url: server.url,
      authenticator: (who) => nkeyAuthenticator(readFileSync(fileOf(who))),
      stop: () => server.stop(),
    };
  },
  async "signed credentials"(binary, directory) {
    const server = await startProductionNats(directory, binary);
    return {
      url: server.url,
      authenticator: async (who) => credsAuthenticator(readFileSync(await server.mint(roleOf(who), who))),
      stop: () => server.stop(),
    };
  },
};

const ages = await serversOfBothAges();

for (const { name, binary } of ages) {
  for (const [flavour, start] of Object.entries(FLAVOURS)) {
    describe(
      `permissions on the ${name} server with ${flavour}`,
      {
        skip: binary === undefined && NO_SERVER,
      },
      () => {
        let directory: string;
        let world: World;
        let clients: Record<Who, Client>;

        before(async () => {
          assert.ok(binary);
          directory = await mkdtemp(join(tmpdir(), "saf-nats-test-"));
          world = await start(binary, directory);
          const client = async (who: Who): Promise<Client> =>
            clientOf(world.url, who, await world.authenticator(who));
          clients = {
            coordinator: await client("coordinator"),
            observer: await client("observer"),
            submitter: await client("submitter"),
            w0: await client("w0"),
            w1: await client("w1"),
          };
        });
        after(async () => {
          for (const { connection } of Object.values(clients ?? {})) await connection.close();
          await world?.stop();
          await rm(directory, { recursive: true, force: true });
        });

        test("each may publish what the table says, and nothing else of it", async () => {
          const wrong: string[] = [];
          for (const [subject, allowed] of TABLE) {
            for (const who of WHO) {
              if ((await mayPublish(clients[who], subject)) !== allowed.includes(who))
                wrong.push(`${who} ${allowed.includes(who) ? "may not" : "may"} publish ${subject}`);
            }
          }
          assert.deepEqual(wrong, []);
        });

        test("each may subscribe to what the table says, and nothing else of it", async () => {
          const wrong: string[] = [];
          const lines = [...TABLE.map(([subject, , allowed]) => [subject, allowed] as const), ...PATTERNS];
          for (const [subject, allowed] of lines) {
            for (const who of WHO) {
              if ((await maySubscribe(clients[who], subject)) !== allowed.includes(who))
                wrong.push(`${who} ${allowed.includes(who) ? "may not" : "may"} subscribe to ${subject}`);
            }
          }
          assert.deepEqual(wrong, []);
        });

        test("what a worker publishes arrives, and what is forbidden does not", async () => {
          const arrived: string[] = [];
          const coordinator = clients.coordinator.connection;
          const last = new Promise<void>((resolve) => {
            coordinator.subscribe(s.gradientPattern(0), {
              callback: (_error, message) => {
                arrived.push(message.string());
                if (message.string() === "end") resolve();
              },
            });
          });
          await coordinator.flush();
          const { connection } = clients.w0;
          connection.publish(s.gradient(0, "w0"), "own");
          connection.publish(s.gradient(0, "w1"), "forged");
          connection.publish(s.gradient(0, "w0"), "end");
          await within(5_000, "the last gradient", last);
          assert.deepEqual(arrived, ["own", "end"]);
        });

        test("the coordinator may answer a worker's request, though it may not write to its inbox unasked", async () => {
          const coordinator = clients.coordinator.connection;
          coordinator.subscribe(s.join("w0"), {
            max: 1,
            callback: (_error, message) => message.respond("welcome"),
          });
          await coordinator.flush();
          const answer = await clients.w0.connection.request(s.join("w0"), "hello", { timeout: 5_000 });
          assert.equal(answer.string(), "welcome");
        });

        test("nobody makes a stream, not even the coordinator", async () => {
          for (const who of WHO) {
            const { connection } = clients[who];
            const asked = connection.request("$JS.API.STREAM.CREATE.MINE", "{}", { timeout: 300 });
            await assert.rejects(asked, who);
          }
        });
      },
    );
  }
}

interface Client {
  connection: NatsConnection;
  /** "publish SUBJECT" and "subscription SUBJECT" that the server refused. */
  refusals: Set<string>;
}

async function clientOf(url: string, who: Who, authenticator: Authenticator): Promise<Client> {
  const connection = await connect({
    servers: url,
    authenticator,
    inboxPrefix: inboxPrefix(who),
    reconnect: false,
  });
  const refusals = new Set<string>();
  void (async () => {
    for await (const status of connection.status()) {
      const context = status.permissionContext;
      if (context !== undefined) refusals.add(`${context.operation} ${context.subject}`);
    }
  })();
  return { connection, refusals };
}

/** The server answers in order: a refusal comes before the answer to the flush. */
async function mayPublish({ connection, refusals }: Client, subject: string): Promise<boolean> {
  refusals.clear();
  connection.publish(subject);
  await connection.flush();
  await connection.flush(); // the status iterator has run by then
  return !refusals.has(`publish ${subject}`);
}

async function maySubscribe({ connection, refusals }: Client, subject: string): Promise<boolean> {
  refusals.clear();
  const subscription = connection.subscribe(subject, { callback: () => {} });
  await connection.flush();
  await connection.flush();
  const allowed = !refusals.has(`subscription ${subject}`);
  subscription.unsubscribe();
  return allowed;
}
