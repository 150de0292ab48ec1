/** What an image would run, for those of our manifests: from the Dockerfile itself, with this machine's programs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../docs/tables.js";

export interface Image {
  /** Before the container's args, where it has no command of its own. */
  entrypoint: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Programs that are elsewhere on this machine. */
  programs: Readonly<Record<string, string>>;
  /** Paths of the image that are elsewhere on this machine. */
  paths: readonly (readonly [string, string])[];
}

export interface DockerfileFacts {
  entrypoint: string[];
  env: Record<string, string>;
  workdir: string;
  user: string;
}

/** Of the last stage: ENTRYPOINT and USER, ENV and WORKDIR. */
export function dockerfileFacts(file: string): DockerfileFacts {
  const text = readFileSync(join(ROOT, "deploy/docker", file), "utf8").replace(/\\\n/g, " ");
  const last = text.slice(text.lastIndexOf("\nFROM ") + 1);
  const one = (instruction: string): string =>
    new RegExp(`^${instruction} (.*)$`, "m").exec(last)?.[1]?.trim() ?? "";
  const env = [...last.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = ""]) =>
    [...line.matchAll(/(\w+)=("[^"]*"|\S+)/g)].map(([, key = "", value = ""]) => [
      key,
      value.replace(/^"|"$/g, ""),
    ]),
  );
  return {
    entrypoint: JSON.parse(one("ENTRYPOINT")) as string[],
    env: Object.fromEntries(env) as Record<string, string>,
    workdir: one("WORKDIR"),
    user: one("USER"),
  };
}

/** `environment`: of a process that computes on this machine, in place of what the image was built with. */
export function imagesHere(
  natsServer: string,
  environment: Readonly<Record<string, string>>,
): (name: string) => Image {
  return (name) => {
    const base = name.replace(/^.*\//, "").replace(/[:@].*$/, "");
    if (base === "nats")
      return { entrypoint: [], env: {}, programs: { "nats-server": natsServer }, paths: [] };
    if (base !== "saf-cpu" && base !== "saf-gpu") throw new Error(`nobody knows the image ${name}`);
    const { entrypoint, env, workdir } = dockerfileFacts(`${base.slice(4)}.Dockerfile`);
    return {
      entrypoint,
      env: { ...env, ...environment },
      programs: { node: process.execPath },
      paths: [[workdir, ROOT]],
    };
  };
}
