/** Settings as a tree whose every value knows where it was said: what is merged, checked and shown. Pure. */

/** Where a value was said. Lines and columns count from 1. */
export type Source =
  | { kind: "file"; file: string; line: number; column: number }
  /** `flag` as the user would recognise it, `--set pool.workers`, and the setting in its schema, `workers`. */
  | { kind: "flag"; flag: string; setting: string }
  /** A variable of the environment. */
  | { kind: "variable"; name: string }
  /** Values of ours below the user's, such as a preset. */
  | { kind: "base"; name: string };

export type ConfigNode = MapNode | ListNode | ScalarNode;

export interface MapNode {
  kind: "map";
  source: Source;
  entries: Map<string, Entry>;
}

export interface Entry {
  /** Where the key stands; the value's own source may be a line further down. */
  keySource: Source;
  node: ConfigNode;
}

export interface ListNode {
  kind: "list";
  source: Source;
  items: ConfigNode[];
}

export interface ScalarNode {
  kind: "scalar";
  source: Source;
  value: unknown;
}

export type Path = readonly PropertyKey[];

/** What is wrong with one setting, where it was said. */
export interface Problem {
  source: Source | undefined;
  message: string;
}

export function formatSource(source: Source): string {
  switch (source.kind) {
    case "file":
      return `${source.file}:${source.line}:${source.column}`;
    case "flag":
      return source.flag;
    case "variable":
    case "base":
      return source.name;
  }
}

/** `train.learning_rate[0].rate` */
export function formatPath(path: Path): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${String(part)}`))
    .join("");
}

/** `over` laid on `under`: maps merge key by key, everything else is replaced. */
export function mergeTrees(under: ConfigNode, over: ConfigNode): ConfigNode {
  if (under.kind !== "map" || over.kind !== "map") return over;
  const entries = new Map(under.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    entries.set(key, below === undefined ? entry : { ...entry, node: mergeTrees(below.node, entry.node) });
  }
  // What neither says is looked for in a file, not in the flag that changed something else.
  const { source } = [over, under].find(({ source: { kind } }) => kind === "file") ?? over;
  return { kind: "map", source, entries };
}

/** The tree of a plain value: all from one source. */
export function treeOf(value: unknown, source: Source): ConfigNode {
  if (Array.isArray(value)) return { kind: "list", source, items: value.map((item) => treeOf(item, source)) };
  if (typeof value !== "object" || value === null) return { kind: "scalar", source, value };
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return {
    kind: "map",
    source,
    entries: new Map(
      entries.map(([key, child]) => [key, { keySource: source, node: treeOf(child, source) }]),
    ),
  };
}

/** The plain value of a tree. Its maps have no prototype, so that a key `__proto__` is a key like any other. */
export function plainValue(node: ConfigNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plainValue);
    case "map": {
      const value = Object.create(null) as Record<string, unknown>;
      for (const [key, { node: child }] of node.entries) value[key] = plainValue(child);
      return value;
    }
  }
}

/** The node at `path`, or undefined where nothing was said. */
export function nodeAt(tree: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = tree;
  for (const part of path) {
    if (node?.kind === "map") node = node.entries.get(String(part))?.node;
    else if (node?.kind === "list") node = node.items[Number(part)];
    else return undefined;
  }
  return node;
}

/** Where the value at `path` was said, or else the nearest thing around it. */
export function sourceAt(tree: ConfigNode, path: Path): Source {
  for (let length = path.length; length > 0; length -= 1) {
    const node = nodeAt(tree, path.slice(0, length));
    if (node !== undefined) return node.source;
  }
  return tree.source;
}

/** Where the key at the end of `path` stands. */
export function keySourceAt(tree: ConfigNode, path: Path): Source {
  const map = nodeAt(tree, path.slice(0, -1));
  const entry = map?.kind === "map" ? map.entries.get(String(path.at(-1))) : undefined;
  return entry?.keySource ?? sourceAt(tree, path);
}
