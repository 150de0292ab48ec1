/**
 * Reads the machine's own apt sources, and writes a private set that asks the same mirror, trusted by the same key,
 * for another suite. Nothing of the system's apt is touched.
 */

export interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  /** As in the file: a path, fingerprints, or a whole key over several lines. Undefined: apt's own trusted keys. */
  signedBy: string | undefined;
}

/** Both formats: `.sources` (paragraphs of fields) and `.list` (one line for each source). Broken entries are left out. */
export function parseAptSources(fileName: string, text: string): AptSource[] {
  return fileName.endsWith(".sources") ? parseParagraphs(text) : parseLines(text);
}

/**
 * The source of the distribution itself: the one that has `codename` as a suite (not its security or updates), or else
 * one that names a suite of its archive by role, such as "stable".
 */
export function distributionSource(sources: readonly AptSource[], codename: string): AptSource | undefined {
  const roles = [codename, "stable", "testing", "unstable", "sid", "oldstable", "devel"];
  for (const suite of roles) {
    const found = sources.find(
      (source) => source.suites.includes(suite) && source.components.includes("main"),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `source` for another suite, in the paragraph format. */
export function sourceForSuite(source: AptSource, suite: string): string {
  const components = source.components.filter(
    (component) => component === "main" || component === "universe",
  );
  const lines = [
    "Types: deb",
    `URIs: ${source.uris.join(" ")}`,
    `Suites: ${suite}`,
    `Components: ${components.join(" ")}`,
  ];
  if (source.signedBy !== undefined) lines.push(`Signed-By: ${source.signedBy}`);
  return `${lines.join("\n")}\n`;
}

/**
 * Settings for `apt-get -c`: sources, lists, cache and package state below `directory`, the system's hooks off (they
 * would tidy the system's own cache). Proxies and trust stay the machine's.
 */
export function privateAptConfig(directory: string): string {
  const settings: [string, string][] = [
    ["Dir::Etc::sourcelist", `${directory}/private.sources`],
    ["Dir::Etc::sourceparts", `${directory}/empty`],
    ["Dir::Etc::preferences", `${directory}/empty/preferences`],
    ["Dir::Etc::preferencesparts", `${directory}/empty`],
    ["Dir::State", `${directory}/state`],
    ["Dir::State::lists", `${directory}/state/lists`],
    ["Dir::State::status", `${directory}/state/status`],
    ["Dir::Cache", `${directory}/cache`],
    // The unprivileged user that apt changes to as root cannot write below a private directory.
    ["APT::Sandbox::User", "root"],
    ["APT::Get::List-Cleanup", "false"],
    ["APT::Update::Error-Mode", "any"],
    ["Acquire::Languages", "none"],
    ["Acquire::Retries", "2"],
    ["Acquire::http::Timeout", "30"],
    ["Acquire::https::Timeout", "30"],
  ];
  const hooks = ["APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"];
  return [
    ...hooks.map((hook) => `#clear ${hook};`),
    ...settings.map(([name, value]) => `${name} "${value}";`),
    "",
  ].join("\n");
}

function parseParagraphs(text: string): AptSource[] {
  const paragraphs = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .split(/\n[ \t]*\n/);
  return paragraphs.flatMap((paragraph) => {
    const fields = parseFields(paragraph);
    const words = (name: string): string[] =>
      (fields.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    const [uris, suites, components] = [words("uris"), words("suites"), words("components")];
    const isOff = /^(no|false|0|off)$/i.test(fields.get("enabled") ?? "yes");
    if (isOff || !words("types").includes("deb") || uris.length === 0 || suites.length === 0) return [];
    return [{ uris, suites, components, signedBy: fields.get("signed-by") }];
  });
}

/** A line that starts with a blank goes on with the field before it. */
function parseFields(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of paragraph.split("\n")) {
    const field = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
    if (field !== null) {
      current = (field[1] ?? "").toLowerCase();
      fields.set(current, field[2] ?? "");
    } else if (current !== undefined && /^[ \t]/.test(line)) {
      fields.set(current, `${fields.get(current) ?? ""}\n${line}`);
    }
  }
  return fields;
}

function parseLines(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    return [
      {
        uris: [uri],
        suites: [suite],
        components: components.split(/\s+/).filter((word) => word !== ""),
        signedBy: /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1],
      },
    ];
  });
}
