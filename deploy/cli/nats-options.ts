/** Options of the processes that meet on NATS: where it is, who they are, how the connection is encrypted. */
import { type Command, Option } from "commander";
import type { NatsAccess } from "../../shared/io/nats-bus.js";

export interface NatsFlags {
  natsUrl: string;
  credsFile?: string;
  seedFile?: string;
  natsCaFile?: string;
  natsCertFile?: string;
  natsKeyFile?: string;
}

export function addNatsOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--nats-url <url>", "where nats-server is; tls:// encrypts; several with commas between")
        .env("SAF_NATS_URL")
        .default("nats://127.0.0.1:4222"),
    )
    .addOption(
      new Option(
        "--creds-file <file>",
        "this process's credentials: a .creds file or an nkey seed, or a folder with <id>.creds",
      ).env("SAF_NATS_CREDS_FILE"),
    )
    .addOption(
      new Option("--seed-file <file>", "older name of --creds-file").env("SAF_NATS_SEED_FILE").hideHelp(),
    )
    .addOption(
      new Option("--nats-ca-file <file>", "TLS: authority that signed the server's certificate").env(
        "SAF_NATS_CA_FILE",
      ),
    )
    .addOption(
      new Option("--nats-cert-file <file>", "TLS: own certificate, where the server asks for one").env(
        "SAF_NATS_CERT_FILE",
      ),
    )
    .addOption(
      new Option("--nats-key-file <file>", "TLS: key of the own certificate").env("SAF_NATS_KEY_FILE"),
    );
}

export function natsAccessOf(flags: NatsFlags): NatsAccess {
  return {
    url: flags.natsUrl,
    credentialsFile: flags.credsFile ?? flags.seedFile,
    caFile: flags.natsCaFile,
    certFile: flags.natsCertFile,
    keyFile: flags.natsKeyFile,
  };
}
