/** Axes: where values lie on a line, and which of them are written beside it. */

/** @returns `{ place(value) -> 0..1, ticks }` */
export function linearScale(low, high, wanted = 5) {
  const span = high > low ? high - low : 1;
  const step = niceStep(span / wanted);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= low + span * (1 + 1e-9); i++) {
    ticks.push(Number((i * step).toPrecision(10)));
  }
  return { place: (value) => (value - low) / span, ticks };
}

export function logScale(low, high) {
  const from = Math.log10(low);
  const span = Math.max(1e-9, Math.log10(high) - from);
  const place = (value) => (Math.log10(value) - from) / span;
  for (const digits of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]]) {
    const ticks = [];
    for (let power = Math.floor(from); power <= Math.log10(high); power++) {
      for (const digit of digits) {
        const value = Number((digit * 10 ** power).toPrecision(3));
        if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
      }
    }
    if (ticks.length >= 3) return { place, ticks };
  }
  return { place, ticks: linearScale(low, high, 3).ticks.filter((value) => value > 0) };
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const digit = rough / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}
