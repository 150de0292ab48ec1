import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { PORTS, freePort } from "./free-port.js";

const RANGE = "/proc/sys/net/ipv4/ip_local_port_range";
const skip = existsSync(RANGE) ? false : "only Linux says which ports it gives out";

test(
  "a port that is taken later is none that the system may give to somebody else first",
  { skip },
  async () => {
    const given = Number(readFileSync(RANGE, "utf8").split(/\s+/)[0]);
    assert.ok(PORTS.first + PORTS.count <= given, `the system gives out ports from ${given} on`);
    for (let i = 0; i < 20; i++) {
      const port = await freePort();
      assert.ok(port >= PORTS.first && port < PORTS.first + PORTS.count, String(port));
    }
  },
);
