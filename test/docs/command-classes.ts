/**
 * Who executes the commands that the documents write: this table is complete, or a test fails. The first row that
 * matches counts. A new command in a document needs a row here, and with `here` or `by` somebody who runs it.
 */

export type CommandClass = {
  /** Of the command without variables before it, as one line; `npx saf` and its like are `saf`. */
  match: RegExp;
  /** A document may still come to use it: no use is no error. */
  awaited?: true;
} & (
  | {
      /** Executed by executed.test.ts, all commands of a document one after the other in one new folder. */
      how: "here";
    }
  | {
      /** Executed by another test file, which has to contain `ran`. */
      how: "by";
      file: string;
      ran: RegExp;
    }
  | {
      /** Only its words are checked, for a reason. */
      how: "parsed";
      why: string;
    }
);

const by = (match: RegExp, file: string, ran: RegExp): CommandClass => ({ match, how: "by", file, ran });
const parsed = (match: RegExp, why: string): CommandClass => ({ match, how: "parsed", why });
const awaited = (row: CommandClass): CommandClass => ({ ...row, awaited: true });

const CLI = "test/deploy/cli";

export const CLASSES: readonly CommandClass[] = [
  // What takes seconds is done here.
  { match: /^saf config (show|validate|schema)\b/, how: "here" },
  { match: /^saf evaluate --list-attacks$/, how: "here" },
  { match: /^saf data verify$/, how: "here" },
  { match: /^saf completion\b/, how: "here" },
  { match: /^saf creds\b/, how: "here" },
  { match: /^openssl\b/, how: "here" },
  // Trainings and measurements: at a smaller size in the tests of the commands.
  by(/^saf demo\b/, "test/deploy/bootstrap.test.ts", /"demo"/),
  by(/^saf train\b/, `${CLI}/run.test.ts`, /"train"/),
  by(/^saf (up|join)\b/, "test/cluster/machines.test.ts", /"up", "--listen"[^]*"join", token/),
  by(/^saf (submit|list|logs|cancel)\b/, "test/cluster/queue.test.ts", /"submit"[^]*"cancel"[^]*"list"/),
  by(/^saf evaluate\b/, `${CLI}/evaluate.test.ts`, /"evaluate"/),
  by(/^saf sweep\b/, `${CLI}/sweep.test.ts`, /\["sweep", \.\.\.args\][^]*sweep\("run", "sweep\.yaml"/),
  by(/^saf reproduce [0-9a-f]{4,16}\b/, `${CLI}/sweep.test.ts`, /"reproduce"/),
  awaited(by(/^saf reproduce theory\b/, `${CLI}/reproduce-theory.test.ts`, /"reproduce", "theory"/)),
  by(/^saf reproduce\b/, `${CLI}/reproduce.test.ts`, /"reproduce"/),
  by(/^saf verify\b/, `${CLI}/run.test.ts`, /"verify", directory, "--all"/),
  by(/^saf status\b/, "test/cluster/live.test.ts", /"status", "--url", url, "--watch"/),
  by(/^saf report\b/, `${CLI}/run.test.ts`, /"report"/),
  by(/^saf export\b/, `${CLI}/export.test.ts`, /"export"/),
  by(/^saf bench\b/, `${CLI}/bench.test.ts`, /"bench"/),
  by(/^saf chaos\b/, "test/deploy/chaos/chaos.test.ts", /"chaos"/),
  by(/^saf (setup|doctor)\b/, `${CLI}/inspect.test.ts`, /"(setup|doctor)"/),
  by(/^saf (worker|coordinator)\b/, "test/cluster/credentials.test.ts", /"(worker|coordinator)", \.\.\.nats/),
  by(/^npm start$/, "test/deploy/bootstrap.test.ts", /bootstrap/),
  by(/^npm run test:fast$/, "test/deploy/bootstrap.test.ts", /test:fast/),
  by(/^npm run gpu-check\b/, "test/deploy/bench/gpu-check.test.ts", /gpu-check\.js/),
  // What needs more than a test has.
  parsed(/^saf data fetch\b/, "downloads a data set; its parts are tested by fetch-file.test.ts"),
  parsed(/^npm (test|run check|run format|run bench)\b/, "runs the tests, or what this test is run by"),
  parsed(/^npm run bars\b/, "takes minutes and a quiet machine"),
  // Programs of others.
  { match: /^(export|cd|mkdir|chmod)\b/, how: "here" },
  awaited(parsed(/^git clone\b/, "fetches this repository")),
  by(/^kubectl\b/, "test/k8s/documents.test.ts", /documents\(\)\.flatMap/),
  by(/^docker build .*cpu\.Dockerfile/, "test/deploy/docker/image.test.ts", /cpu\.Dockerfile/),
  awaited(parsed(/^(docker|podman|buildah|kind|minikube|helm|k3d)\b/, "needs a container engine")),
  awaited(
    parsed(/^(curl|promtool|nats-server|prometheus|amtool|jq|base64|open|xdg-open)\b/, "talks to a service"),
  ),
];
