/** Commands as documents write them: found, cut into words, and checked against the real programs without running them. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Command, CommanderError } from "commander";
import { createProgram } from "../../deploy/cli/program.js";
import { ROOT, readDocument } from "./tables.js";

/** A command in a document, and where it stands. */
export interface Written {
  where: string;
  text: string;
}

export function documents(): string[] {
  const inFolder = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  const top = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
  return [...top, ...inFolder.map((name) => `docs/${name}`)].sort();
}

/** Fenced blocks of one language, each with the number of its first line. */
export function fencedBlocks(text: string, language: string): { line: number; text: string }[] {
  return [...text.matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```$/gm)]
    .filter(([, found]) => found === language)
    .map((match) => ({
      line: text.slice(0, match.index).split("\n").length + 1,
      text: match[2] ?? "",
    }));
}

/** Each command line of the `sh` and `bash` blocks of a document; one that ends in a backslash goes on in the next. */
export function shellLines(document: string): Written[] {
  const text = readDocument(document);
  return [...fencedBlocks(text, "sh"), ...fencedBlocks(text, "bash")].flatMap((block) => {
    const found: Written[] = [];
    let isOpen = false;
    for (const [i, line] of block.text.split("\n").entries()) {
      const command = line.trim().replace(/\\$/, "").trim();
      if (isOpen) (found.at(-1) as Written).text += ` ${command}`;
      else if (command !== "" && !command.startsWith("#"))
        found.push({ where: `${document}:${block.line + i}`, text: command });
      isOpen = line.trimEnd().endsWith("\\");
    }
    return found;
  });
}

/** Commands between backquotes in the prose of a document. */
export function inlineCommands(document: string): Written[] {
  const text = readDocument(document).replace(/^ *```[\s\S]*?^ *```$/gm, (block) =>
    block.replace(/[^\n]/g, ""),
  );
  return [...text.matchAll(/`((?:[A-Z_]+=\S+ )*(?:npx saf|saf|npm|node deploy\/\S+) [^`\n]*)`/g)].map(
    (match) => ({
      where: `${document}:${text.slice(0, match.index).split("\n").length}`,
      text: match[1] ?? "",
    }),
  );
}

/** Commands that the programs themselves tell the user, values put in for `${…}`. */
export function hintedCommands(): Written[] {
  return ["deploy", "coordinator", "worker", "shared"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes("generated"))
      .flatMap((file) => {
        const text = readFileSync(join(ROOT, folder, file), "utf8");
        return [...text.matchAll(/npx saf (?:\$\{(?:[^{}]|\{[^}]*\})*\}|[^"'`\n$])*/g)].map((match) => ({
          where: `${folder}/${file}:${text.slice(0, match.index).split("\n").length}`,
          text: match[0]
            // The name of a data set, everywhere else a run directory.
            .replace(/(saf data \w+ )\$\{(?:[^{}]|\{[^}]*\})*\}/g, "$1mnist")
            .replace(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, "runs/example"),
        }));
      }),
  );
}

/** Cuts a line into commands (`|`, `&&`, `;`) of words, as a shell does; redirections and comments are left out. */
export function shellCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  const pattern = /\s+|(\|\||&&|[|;])|(\d*>{1,2}|<)\s*\S+|(#.*)|((?:'[^']*'|"[^"]*"|[^\s|&;<>'"#])+)/g;
  for (const [, separator, , , word] of line.matchAll(pattern)) {
    if (separator !== undefined) commands.push([]);
    else if (word !== undefined) commands.at(-1)?.push(word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
  }
  return commands.filter((words) => words.length > 0);
}

/** What a command turned out to be; `problem` when it would not work. */
export interface Checked {
  problem?: string;
  /** Configuration files and settings that it names. */
  config?: { files: string[]; set: string[]; poolFile?: string };
}

/** `isWhole`: false for a command that the prose only names, whose arguments may be missing. */
export async function checkCommand(words: readonly string[], isWhole: boolean): Promise<Checked> {
  const rest = words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word)));
  const [first = "", second = "", ...more] = rest;
  // Its arguments name objects as often as files; test/k8s/documents.test.ts runs these.
  if (first === "kubectl") return {};
  const missing = rest.find((word) => namesFile(word) && !existsSync(sourceOf(word)));
  if (missing !== undefined) return { problem: `there is no ${missing}` };
  if (first === "npx" && second === "saf") return checkSaf(more, isWhole);
  if (first === "node" && second === "deploy/saf.mjs") return checkSaf(more, isWhole);
  if (first === "saf")
    return checkSaf(
      [second, ...more].filter((word) => word !== ""),
      isWhole,
    );
  if (first === "npm" && second === "start") return checkSaf(["demo", ...more.slice(1)], isWhole);
  if (first === "npm" && ["test", "ci"].includes(second)) return {};
  if (first === "npm")
    return checkScript(second === "run" ? (more[0] ?? "") : second, more.slice(2), isWhole);
  if (first === "node" && second === "deploy/bootstrap.mjs") return checkBootstrap(more[0] ?? "");
  return outside(first, second, rest);
}

/** Programs of others: that they are known, and that the files they name are here. */
function outside(program: string, verb: string, words: readonly string[]): Checked {
  const verbs = OUTSIDE[program];
  if (verbs === undefined)
    return { problem: `"${program}" is no program of ours, and none that is known here` };
  if (verbs.length > 0 && !verbs.includes(verb))
    return { problem: `${program} has no "${verb}" that is known here` };
  const named = words.flatMap((word, i) =>
    ["-k", "-f", "--file", "--kustomize"].includes(word) ? [words[i + 1] ?? ""] : [],
  );
  const missing = named.find(
    (path) => path !== "-" && /^(k8s|deploy|examples|docs)\b/.test(path) && !existsSync(join(ROOT, path)),
  );
  return missing === undefined ? {} : { problem: `there is no ${missing}` };
}

/** By program, what it may be told to do; empty: anything. */
const OUTSIDE: Record<string, readonly string[]> = {
  kubectl: [
    ...[
      "apply",
      "diff",
      "delete",
      "kustomize",
      "get",
      "logs",
      "wait",
      "scale",
      "rollout",
      "port-forward",
      "describe",
    ],
    ...["create", "annotate", "label", "cp", "exec", "top", "set", "config"],
  ],
  docker: ["compose", "build", "run", "pull", "push", "login"],
  podman: ["build", "run", "compose"],
  buildah: ["build", "bud"],
  git: ["clone"],
  openssl: ["req", "x509", "rand"],
  ...Object.fromEntries(
    [
      "export",
      "cd",
      "mkdir",
      "chmod",
      "curl",
      "jq",
      "base64",
      "promtool",
      "nats-server",
      "kind",
      "minikube",
      "helm",
      "k3d",
      "open",
      "xdg-open",
      "prometheus",
      "amtool",
    ].map((name) => [name, []]),
  ),
};

/** A path inside the repository; run directories and credentials come into being later. */
function namesFile(word: string): boolean {
  return /^[\w.-]+(\/[\w.-]+)+$/.test(word) && !/^(runs|keys|creds)\//.test(word);
}

/** Compiled files are judged by their sources. */
function sourceOf(path: string): string {
  return join(ROOT, path.startsWith("dist/") ? path.slice(5).replace(/\.js$/, ".ts") : path);
}

/** A script of package.json; `args` are those behind `--`. */
function checkScript(name: string, args: readonly string[], isWhole: boolean): Checked | Promise<Checked> {
  const { scripts } = JSON.parse(readDocument("package.json")) as { scripts: Record<string, string> };
  const script = scripts[name];
  if (script === undefined) return { problem: `package.json has no script "${name}"` };
  const [, file = "", ...before] = script.split(" ");
  return file === "deploy/saf.mjs"
    ? checkSaf([...before, ...args], isWhole)
    : checkBootstrap(before[0] ?? "");
}

function checkBootstrap(name: string): Checked {
  const source = readFileSync(join(ROOT, "deploy/bootstrap.mjs"), "utf8");
  const names = [...source.matchAll(/^ {2}async "?([\w:]+)"?\(/gm)].map((match) => match[1]);
  return names.includes(name) ? {} : { problem: `bootstrap.mjs knows ${names.join(", ")}, not "${name}"` };
}

/** Parses with every action taken out, so that nothing runs. */
async function checkSaf(args: readonly string[], isWhole: boolean): Promise<Checked> {
  const program = createProgram();
  let found: Checked = {};
  const disarm = (command: Command): void => {
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    command.commands.forEach(disarm);
    // A group of commands has no action of its own, one that takes arguments (`reproduce mnist`) has.
    if (command.commands.length > 0 && command.registeredArguments.length === 0) return;
    command.action(() => {
      const {
        config,
        set = [],
        poolFile,
      } = command.opts<{ config?: string[]; set?: string[]; poolFile?: string }>();
      // `show` and `schema` name whose settings they mean.
      const named = command.name() === "validate" ? command.args : [];
      const pool = poolFile === undefined ? {} : { poolFile };
      if (config !== undefined) found = { config: { files: [...config, ...named], set, ...pool } };
    });
  };
  disarm(program);
  try {
    await program.parseAsync([...args], { from: "user" });
    return found;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isOnlyNamed = [
      "commander.missingArgument",
      "commander.optionMissingArgument",
      "commander.missingMandatoryOptionValue",
      "commander.help",
    ].includes(error.code);
    return isOnlyNamed && !isWhole ? {} : { problem: error.message };
  }
}
