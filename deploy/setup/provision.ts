/** What the ways to get an engine's library have in common. */

export interface SetupContext {
  cacheDir: string;
  env: NodeJS.ProcessEnv;
  progress: (line: string) => void;
  /** How long an engine may take to load and pass, where the usual time is too short. */
  probeTimeoutMs?: number;
}

/** A complete entry of the cache, with the variables its engine needs; or why there is none, in one line. */
export type Provision =
  | { kind: "provided"; entry: string; environment?: Record<string, string> }
  | { kind: "refused"; reason: string };

/** Thrown inside the provisioning of one entry and turned into its refusal; never leaves deploy/setup. */
export class CannotProvide extends Error {}
