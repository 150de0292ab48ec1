/**
 * Finds the server that a token names, and the authority that signed its certificate. The token has the authority's
 * hash, so what the server shows is compared before anything is said to it. Nothing secret goes over the connection that
 * looks; the next one verifies everything against the authority that was found.
 */
import { connect } from "node:net";
import { type TLSSocket, connect as connectTls } from "node:tls";
import type { X509Certificate } from "node:crypto";
import { ClusterError, codeIn, wordsOf } from "../../shared/errors.js";
import { fingerprintOf } from "./certificates.js";
import { type Address, addressText } from "./core/address.js";

export interface FoundServer {
  address: Address;
  /** PEM of the authority. */
  authority: string;
}

/** The address is somebody else's by now. */
const BEGUN_ANEW =
  "the pool was begun anew (its token is another now), or somebody else answers there: nothing was said to it";

/** Did it fail because another authority than the token's is shown? */
export function isOfAnotherAuthority(error: unknown): boolean {
  return error instanceof ClusterError && error.hint === BEGUN_ANEW;
}

/** A server that is there greets at once. */
const TIMEOUT_MS = 4000;
const LONGEST_CHAIN = 8;

/** Tries one address after another. Throws ClusterError("dependency") with what each of them came to. */
export async function findAuthority(
  addresses: readonly Address[],
  fingerprint: Uint8Array,
): Promise<FoundServer> {
  const failures: string[] = [];
  for (const address of addresses) {
    try {
      const chain = await chainOf(address);
      const authority = chain.find((certificate) => fingerprintOf(certificate.raw).equals(fingerprint));
      if (authority !== undefined) return { address, authority: authority.toString() };
      failures.push(`${addressText(address)}: it shows another authority than the token names`);
    } catch (error) {
      failures.push(`${addressText(address)}: ${REASONS[codeIn(error) ?? ""] ?? wordsOf(error)}`);
    }
  }
  const isStranger = failures.some((failure) => failure.endsWith("than the token names"));
  throw new ClusterError("dependency", ["Cannot reach the pool:", ...failures].join("\n"), {
    hint: isStranger
      ? BEGUN_ANEW
      : "does saf up --listen run there, on an address that this machine reaches, and does the firewall let it through?",
  });
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: "nobody listens there",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to this network",
  ENOTFOUND: "no host has this name",
  EAI_AGAIN: "the name could not be looked up",
  ECONNRESET: "the connection was cut",
};

/** The certificates that the server shows, its own first. It greets in plain text, then encrypts. */
function chainOf({ host, port }: Address): Promise<X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => fail(new Error("it does not answer")), TIMEOUT_MS);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    socket.on("error", fail);
    socket.once("end", () => fail(new Error("the connection was cut")));
    socket.once("data", (greeting) => {
      if (!greeting.toString("latin1").startsWith("INFO ")) {
        fail(new Error("what listens there is no nats-server"));
        return;
      }
      // Who signed is compared by its hash, so any chain may come this far.
      const tls = connectTls({ socket, rejectUnauthorized: false }, () => {
        clearTimeout(timer);
        const chain = certificatesOf(tls);
        tls.destroy();
        resolve(chain);
      });
      tls.on("error", fail);
    });
  });
}

function certificatesOf(tls: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = tls.getPeerX509Certificate();
  while (next !== undefined && chain.length < LONGEST_CHAIN) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
