import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterError } from "../../shared/errors.js";
import { natsConfig, subjectRights } from "../../deploy/local/nats/config.js";

interface Rights {
  allow?: string[];
  deny?: string[];
}
interface Config {
  host: string;
  port: number;
  http: string;
  accounts: Record<
    string,
    { users: { nkey: string; permissions?: { publish: Rights; subscribe: Rights } }[] }
  >;
}

function configOf(workers: string[] = ["w0"], ports: { port?: number; monitorPort?: number } = {}): Config {
  return natsConfig({
    pool: "pool",
    serverName: "test",
    portsDirectory: "/ports",
    ...ports,
    keys: {
      coordinator: "UC",
      observer: "UO",
      submitter: "UT",
      system: "US",
      workers: new Map(workers.map((worker) => [worker, `U-${worker}`])),
    },
  }) as Config;
}

function rightsOf(config: Config, nkey: string): { publish: Rights; subscribe: Rights } {
  const user = Object.values(config.accounts)
    .flatMap((account) => account.users)
    .find((entry) => entry.nkey === nkey);
  assert.ok(user?.permissions, `${nkey} has permissions`);
  return user.permissions;
}

test("JetStream is off: saf keeps no stream, and no role may make one", () => {
  assert.doesNotMatch(JSON.stringify(configOf()), /jetstream/i);
});

test("clients and monitoring listen on loopback, on free ports unless told otherwise", () => {
  const free = configOf();
  assert.deepEqual([free.host, free.port, free.http], ["127.0.0.1", -1, "127.0.0.1:-1"]);
  const fixed = configOf([], { port: 4300, monitorPort: 8300 });
  assert.deepEqual([fixed.host, fixed.port, fixed.http], ["127.0.0.1", 4300, "127.0.0.1:8300"]);
});

test("whoever may publish nothing is denied everything, for the server reads an empty list as no limit", () => {
  assert.deepEqual(subjectRights([]), { deny: [">"] });
  const { publish, subscribe } = rightsOf(configOf(), "UO");
  assert.deepEqual(publish, { allow: ["saf.v1.pool.queue.observer"] });
  assert.ok(subscribe.allow && subscribe.allow.length > 0);
});

test("nobody has a right outside the pool and an inbox of its own: not on JetStream, not on the server's own subjects", () => {
  const config = configOf(["w0", "w1"]);
  for (const key of ["UC", "UO", "UT", "U-w0", "U-w1"]) {
    const { publish, subscribe } = rightsOf(config, key);
    const everything = [...(publish.allow ?? []), ...(subscribe.allow ?? [])];
    assert.ok(everything.length > 0, key);
    assert.deepEqual(
      everything.filter((subject) => !/^(saf\.v1\.pool\.|_INBOX\.)/.test(subject)),
      [],
      key,
    );
  }
});

test("a worker cannot take a name whose subjects or inbox belong to somebody else", () => {
  for (const name of ["coordinator", "observer", "all", "join", "W0", "a.b", ">", ""]) {
    assert.throws(
      () => configOf([name]),
      (error) => error instanceof ClusterError && error.code === "usage",
      name,
    );
  }
});
