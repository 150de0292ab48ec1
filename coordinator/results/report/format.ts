/** How numbers are written for people. One place, so that table, page and plot agree. */

/** A share as percent with one decimal: 0.9734 → "97.3", 1 → "100", 0.99998 → "100.0". */
export function percent(share: number): string {
  if (share === 1) return "100";
  return (100 * share).toFixed(1);
}

/** A strength as in the paper's grid: 0.25, 0.5, 0. */
export function strengthText(strength: number): string {
  return String(Number(strength.toPrecision(6)));
}

/** Groups of three digits: 10000 → "10,000". */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-GB");
}

/** Three significant digits below a thousand, whole numbers above. */
export function rate(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value >= 100 ? count(value) : String(Number(value.toPrecision(3)));
}

/** Two decimals: clean errors are small, and the authors' have two. */
export function percent2(share: number): string {
  return (100 * share).toFixed(2);
}

/** "+0.35", "−1.20". */
export function signedPoints(share: number, digits = 1): string {
  const text = Math.abs(100 * share).toFixed(digits);
  return Number(text) === 0 ? text : `${share < 0 ? "−" : "+"}${text}`;
}
