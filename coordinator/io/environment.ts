/** `env.json`: versions and machine. */
import { cpus, platform, release, totalmem } from "node:os";
import { VERSION } from "../../shared/version.js";

/** `engines`: of the workers in the pool. */
export function environment(engines: readonly string[], commit: string | null): Record<string, string> {
  const [core] = cpus();
  return {
    saf: VERSION,
    ...(commit === null ? {} : { commit }),
    node: process.version,
    engine: [...new Set(engines)].join(", "),
    workers: String(engines.length),
    system: `${platform()} ${release()}`,
    processor: `${cpus().length} x ${core?.model ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
}
