/**
 * What a nats-server of a given version can do. An old server refuses to start on a setting it does not know, so the
 * generated configuration asks here first. The versions of section 4.2 of the NATS reference were each tried with the
 * server's own config test (2.9.10, 2.10.27, 2.15.1); a threshold between them is the oldest one known to work.
 */

export interface NatsCapabilities {
  /** `jetstream.sync_interval`: how long an acknowledged message may wait for its fsync. */
  syncInterval: boolean;
  /** Several route connections between two servers, and their compression. */
  routePool: boolean;
  /** `no_fast_producer_stall`: drop for a slow subscriber rather than hold the publisher back. */
  noFastProducerStall: boolean;
  /** `jetstream.max_buffered_size`: a flood of publishes that await no answer is refused. */
  maxBufferedSize: boolean;
  /** `jetstream.strict`: JetStream requests with unknown fields are refused. */
  strict: boolean;
  /** Keys that expire one by one, and a marker that tells watchers. Older servers ignore the request silently. */
  perKeyTtl: boolean;
  /** `write_timeout`: what to do with a connection whose write makes no progress. */
  writeTimeout: boolean;
  /** `server_metadata` and `feature_flags`. */
  serverMetadata: boolean;
  /** Exit code after SIGTERM: 1 does not mean that something went wrong. */
  terminatedExitCode: 0 | 1;
}

/** Older servers lack the JetStream calls and the nkey permissions that saf relies on. */
export const OLDEST_SUPPORTED = "2.9.0";

/** The version in the output of `nats-server --version`, such as "2.9.10" or "2.12.0-RC.1"; undefined if it is none. */
export function parseNatsVersion(output: string): string | undefined {
  return /nats-server[:,]?\s+(?:version\s+)?v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)/.exec(output)?.[1];
}

/** Negative when `a` is older than `b`, positive when newer. A pre-release is older than its release. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [splitVersion(a), splitVersion(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left.numbers[i] ?? 0) - (right.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.preRelease === right.preRelease) return 0;
  if (left.preRelease === "") return 1;
  if (right.preRelease === "") return -1;
  return left.preRelease < right.preRelease ? -1 : 1;
}

export function isAtLeast(version: string, oldest: string): boolean {
  return compareVersions(version, oldest) >= 0;
}

export function capabilitiesOf(version: string): NatsCapabilities {
  return {
    syncInterval: isAtLeast(version, "2.10.0"),
    routePool: isAtLeast(version, "2.10.0"),
    noFastProducerStall: isAtLeast(version, "2.10.27"),
    maxBufferedSize: isAtLeast(version, "2.11.0"),
    strict: isAtLeast(version, "2.11.0"),
    perKeyTtl: isAtLeast(version, "2.11.0"),
    writeTimeout: isAtLeast(version, "2.14.0"),
    serverMetadata: isAtLeast(version, "2.14.0"),
    terminatedExitCode: isAtLeast(version, "2.14.0") ? 0 : 1,
  };
}

function splitVersion(version: string): { numbers: number[]; preRelease: string } {
  const dash = version.indexOf("-");
  const numbers = (dash < 0 ? version : version.slice(0, dash)).split(".").map(Number);
  return { numbers, preRelease: dash < 0 ? "" : version.slice(dash + 1) };
}
