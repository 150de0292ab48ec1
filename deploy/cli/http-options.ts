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
    .addOption(httpPort().default(0))
    .addOption(
      new Option("--http-cert-file <file>", "serve HTTPS with this certificate (PEM, chain included)").env(
        "SAF_HTTP_CERT_FILE",
      ),
    )
    .addOption(new Option("--http-key-file <file>", "its private key (PEM)").env("SAF_HTTP_KEY_FILE"));
}

/** Of a process that serves the live page. */
export function addPageOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--http-token-file <file>", "file with the token that page, API and push ask for").env(
        "SAF_HTTP_TOKEN_FILE",
      ),
    )
    .addOption(
      new Option(
        "--http-origins <origins>",
        "origins besides its own from which the page may connect, with commas",
      )
        .env("SAF_HTTP_ORIGINS")
        .argParser(originsIn),
    )
    .addOption(new Option("--http-any-port", "take a free port when --http-port is taken").hideHelp());
}

export const httpPort = (): Option =>
  new Option("--http-port <port>", "port that HTTP is served on; 0 takes a free one")
    .env("SAF_HTTP_PORT")
    .argParser(portNumber);

export interface HttpFlags {
  httpHost: string;
  httpPort: number;
  httpCertFile?: string;
  httpKeyFile?: string;
  httpTokenFile?: string;
  httpOrigins?: string[];
  httpAnyPort?: true;
}

export function httpOptionsOf(flags: HttpFlags): HttpOptions {
  return {
    host: flags.httpHost,
    port: flags.httpPort,
    certFile: flags.httpCertFile,
    keyFile: flags.httpKeyFile,
    tokenFile: flags.httpTokenFile,
    origins: flags.httpOrigins,
    anyPort: flags.httpAnyPort,
  };
}

function originsIn(text: string): string[] {
  return text.split(",").map((each) => {
    const word = each.trim();
    if (!URL.canParse(word) || new URL(word).origin !== word)
      throw new InvalidArgumentError("Expected origins as in https://saf.example, separated by commas.");
    return word;
  });
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= HIGHEST_PORT) return port;
  throw new InvalidArgumentError(`Expected a port from 0 to ${HIGHEST_PORT}.`);
}
