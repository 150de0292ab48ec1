/** What is wrong with a spec, as data and in words. */
import type { z } from "zod";

/** From the spec's top: ["parameters", "train.slots", "choice", 2]. */
export type ProblemPath = (string | number)[];

export interface SpaceProblem {
  path: ProblemPath;
  message: string;
}

/** "parameters.train.slots.choice[2]: …" */
export function problemText({ path, message }: SpaceProblem): string {
  const place = path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
  return place === "" ? message : `${place}: ${message}`;
}

/** What a schema says of a value, in the words of our own messages. */
export function issueWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `unknown key ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
    case "invalid_union":
      return [...new Set(issue.errors.flatMap((branch) => branch.slice(0, 1).map(issueWords)))].join(", or ");
    default:
      return tidy(issue.message);
  }
}

function tidy(message: string): string {
  const bare = message.replace(/^(Invalid [a-z]+|Too (small|big)): /, "").replace(/, received .*$/, "");
  return bare.charAt(0).toLowerCase() + bare.slice(1);
}
