/** `--set KEY=null`: takes away what lies below, so that the default acts. Pure. */
import type { ConfigNode, Entry, Path } from "./config-tree.js";

export interface Layer {
  tree: ConfigNode;
  takenAway: readonly Path[];
}

/** What a flag says, and what it takes away: each `null` that is no value of its own, in its maps too. */
export function layerOf(tree: ConfigNode, isTakenAway: (path: Path) => boolean): Layer {
  const takenAway: Path[] = [];
  const kept = (node: ConfigNode, path: Path): ConfigNode | undefined => {
    if (node.kind === "scalar" && node.value === null && path.length > 0 && isTakenAway(path)) {
      takenAway.push(path);
      return undefined;
    }
    if (node.kind !== "map") return node;
    const entries = [...node.entries].flatMap(([key, entry]): [string, Entry][] => {
      const inner = kept(entry.node, [...path, key]);
      return inner === undefined ? [] : [[key, { ...entry, node: inner }]];
    });
    // A map of which nothing is left says nothing either.
    if (entries.length === 0 && node.entries.size > 0 && path.length > 0) return undefined;
    return { ...node, entries: new Map(entries) };
  };
  return { tree: kept(tree, []) ?? tree, takenAway };
}

/** The tree without what is at `path`; as it is where nothing is there. */
export function without(tree: ConfigNode, [key, ...rest]: Path): ConfigNode {
  const name = String(key);
  const entry = tree.kind === "map" ? tree.entries.get(name) : undefined;
  if (tree.kind !== "map" || entry === undefined) return tree;
  const entries = new Map(tree.entries);
  if (rest.length === 0) entries.delete(name);
  else entries.set(name, { ...entry, node: without(entry.node, rest) });
  return { ...tree, entries };
}

/** The tree with `null` at `path` where nothing is there. */
export function withNull(tree: ConfigNode, [key, ...rest]: Path): ConfigNode {
  if (key === undefined || tree.kind !== "map") return tree;
  const { source } = tree;
  const none: ConfigNode =
    rest.length === 0 ? { kind: "scalar", source, value: null } : { kind: "map", source, entries: new Map() };
  const entry = tree.entries.get(String(key)) ?? { keySource: source, node: none };
  return {
    ...tree,
    entries: new Map([...tree.entries, [String(key), { ...entry, node: withNull(entry.node, rest) }]]),
  };
}
