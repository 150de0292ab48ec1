/** What `saf demo` does: plain and robust net on the real MNIST, trained and measured in a few minutes. */
import { join } from "node:path";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import { type Config, type ConfigInput, configSchema } from "../../shared/config/run.js";
import { loadPool } from "./pool-options.js";
import { shown } from "./output.js";
import { printResults } from "./results-output.js";
import { runLocally } from "./run-local.js";
import type { RunOptions } from "./run-options.js";

const DEMO_MODELS = ["plain", "mrelu-r-m"];

/** One epoch with large steps at first: within a point of the paper's twenty epochs. */
function demoConfig(model: string): Config {
  const input: ConfigInput = {
    model,
    seed: 0,
    train: {
      epochs: 1,
      batch_size: 256,
      slots: 4,
      learning_rate: [
        { rate: 0.03, epochs: 0.5 },
        { rate: 0.01, epochs: 0.3 },
        { rate: 0.002, epochs: 0.2 },
      ],
      checkpoint_every_steps: 100,
      evaluate_every_epochs: 0,
    },
    evaluate: { images: 1000 },
  };
  return configSchema.parse(input);
}

/** What to do next: the whole training, or what was interrupted. */
function hintsAfter({ interrupted, directory, weights_sha256: weights }: ResultsDocument): string[] {
  if (!interrupted)
    return ["next       the paper's 20 epochs: npx saf train -c examples/mnist-mrelu-r-m.yaml"];
  const last = Object.keys(weights).at(-1);
  return last === undefined ? [] : [`resume     npx saf train --resume ${shown(join(directory, last))}`];
}

export async function demo(options: RunOptions): Promise<void> {
  const { value: pool } = await loadPool({ ...options, set: [] });
  const { document, exitCode } = await runLocally({
    ...options,
    configs: DEMO_MODELS.map((model) => demoConfig(model)),
    pool,
    name: "demo",
    title: "saf demo",
    command: "npm start",
  });
  printResults(document, {
    json: options.json === true,
    hints: hintsAfter(document),
  });
  process.exitCode = exitCode;
}
