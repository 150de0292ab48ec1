/**
 * The native addon of tfjs-node: its package in node_modules, and cache entries that are linked into it.
 * An entry mirrors the package: `lib/napi-v8/tfjs_binding.node` finds its libraries in `../../deps/lib`.
 */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { makeFolderSync } from "../../shared/io/folders.js";

const require = createRequire(import.meta.url);

/** tfjs-node 4.22 knows Node-API up to 8, and every Node since 16 has that. */
const ADDON_FOLDER = "lib/napi-v8";
const LIBRARY_FOLDER = "deps/lib";
const ADDON = join(ADDON_FOLDER, "tfjs_binding.node");

export type AddonPackageName = "@tensorflow/tfjs-node" | "@tensorflow/tfjs-node-gpu";

/** Folder of the installed package; undefined when npm left it out. SAF_TFJS_NODE_PACKAGE names another copy. */
export function findAddonPackage(name: AddonPackageName, env: NodeJS.ProcessEnv): string | undefined {
  const given = env["SAF_TFJS_NODE_PACKAGE"];
  if (given) return existsSync(join(given, "package.json")) ? resolve(given) : undefined;
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** Whether the package has an addon and the files it points to are there. Says nothing of whether it loads. */
export function hasAddon(packageFolder: string): boolean {
  return isFile(join(packageFolder, ADDON));
}

export function isCompleteEntry(entry: string): boolean {
  if (!isFile(join(entry, ADDON))) return false;
  const folder = join(entry, LIBRARY_FOLDER);
  const libraries = readdirSync(folder).filter((name) => name.startsWith("libtensorflow"));
  return libraries.length >= 2 && libraries.every((name) => isFile(join(folder, name)));
}

function isFile(path: string): boolean {
  try {
    const found = statSync(path);
    return found.isFile() && found.size > 0;
  } catch {
    return false;
  }
}

/** The entry a package is linked to; undefined when it has an addon of its own, or none. */
export function linkedEntry(packageFolder: string): string | undefined {
  try {
    return dirname(dirname(resolve(packageFolder, "lib", readlinkSync(join(packageFolder, ADDON_FOLDER)))));
  } catch {
    return undefined;
  }
}

/** Links an entry into the package, each link replaced in one step. Throws where node_modules cannot be written. */
export function linkEntry(packageFolder: string, entry: string): void {
  for (const part of [LIBRARY_FOLDER, ADDON_FOLDER]) {
    const place = join(packageFolder, part);
    makeFolderSync(dirname(place));
    const link = `${place}.${process.pid}`;
    rmSync(link, { force: true });
    symlinkSync(join(entry, part), link);
    const isOwnFolder = lstatSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
    if (isOwnFolder) renameSync(place, `${place}.replaced-${process.pid}`);
    renameSync(link, place);
    if (isOwnFolder) rmSync(`${place}.replaced-${process.pid}`, { recursive: true, force: true });
  }
}

/** Takes the links away, so that loading the package fails with its own clear message. */
export function unlinkEntry(packageFolder: string): void {
  for (const part of [ADDON_FOLDER, LIBRARY_FOLDER]) {
    const place = join(packageFolder, part);
    if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(place);
  }
}
