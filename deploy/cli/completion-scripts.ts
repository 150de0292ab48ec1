/** The command tree as a completion script for each shell. Pure. */
import type { CommandNode, OptionNode, Values } from "./completion-tree.js";

export type Shell = "bash" | "zsh" | "fish";
export const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

/** `name` is the program's. The script defines functions named after it and registers them. */
export function completionScript(shell: Shell, name: string, nodes: readonly CommandNode[]): string {
  switch (shell) {
    case "bash":
      return bashScript(name, nodes);
    case "zsh":
      return zshScript(name, nodes);
    case "fish":
      return fishScript(name, nodes);
  }
}

function functionName(name: string): string {
  return `_${name.replace(/\W/g, "_")}`;
}

/** Text between single quotes; the quote itself is written outside of them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** What follows a place, as a word a script can test: `@files`, `@folders`, `@none` or the words themselves. */
function candidates(values: Values): string {
  return values.kind === "words" ? values.words.join(" ") : `@${values.kind}`;
}

/** `case` branches that hold for one command and one of its options that take a value. */
function valueBranches(nodes: readonly CommandNode[]): string {
  const branches = nodes.flatMap(({ path, options }) =>
    options.flatMap(({ flags, values }) => {
      if (values === undefined) return [];
      return [
        `    ${flags.map((flag) => quoted(`${path}|${flag}`)).join("|")}) answers=${quoted(candidates(values))} ;;`,
      ];
    }),
  );
  return branches.join("\n");
}

/** Parts that bash and zsh read alike: the values of an option, and the command that the words before lead to. */
function sharedFunctions(fn: string, nodes: readonly CommandNode[]): string {
  const paths = nodes.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  return `# Sets answers to what may follow option $2 of command $1; fails when it takes no value.
${fn}_values() {
  answers=
  case "$1|$2" in
${valueBranches(nodes)}
    *) return 1 ;;
  esac
}

${fn}_is_command() {
  case "$1" in
    ${paths.length === 0 ? "''" : paths.join("|")}) return 0 ;;
  esac
  return 1
}

# Sets place to the command that the words lead to, past options and their values.
${fn}_path() {
  local word skip= answers
  place=
  for word in "$@"; do
    if [ -n "$skip" ]; then
      [ "$word" = "=" ] || skip=
      continue
    fi
    case "$word" in
      -*=*) ;;
      -*) if ${fn}_values "$place" "$word"; then skip=1; fi ;;
      *) if ${fn}_is_command "\${place:+$place }$word"; then place="\${place:+$place }$word"; fi ;;
    esac
  done
}`;
}

function bashScript(name: string, nodes: readonly CommandNode[]): string {
  const fn = functionName(name);
  const branches = nodes.map(({ path, subcommands, options, values }) => {
    const words = subcommands.map((child) => child.name).join(" ");
    const flags = options.flatMap((option) => option.flags).join(" ");
    return `    ${quoted(path)}) subcommands=${quoted(words)} flags=${quoted(flags)} answers=${quoted(candidates(values))} ;;`;
  });
  return `# bash completion of ${name}. Try it: eval "$(${name} completion bash)"
# Keep it: ${name} completion bash > ~/.local/share/bash-completion/completions/${name}

${sharedFunctions(fn, nodes)}

${fn}_offer() {
  local IFS=$'\\n'
  case "$1" in
    @none) ;;
    @files) COMPREPLY+=($(compgen -f -- "$2")); ${fn}_option filenames ;;
    @folders) COMPREPLY+=($(compgen -d -- "$2")); ${fn}_option filenames ;;
    *) COMPREPLY+=($(IFS=' '; compgen -W "$1" -- "$2")) ;;
  esac
}

# bash 3.2 has no compopt; outside a completion it fails.
${fn}_option() {
  type compopt >/dev/null 2>&1 && compopt -o "$1" 2>/dev/null
  return 0
}

${fn}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" place subcommands flags answers
  COMPREPLY=()
  # bash makes a word of its own of the = in --option=value.
  if [ "$current" = "=" ]; then
    current=
  elif [ "$previous" = "=" ] && [ "$COMP_CWORD" -gt 1 ]; then
    previous="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  ${fn}_path "\${COMP_WORDS[@]:1:COMP_CWORD-1}"
  if ${fn}_values "$place" "$previous"; then
    ${fn}_offer "$answers" "$current"
    case "\${COMPREPLY[0]-}" in *=) ${fn}_option nospace ;; esac
    return 0
  fi
  case "$place" in
${branches.join("\n")}
  esac
  case "$current" in
    -*) ${fn}_offer "$flags" "$current" ;;
    *)
      if [ -n "$subcommands" ]; then ${fn}_offer "$subcommands" "$current"; fi
      ${fn}_offer "$answers" "$current"
      ;;
  esac
  return 0
}

complete -F ${fn} ${name}
`;
}

function zshScript(name: string, nodes: readonly CommandNode[]): string {
  const fn = functionName(name);
  const described = (word: string, description: string): string =>
    quoted(`${word.replaceAll(":", "\\:")}:${oneLine(description)}`);
  const branches = nodes.map(({ path, subcommands, options, values }) => {
    const commands = subcommands.map((child) => described(child.name, child.description)).join(" ");
    const flags = options
      .flatMap((option) => option.flags.map((flag) => described(flag, option.description)))
      .join(" ");
    return `    ${quoted(path)}) subcommands=(${commands}) flags=(${flags}) answers=${quoted(candidates(values))} ;;`;
  });
  return `#compdef ${name}
# zsh completion of ${name}. Try it: source <(${name} completion zsh)
# Keep it: ${name} completion zsh > a folder of your $fpath, as _${name}

${sharedFunctions(fn, nodes)}

${fn}_offer() {
  case "$1" in
    @none) return 1 ;;
    @files) _files ;;
    @folders) _files -/ ;;
    *=) compadd -S '' -- \${(s: :)1} ;;
    *) compadd -- \${(s: :)1} ;;
  esac
}

${fn}() {
  local place previous="\${words[CURRENT-1]}" answers
  local -a subcommands flags
  ${fn}_path "\${(@)words[2,CURRENT-1]}"
  if [[ "\${words[CURRENT]}" == --*=* ]]; then
    previous="\${words[CURRENT]%%=*}"
    compset -P 1 '*='
  fi
  if ${fn}_values "$place" "$previous"; then
    ${fn}_offer "$answers"
    return
  fi
  case "$place" in
${branches.join("\n")}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe -o option flags
    return
  fi
  (( \${#subcommands} )) && _describe command subcommands
  ${fn}_offer "$answers"
}

compdef ${fn} ${name}
`;
}

function fishScript(name: string, nodes: readonly CommandNode[]): string {
  const fn = functionName(name);
  const lines = nodes.flatMap((node) => {
    const here = `-n ${fishQuoted(`${fn}_at "${node.path}"`)}`;
    const commands = node.subcommands.map((child) => {
      return `complete -c ${name} ${here} -a ${child.name} -d ${fishQuoted(child.description)}`;
    });
    const own = node.values.kind === "none" ? [] : [`complete -c ${name} ${here} ${fishValues(node.values)}`];
    return [...commands, ...own, ...node.options.map((option) => fishOption(name, here, option))];
  });
  const valued = nodes.flatMap(({ path, options }) =>
    options.flatMap(({ flags, values }) =>
      values === undefined ? [] : flags.map((flag) => fishQuoted(`${path}|${flag}`)),
    ),
  );
  const paths = nodes.filter(({ path }) => path !== "").map(({ path }) => fishQuoted(path));
  return `# fish completion of ${name}. Try it: ${name} completion fish | source
# Keep it: ${name} completion fish > ~/.config/fish/completions/${name}.fish

# Does the command line lead to the command $argv[1], past options and their values?
function ${fn}_at
    set -l valued ${valued.join(" ")}
    set -l paths ${paths.join(" ")}
    set -l place ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $word
            contains -- "$place|$word" $valued; and set skip 1
        else
            set -l longer (string trim -- "$place $word")
            contains -- $longer $paths; and set place $longer
        end
    end
    test "$place" = "$argv[1]"
end

complete -c ${name} -f
${lines.join("\n")}
`;
}

function fishQuoted(text: string): string {
  return `'${oneLine(text).replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fishValues(values: Values): string {
  switch (values.kind) {
    case "none":
      return "-x";
    case "files":
      return "-F";
    case "folders":
      return "-x -a '(__fish_complete_directories)'";
    case "words":
      return `-x -a ${fishQuoted(values.words.join(" "))}`;
  }
}

function fishOption(name: string, here: string, { flags, description, values }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const value = values === undefined ? [] : [values.kind === "files" ? "-r -F" : fishValues(values)];
  return [`complete -c ${name}`, here, ...names, ...value, "-d", fishQuoted(description)].join(" ");
}
