/** Who may say and hear what, asked of the server itself: every line is tried, on an old server and on a new one. */
import assert from "node:assert/strict";
import { before, after, describe, test } from "node:test";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, nkeyAuthenticator } from "nats";
import type { NatsConnection } from "nats";
import { inboxPrefix, subjectsOf } from "../../shared/subjects.js";
import { startNatsServer } from "../../deploy/local/nats/server.js";
import type { NatsCredentials, RunningNatsServer } from "../../deploy/local/nats/server.js";
import { NO_SERVER, serversOfBothAges, within } from "./nats-support.js";

const s = subjectsOf("pool");
type Role = "coordinator" | "observer" | "w0" | "w1";
type Right = [role: Role, subject: string, allowed: boolean];

const PUBLISH: Right[] = [
  ["w0", s.gradient(0, "w0"), true],
  ["w0", s.gradient(3, "w0"), true],
  ["w0", s.gradient(0, "w1"), false],
  ["w0", s.heartbeat("w0"), true],
  ["w0", s.heartbeat("w1"), false],
  ["w0", s.push("w0"), true],
  ["w0", s.push("w1"), false],
  ["w0", s.result("w0"), true],
  ["w0", s.result("w1"), false],
  ["w0", s.lease("w1"), false],
  ["w0", s.join("w0"), true],
  ["w0", s.data, true],
  ["w0", s.runGet, true],
  ["w0", s.parameterGet(0), true],
  ["w0", s.parameters(0), false],
  ["w0", s.all, false],
  ["w0", s.command("w1"), false],
  ["w0", s.event("step"), false],
  ["w0", subjectsOf("other").join("w0"), false],
  ["w0", `${inboxPrefix("w1")}.answer`, false],
  ["w0", "$JS.API.STREAM.CREATE.JOBS", false],
  ["w0", "$JS.API.INFO", false],
  ["w0", "$SYS.REQ.SERVER.PING", false],
  ["observer", s.event("step"), false],
  ["observer", s.heartbeat("w0"), false],
  ["observer", s.join("w0"), false],
  ["observer", "$JS.API.INFO", false],
  ["observer", "anything", false],
  ["coordinator", s.parameters(0), true],
  ["coordinator", s.command("w1"), true],
  ["coordinator", s.event("step"), true],
  ["coordinator", "$JS.API.STREAM.SNAPSHOT.JOBS", false],
  ["coordinator", "$JS.API.STREAM.RESTORE.JOBS", false],
  ["coordinator", `${inboxPrefix("w0")}.unasked`, false],
];

const SUBSCRIBE: Right[] = [
  ["w0", s.all, true],
  ["w0", s.command("w0"), true],
  ["w0", s.command("w1"), false],
  ["w0", s.commandPattern, false],
  ["w0", s.parameters(0), true],
  ["w0", s.gradientPattern(0), false],
  ["w0", s.join("w0"), false],
  ["w0", `${inboxPrefix("w0")}.>`, true],
  ["w0", `${inboxPrefix("w1")}.>`, false],
  ["w0", "_INBOX.>", false],
  ["w0", "_INBOX.*.>", false],
  ["w0", ">", false],
  ["w0", "$JS.EVENT.ADVISORY.>", false],
  ["observer", s.eventPattern, true],
  ["observer", s.heartbeatPattern, true],
  ["observer", s.gradientPattern(0), false],
  ["observer", s.commandPattern, false],
  ["observer", "_INBOX.>", false],
  ["observer", ">", false],
  ["coordinator", s.gradientPattern(0), true],
  ["coordinator", s.join("w0"), true],
  ["coordinator", "$JS.EVENT.ADVISORY.>", true],
  ["coordinator", "$SYS.>", false],
  ["coordinator", `${inboxPrefix("w0")}.>`, false],
];

for (const { name, binary } of await serversOfBothAges()) {
  describe(`permissions on the ${name} server`, { skip: binary === undefined && NO_SERVER }, () => {
    let directory: string;
    let server: RunningNatsServer;
    let connections: Record<Role, Client>;

    before(async () => {
      assert.ok(binary);
      directory = await mkdtemp(join(tmpdir(), "saf-nats-test-"));
      server = await startNatsServer({ binary, directory, pool: "pool", workers: ["w0", "w1"] });
      const { coordinator, observer, worker } = server.credentials;
      connections = {
        coordinator: await clientOf(server.url, coordinator),
        observer: await clientOf(server.url, observer),
        w0: await clientOf(server.url, worker("w0")),
        w1: await clientOf(server.url, worker("w1")),
      };
    });
    after(async () => {
      for (const { connection } of Object.values(connections ?? {})) await connection.close();
      await server?.stop();
      await rm(directory, { recursive: true, force: true });
    });

    test("each role may publish what the table says, and nothing else of it", async () => {
      for (const [role, subject, allowed] of PUBLISH) {
        assert.equal(await mayPublish(connections[role], subject), allowed, `${role} publishes ${subject}`);
      }
    });

    test("each role may subscribe to what the table says, and nothing else of it", async () => {
      for (const [role, subject, allowed] of SUBSCRIBE) {
        assert.equal(
          await maySubscribe(connections[role], subject),
          allowed,
          `${role} subscribes to ${subject}`,
        );
      }
    });

    test("what a worker publishes arrives, and what is forbidden does not", async () => {
      const arrived: string[] = [];
      const coordinator = connections.coordinator.connection;
      const last = new Promise<void>((resolve) => {
        coordinator.subscribe(s.gradientPattern(0), {
          callback: (_error, message) => {
            arrived.push(message.string());
            if (message.string() === "end") resolve();
          },
        });
      });
      await coordinator.flush();
      const { connection } = connections.w0;
      connection.publish(s.gradient(0, "w0"), "own");
      connection.publish(s.gradient(0, "w1"), "forged");
      connection.publish(s.gradient(0, "w0"), "end");
      await within(5_000, "the last gradient", last);
      assert.deepEqual(arrived, ["own", "end"]);
    });

    test("the coordinator may answer a worker's request, though it may not write to its inbox unasked", async () => {
      const coordinator = connections.coordinator.connection;
      coordinator.subscribe(s.join("w0"), {
        max: 1,
        callback: (_error, message) => message.respond("welcome"),
      });
      await coordinator.flush();
      const answer = await connections.w0.connection.request(s.join("w0"), "hello", { timeout: 5_000 });
      assert.equal(answer.string(), "welcome");
    });
  });
}

interface Client {
  connection: NatsConnection;
  /** "publish SUBJECT" and "subscription SUBJECT" that the server refused. */
  refusals: Set<string>;
}

async function clientOf(url: string, credentials: NatsCredentials): Promise<Client> {
  const connection = await connect({
    servers: url,
    authenticator: nkeyAuthenticator(readFileSync(credentials.seedFile)),
    inboxPrefix: inboxPrefix(credentials.identity),
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
