/** Where a process serves HTTP, and how it is guarded. The same options for coordinator and worker. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { HttpOptions } from "../../shared/io/http-server.js";

const HIGHEST_PORT = 65_535;

export function addHttpOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--http-host <address>", "address that HTTP is served on")
        .env("SAF_HTTP_HOST")
        .default("127.0.0.1"),
    )
    .addOption(httpPort().env("SAF_HTTP_PORT").default(0))
    .addOption(
      new Option("--http-cert-file <file>", "serve HTTPS with this certificate (PEM, chain included)").env(
        "SAF_HTTP_CERT_FILE",
      ),
    )
    .addOption(new Option("--http-key-file <file>", "its private key (PEM)").env("SAF_HTTP_KEY_FILE"));
}

export const httpPort = (): Option =>
  new Option("--http-port <port>", "port that HTTP is served on; 0 takes a free one").argParser(portNumber);

export interface HttpFlags {
  httpHost: string;
  httpPort: number;
  httpCertFile?: string;
  httpKeyFile?: string;
}

export function httpOptionsOf(flags: HttpFlags): HttpOptions {
  return {
    host: flags.httpHost,
    port: flags.httpPort,
    certFile: flags.httpCertFile,
    keyFile: flags.httpKeyFile,
  };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= HIGHEST_PORT) return port;
  throw new InvalidArgumentError(`Expected a port from 0 to ${HIGHEST_PORT}.`);
}
