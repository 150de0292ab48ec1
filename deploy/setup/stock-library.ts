/** The library that tfjs-node's authors built, fetched by the package's own install script where its host answers. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { makePartFolder, publish } from "./cache.js";
import { explain, runCommand } from "../run-command.js";
import type { Provision, SetupContext } from "./provision.js";

const REACH_TIMEOUT_MS = 5000;
const INSTALL_TIMEOUT_MS = 15 * 60_000;

/** Runs the install script on a copy of the package, so that a kill leaves the installed one as it was. */
export async function provideStockLibrary(
  packageFolder: string,
  entry: string,
  { cacheDir, env, progress }: SetupContext,
): Promise<Provision> {
  const host = storageHost(packageFolder, env);
  if (!(await answers(host)))
    return { kind: "refused", reason: `its download host ${host} cannot be reached` };

  progress(`fetching TensorFlow's stock library from ${host}`);
  const part = makePartFolder(cacheDir);
  try {
    const copy = join(part, basename(packageFolder));
    cpSync(packageFolder, copy, {
      recursive: true,
      filter: (path) => path !== join(packageFolder, "lib") && path !== join(packageFolder, "deps"),
    });
    const modules = modulesFolder(packageFolder);
    const kind = packageFolder.endsWith("-gpu") ? ["gpu", "download"] : [];
    const result = await runCommand(process.execPath, ["scripts/install.js", ...kind], {
      cwd: copy,
      env: { ...env, NODE_PATH: modules, PATH: `${join(modules, ".bin")}:${env["PATH"] ?? ""}` },
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    if (result.code !== 0)
      return { kind: "refused", reason: `its install script failed (${explain(result)})` };
    const finished = join(part, "entry");
    mkdirSync(finished);
    for (const folder of ["lib", "deps"]) renameSync(join(copy, folder), join(finished, folder));
    publish(finished, entry, part);
    return { kind: "provided", entry };
  } catch (error) {
    return { kind: "refused", reason: `its install script left no library (${String(error)})` };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

/** The node_modules folder that the package's own dependencies are in; the copy is outside of it. */
function modulesFolder(packageFolder: string): string {
  const tool = createRequire(join(packageFolder, "package.json")).resolve(
    "@mapbox/node-pre-gyp/package.json",
  );
  return join(dirname(tool), "../..");
}

/** Where the install script will look, by the package's own description and the variables the script honours. */
function storageHost(packageFolder: string, env: NodeJS.ProcessEnv): string {
  const described = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
    binary: { host: string };
  };
  const given = env["TFJS_NODE_BASE_URI"] ?? env["TFJS_NODE_CDN_STORAGE"] ?? env["CDN_STORAGE"];
  return new URL(given ?? described.binary.host).origin;
}

async function answers(host: string): Promise<boolean> {
  try {
    await fetch(host, { method: "HEAD", signal: AbortSignal.timeout(REACH_TIMEOUT_MS) });
    return true;
  } catch {
    return false;
  }
}
