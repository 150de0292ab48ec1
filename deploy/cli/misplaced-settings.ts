/** Settings that stand in the wrong file: of the pool in a run's, of a run in the pool's. Says where they belong. Pure. */
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { keysAt } from "./config-schema.js";
import {
  formatPath,
  keySourceAt,
  nodeAt,
  plainValue,
  type ConfigNode,
  type Path,
  type Problem,
} from "./config-tree.js";
import { quote } from "./quote.js";

/** Settings of the pool among others: `--set pool.heartbeat_ms=500`. */
export const POOL_PREFIX = "pool.";

/** Sections of a run that held the pool's settings, or might be thought to. */
const POOL_SECTIONS: readonly string[] = ["cluster", "pool"];
const POOL_KEYS = keysAt(poolSchema, []);

/** What to say of a key in a run's settings that is the pool's; undefined when it is not. */
export function poolSettingInRunFile(path: Path, tree: ConfigNode): Problem[] | undefined {
  const key = String(path.at(-1));
  const node = nodeAt(tree, path);
  if (path.length === 1 && POOL_SECTIONS.includes(key)) {
    const keys =
      node?.kind === "map" ? [...node.entries.keys()].filter((inner) => POOL_KEYS.includes(inner)) : [];
    if (keys.length > 0) return keys.map((inner) => ofPool([...path, inner], tree));
    const message = `${quote(key)} is no part of a run: the pool's settings (${POOL_KEYS.join(", ")}) stand in a file of their own, for --pool-file, or come with --set ${POOL_PREFIX}KEY=VALUE`;
    return [{ source: keySourceAt(tree, path), message }];
  }
  return POOL_KEYS.includes(key) && !keysAt(configSchema, path.slice(0, -1)).includes(key)
    ? [ofPool(path, tree)]
    : undefined;
}

function ofPool(path: Path, tree: ConfigNode): Problem {
  const key = String(path.at(-1));
  const value = shortValue(nodeAt(tree, path));
  return {
    source: keySourceAt(tree, path),
    message: `${formatPath(path)} is a setting of the pool, not of a run: write "${key}: ${value}" into a file for --pool-file, or use --set ${POOL_PREFIX}${key}=${value}`,
  };
}

/** What to say of a key in the pool's settings that is a run's, or the name of the whole; undefined when it is neither. */
export function runSettingInPoolFile(path: Path, tree: ConfigNode): Problem[] | undefined {
  const key = String(path.at(-1));
  const source = keySourceAt(tree, path);
  if (path.length !== 1) return undefined;
  if (POOL_SECTIONS.includes(key))
    return [
      { source, message: `the pool's settings stand at the top of this file, not below ${quote(key)}` },
    ];
  if (!keysAt(configSchema, []).includes(key)) return undefined;
  return [
    { source, message: `${quote(key)} is a setting of a run, not of the pool: write it into the run's file` },
  ];
}

function shortValue(node: ConfigNode | undefined): string {
  return node?.kind === "scalar" ? String(plainValue(node)).slice(0, 20) : "VALUE";
}
