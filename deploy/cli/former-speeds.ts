/** How fast networks were trained here before, from the results of former runs. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { type Config, parseStoredConfig } from "../../shared/config/run.js";
import { resolveRun } from "../../shared/resolve.js";
import type { ModelResult } from "../../shared/results.js";

/** Older ones say nothing that the newest do not. */
const MOST_FOLDERS = 200;

export interface FormerSpeed {
  /** Training images a second, over all workers of then. */
  samplesPerSecond: number;
  /** Runs that it is the mean of. */
  runs: number;
}

/** What is trained, and on what kind of engine. Of a network's own settings, those that decide what an image costs. */
export function speedKey(config: Config): string {
  const { name, settings } = resolveRun(config).network;
  const costly = [settings?.channels, settings?.pgd?.steps].filter((value) => value !== undefined);
  return [config.data.set, name, ...costly.map(String), config.engine ?? "real"].join("/");
}

/** By `speedKey`. What cannot be read is left out. */
export async function formerSpeeds(runs: string): Promise<ReadonlyMap<string, FormerSpeed>> {
  const found = new Map<string, number[]>();
  for (const folder of await runFolders(runs)) {
    const speed = await speedIn(folder).catch(() => undefined);
    if (speed !== undefined) found.set(speed.key, [...(found.get(speed.key) ?? []), speed.samplesPerSecond]);
  }
  return new Map(
    [...found].map(([key, all]) => {
      const sum = all.reduce((total, one) => total + one, 0);
      return [key, { samplesPerSecond: sum / all.length, runs: all.length }];
    }),
  );
}

/** Run directories and, where one holds several runs, those in it; the newest first. */
async function runFolders(runs: string): Promise<string[]> {
  const newest = (await foldersIn(runs)).sort().reverse().slice(0, MOST_FOLDERS);
  const inside = await Promise.all(newest.map(foldersIn));
  return newest.flatMap((folder, i) => [folder, ...(inside[i] ?? [])]).slice(0, MOST_FOLDERS);
}

async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
}

async function speedIn(folder: string): Promise<{ key: string; samplesPerSecond: number } | undefined> {
  const result = JSON.parse(await readFile(join(folder, "result.json"), "utf8")) as Partial<ModelResult>;
  const config = parseStoredConfig(parse(await readFile(join(folder, "config.yaml"), "utf8")));
  const { samples_per_second: speed } = result;
  return speed !== undefined && speed > 0 ? { key: speedKey(config), samplesPerSecond: speed } : undefined;
}
