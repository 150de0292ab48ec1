import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/**
 * Below the ports that systems give out by themselves: between our look and the program's start, nobody who binds to port 0
 * or dials out comes to sit there.
 */
export const PORTS = { first: 20_000, count: 10_000 };
const TRIES = 100;

/** A port of the loopback that nobody listens on now, for a program that others must be told of before it starts. */
export async function freePort(): Promise<number> {
  for (let left = TRIES; left > 0; left--) {
    const wanted = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const port = await bound(wanted).catch(() => undefined);
    if (port !== undefined) return port;
  }
  throw new Error(`No port is free from ${PORTS.first} on`);
}

async function bound(wanted: number): Promise<number> {
  const probe = createServer().listen(wanted, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
