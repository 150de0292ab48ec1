/** What `saf setup` does. */
import type { EngineName } from "../../shared/engine.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { printResult } from "./output.js";

export interface SetupOptions {
  json?: true;
  engine?: EngineName;
  natsServer?: string;
  refresh?: true;
  engineOnly?: true;
}

export async function setup(options: SetupOptions): Promise<void> {
  const env = process.env;
  const cacheDir = defaultCacheDir(env);
  const progress = (line: string): void => void process.stderr.write(`setup: ${line}\n`);
  const choice = await provisionEngine({
    cacheDir,
    progress,
    ...(options.engine === undefined ? {} : { force: options.engine }),
    refresh: options.refresh === true,
  });
  const nats =
    options.engineOnly === true
      ? undefined
      : await resolveNatsServer({
          env,
          cacheDir,
          install: true,
          progress,
          ...(options.natsServer === undefined ? {} : { explicit: options.natsServer }),
        });
  if (options.json) {
    printResult({
      engine: choice,
      nats_server: nats === undefined ? null : { path: nats.path, version: nats.version, from: nats.from },
      cache: cacheDir,
    });
    return;
  }
  const speed =
    choice.samplesPerSecond === undefined
      ? ""
      : `, ${Math.round(choice.samplesPerSecond)} LeNet images/s a core`;
  progress(`engine ${choice.engine}: ${choice.version} on ${choice.device}${speed}`);
  for (const line of choice.why) progress(`  ${line}`);
  if (nats !== undefined) progress(`nats-server ${nats.version} (${nats.from}): ${nats.path}`);
}
