/** Whether an address can be listened on, asked before a server is started: its own words are for those who know it. */
import { once } from "node:events";
import { createServer } from "node:net";
import { ClusterError, codeIn, wordsOf } from "../../shared/errors.js";
import { hostText } from "./core/address.js";

const REASONS: Record<string, string> = {
  EADDRNOTAVAIL: "this machine does not have that address",
  ENOTFOUND: "no host has that name",
  EAI_AGAIN: "the name could not be looked up",
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not listen on that port",
};

/** Without a port, on any. Throws ClusterError("dependency"). */
export async function checkListenable(host: string, port: number | undefined): Promise<void> {
  const server = createServer();
  try {
    server.listen({ host, port: port ?? 0 });
    await once(server, "listening");
  } catch (cause) {
    const place = port === undefined ? host : `${hostText(host)}:${port}`;
    const why = REASONS[codeIn(cause) ?? ""] ?? wordsOf(cause);
    throw new ClusterError("dependency", `Cannot listen on ${place}: ${why}`, {
      hint: "--listen HOST:PORT takes an address of this machine and a port that is free",
      cause,
    });
  }
  server.close();
  await once(server, "close");
}
