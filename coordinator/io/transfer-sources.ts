/** The second networks of `evaluate.transfer_from`: where they are, and their weights. */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { parse } from "yaml";
import { parseStoredConfig } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { withSettings } from "../../shared/networks/settings.js";
import { resolveRun } from "../../shared/resolve.js";
import type { SourcePlace, TransferSource } from "../runs/surroundings.js";
import { Checkpoints } from "./checkpoints.js";
import { readForeignWeights, refuseNonFinite, weightsNetwork } from "./foreign-weights.js";
import { RunDirectory } from "./run-directory.js";
import { hashOf } from "../../shared/io/hash.js";

/**
 * Looks beside the run's own folder, then from the working directory. `isExpected`: folders of runs that need not be there
 * yet. Throws ClusterError("data") with what it looked for.
 */
export async function findSource(
  text: string,
  runDirectory: string,
  isExpected: (path: string) => boolean = () => false,
): Promise<SourcePlace> {
  const [, before = "", model] = /^(.+):([a-z0-9-]+)$/.exec(text) ?? [];
  const names =
    model === undefined
      ? [{ name: text, model }]
      : [
          { name: text, model: undefined },
          { name: before, model },
        ];
  const homes = [dirname(resolve(runDirectory)), process.cwd()];
  for (const { name, model: said } of names) {
    for (const home of homes) {
      const path = resolve(home, name);
      if (isExpected(path)) return { path, model: said, isRun: true };
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile() === true) return { path, model: said, isRun: false };
      if (found?.isDirectory() === true) return { path, model: said, isRun: true };
    }
  }
  const name = names.at(-1)?.name ?? text;
  throw new ClusterError("data", `There is no second network ${text}: no ${name} in ${homes.join(" or ")}`, {
    hint: "give a run directory, or a safetensors file with the model's name behind a colon",
  });
}

/**
 * The network at a place. Throws ClusterError: "config" (a model or a data set that does not go with this run's), "data" (no
 * checkpoint, a damaged file, values that are no numbers), "shape-mismatch".
 */
export async function readSource(place: SourcePlace, dataset: string): Promise<TransferSource> {
  const source = await (place.isRun ? fromRun(place, dataset) : fromFile(place, dataset));
  return { ...source, weights_sha256: hashOf(source.parameters) };
}

async function fromRun(
  { path, model }: SourcePlace,
  dataset: string,
): Promise<Omit<TransferSource, "weights_sha256">> {
  const directory = new RunDirectory(path);
  const config = await readFile(directory.file("config.yaml"), "utf8")
    .then((text) => parseStoredConfig(parse(text)))
    .catch((cause: unknown) => {
      throw new ClusterError("data", `${path} is no run directory: it has no config.yaml of this version`, {
        cause,
      });
    });
  if (config.data.set !== dataset) {
    throw new ClusterError(
      "config",
      `${path} is a network for ${config.data.set}, this run's is for ${dataset}`,
    );
  }
  const { network } = resolveRun(config);
  if (model !== undefined && model !== network.name)
    throw new ClusterError("config", `${path} is a run of "${network.name}", not of "${model}"`);
  const layout = layoutOf(network);
  const found = await new Checkpoints(directory.checkpoints, layout, 1).readLatest(() => undefined);
  if (found === undefined) throw new ClusterError("data", `${path} holds no checkpoint`);
  const { parameters } = found.state;
  refuseNonFinite(layout, parameters, path);
  return {
    name: config.name ?? network.name,
    model: network.name,
    settings: network.settings,
    parameters,
  };
}

async function fromFile(
  { path, model: said }: SourcePlace,
  dataset: string,
): Promise<Omit<TransferSource, "weights_sha256">> {
  const found = await weightsNetwork(path);
  const model = said ?? found.model;
  if (model === undefined) {
    throw new ClusterError("config", `${path} does not say which network it is for`, {
      hint: `put the model's name behind a colon: ${basename(path)}:mrelu-r-m`,
    });
  }
  const network = withSettings(networkNamed(dataset, model), found.settings);
  const parameters = await readForeignWeights(path, network.name, layoutOf(network));
  return { name: network.name, model: network.name, settings: network.settings, parameters };
}
