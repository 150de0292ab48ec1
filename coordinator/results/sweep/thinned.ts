/** At most `most` of them, evenly over their order. */
export function thinned<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  const kept = Math.max(0, most);
  return Array.from({ length: kept }, (_, i) => all[Math.floor((i * all.length) / kept)]).filter(
    (one) => one !== undefined,
  );
}
