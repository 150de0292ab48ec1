/** What codec-accuracy.ts prints of its runs: means over seeds, their difference, and how far seeds lie apart. */
import type { Codec } from "../../shared/core/codec.js";

/** Errors in per cent. */
export interface CodecRun {
  codec: Codec;
  seed: number;
  clean: number;
  attacked: number;
}

/** One row for the clean images, one for the attacked ones. Differences are of runs with the same seed. */
export function rowsOf(title: string, attack: string, runs: readonly CodecRun[]): string[][] {
  return (["clean", "attacked"] as const).map((what) => {
    const errorsOf = (codec: Codec): number[] =>
      runs.filter((run) => run.codec === codec).map((run) => run[what]);
    const [plain, rounded] = [errorsOf("fp32"), errorsOf("bf16")];
    const differences = rounded.map((error, i) => error - (plain[i] ?? NaN));
    return [
      title,
      what === "clean" ? "clean" : attack,
      String(plain.length),
      meanOf(plain).toFixed(2),
      meanOf(rounded).toFixed(2),
      `${signed(meanOf(differences))} ± ${deviationOf(differences).toFixed(2)}`,
      deviationOf(plain).toFixed(2),
    ];
  });
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: 0 of one value. */
function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
