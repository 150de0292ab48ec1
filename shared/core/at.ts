/** The entry at a place that is known to be there. Throws RangeError where it is not: that is a defect, not a case. */
export function at<Value>(
  values: { readonly [place: number]: Value; readonly length: number },
  place: number,
): Value {
  const value = values[place];
  if (value === undefined) throw new RangeError(`No entry ${place} among ${values.length}`);
  return value;
}
