/** Which engine computed, as the workers' logs of a run tell it. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Empty where no log says. */
export function engineIn(logs: string): string {
  const names = readdirSync(logs).filter((name) => /^worker-.*\.jsonl$/.test(name));
  const said = names.flatMap((name) => {
    const text = readFileSync(join(logs, name), "utf8");
    return /"msg":"Engine (.+?) on /.exec(text)?.[1] ?? [];
  });
  return [...new Set(said)].join("; ");
}
