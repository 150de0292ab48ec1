/** What a shell may offer at each place of the command line, read off the commander tree. Pure. */
import type { Argument, Command, Option } from "commander";

/** What can stand where a value is expected. */
export type Values =
  { kind: "none" } | { kind: "files" } | { kind: "folders" } | { kind: "words"; words: readonly string[] };

export interface OptionNode {
  /** `--config` and `-c`. */
  flags: readonly string[];
  description: string;
  /** Undefined when the option takes no value. */
  values: Values | undefined;
}

export interface CommandNode {
  /** `config show`; empty for the program itself. */
  path: string;
  description: string;
  subcommands: readonly { name: string; description: string }[];
  /** Its own options and those of the commands above it. */
  options: readonly OptionNode[];
  /** What its arguments can be. */
  values: Values;
}

/** Words that need no quoting in any shell; others are not offered. */
const PLAIN_WORD = /^[\w.@%+,:=/-]+$/;

/** Every command of a program, the program itself first. `known`: values of options by long flag, beyond their choices. */
export function commandNodes(
  program: Command,
  known: Readonly<Record<string, readonly string[]>> = {},
): CommandNode[] {
  return nodesOf(program, "", [], known);
}

function nodesOf(
  command: Command,
  path: string,
  inherited: readonly OptionNode[],
  known: Record<string, readonly string[]>,
): CommandNode[] {
  const help = command.createHelp();
  const own = help.visibleOptions(command).map((option) => optionNode(option, known));
  const ownFlags = new Set(own.flatMap(({ flags }) => flags));
  const options = [...own, ...inherited.filter(({ flags }) => !flags.some((flag) => ownFlags.has(flag)))];
  const children = help.visibleCommands(command).filter((child) => PLAIN_WORD.test(child.name()));
  const node: CommandNode = {
    path,
    description: command.description(),
    subcommands: children.map((child) => ({
      name: child.name(),
      description: help.subcommandDescription(child),
    })),
    options,
    values: argumentValues(command.registeredArguments),
  };
  const below = children
    .filter((child) => child.parent === command)
    .flatMap((child) =>
      nodesOf(child, path === "" ? child.name() : `${path} ${child.name()}`, options, known),
    );
  return [node, ...below];
}

function optionNode(option: Option, known: Record<string, readonly string[]>): OptionNode {
  const flags = [option.long, option.short].filter((flag) => flag !== undefined);
  const takesValue = option.required || option.optional;
  const words = option.argChoices ?? known[option.long ?? ""];
  return {
    flags,
    description: option.description,
    values: takesValue ? valuesOf(words, option.flags) : undefined,
  };
}

function argumentValues(all: readonly Argument[]): Values {
  const words = all.flatMap((argument) => argument.argChoices ?? []);
  return valuesOf(words.length > 0 ? words : undefined, all.map((argument) => argument.name()).join(" "));
}

/** Choices where there are any, else what the placeholder's name says. */
function valuesOf(words: readonly string[] | undefined, placeholder: string): Values {
  if (words !== undefined) return { kind: "words", words: words.filter((word) => PLAIN_WORD.test(word)) };
  const name = placeholder.replace(/--?[\w-]+/g, "");
  if (/dir|folder/i.test(name)) return { kind: "folders" };
  return /file|path|run/i.test(name) ? { kind: "files" } : { kind: "none" };
}
