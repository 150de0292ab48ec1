/** YAML text to a tree of settings with positions. Refuses whatever could stall or crash a parser. Pure. */
import {
  Composer,
  Lexer,
  LineCounter,
  Parser,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Document,
} from "yaml";
import type { ConfigNode, Entry, MapNode, Problem, Source } from "./config-tree.js";
import { quote } from "./quote.js";

/** No configuration nests this deeply; a parser that recurses runs out of stack far beyond it. */
const MAX_DEPTH = 32;
/** Nested collections take up to three levels of the parser's own stack each. */
const MAX_PARSER_DEPTH = MAX_DEPTH * 3;
/** Values after aliases are followed: an alias bomb multiplies them without end. */
const MAX_VALUES = 100_000;
const MAX_PROBLEMS = 20;

/** How a place in the text is named: file, line and column, or just the flag it came with. */
export type Locate = (position: { line: number; column: number }) => Source;

export type ParsedYaml = { ok: true; tree: ConfigNode } | { ok: false; problems: Problem[] };

class Refusal extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** Any text gives a tree or at least one problem; nothing is thrown. */
export function parseYaml(text: string, locate: Locate): ParsedYaml {
  const lines = new LineCounter();
  const sourceOf = (offset: number): Source => {
    const { line, col } = lines.linePos(Math.max(0, Math.min(offset, text.length)));
    return locate({ line: Math.max(1, line), column: Math.max(1, col) });
  };
  try {
    const document = compose(text, lines);
    const faults = [...document.errors, ...document.warnings].slice(0, MAX_PROBLEMS);
    if (faults.length > 0) {
      return {
        ok: false,
        problems: faults.map(({ pos, message }) => ({ source: sourceOf(pos[0]), message: tidy(message) })),
      };
    }
    const reader = new Reader(document, sourceOf);
    const tree = reader.node(document.contents, document.range[0], 0);
    return reader.problems.length > 0 ? { ok: false, problems: reader.problems } : { ok: true, tree };
  } catch (error) {
    if (error instanceof Refusal)
      return { ok: false, problems: [{ source: sourceOf(error.offset), message: error.message }] };
    // The parser gave up in a way of its own: still the text's fault, never a stack trace.
    return {
      ok: false,
      problems: [{ source: sourceOf(0), message: `not readable as YAML (${tidy(String(error))})` }],
    };
  }
}

/** Lexer and parser work in loops, the composer recurses: depth is checked before it sees anything. */
function compose(text: string, lines: LineCounter): Document.Parsed {
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > MAX_PARSER_DEPTH) throw new Refusal(offset, "nested too deeply");
    offset += lexeme.length;
  }
  for (const token of parser.end()) tokens.push(token);

  const composer = new Composer({ uniqueKeys: false, prettyErrors: false, logLevel: "silent" });
  const documents = composer.compose(tokens, true, text.length);
  const first = documents.next();
  const second = first.done === true ? first : documents.next();
  if (first.done === true) throw new Refusal(0, "no YAML document");
  if (second.done !== true) throw new Refusal(second.value.range[0], "a second YAML document: expected one");
  return first.value;
}

/** Where a node of the parser stands, as far as it knows. */
function placeOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

class Reader {
  readonly problems: Problem[] = [];
  private readonly document: Document.Parsed;
  private readonly sourceOf: (offset: number) => Source;
  private values = 0;

  constructor(document: Document.Parsed, sourceOf: (offset: number) => Source) {
    this.document = document;
    this.sourceOf = sourceOf;
  }

  /** `offset`: where a value that is not written down would stand. */
  node(node: unknown, offset: number, depth: number): ConfigNode {
    const at = placeOf(node) ?? offset;
    this.values += 1;
    if (this.values > MAX_VALUES) throw new Refusal(at, `more than ${MAX_VALUES} values, aliases followed`);
    if (depth > MAX_DEPTH) throw new Refusal(at, "nested too deeply, aliases followed");
    const source = this.sourceOf(at);
    if (isAlias(node)) {
      const target = node.resolve(this.document);
      if (target === undefined) throw new Refusal(at, `unknown alias ${quote(node.source)}`);
      return this.node(target, at, depth + 1);
    }
    if (isMap(node)) return this.map(node.items, source, at, depth);
    if (isSeq(node))
      return { kind: "list", source, items: node.items.map((item) => this.node(item, at, depth + 1)) };
    return { kind: "scalar", source, value: isScalar(node) ? node.value : null };
  }

  private map(
    items: readonly { key: unknown; value: unknown }[],
    source: Source,
    offset: number,
    depth: number,
  ): MapNode {
    const entries = new Map<string, Entry>();
    for (const { key, value } of items) {
      const keyOffset = placeOf(key) ?? offset;
      const keySource = this.sourceOf(keyOffset);
      if (!isScalar(key) || key.value === null) {
        this.report(keySource, "a key must be text");
        continue;
      }
      const name = typeof key.value === "string" ? key.value : (key.source ?? "");
      const before = entries.get(name);
      if (before !== undefined) {
        const first = before.keySource.kind === "file" ? `, first on line ${before.keySource.line}` : "";
        this.report(keySource, `duplicate key ${quote(name)}${first}`);
        continue;
      }
      entries.set(name, { keySource, node: this.node(value, keyOffset, depth + 1) });
    }
    return { kind: "map", source, entries };
  }

  private report(source: Source, message: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ source, message });
  }
}

/** The parser's words as a part of our line. */
function tidy(message: string): string {
  const line = (message.split("\n")[0] ?? "").trim();
  const printable = quote(line, 160).slice(1, -1).replaceAll('\\"', '"');
  return printable.charAt(0).toLowerCase() + printable.slice(1);
}
