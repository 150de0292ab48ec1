/** DER, as far as a certificate needs it: a tag, a length, the content. */

type Bytes = Uint8Array;

function tagged(tag: number, ...parts: readonly Bytes[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.byteLength), content]);
}

function lengthOf(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.from([bytes]);
  const digits = Buffer.from(bytes.toString(16).padStart(bytes > 0xff ? 4 : 2, "0"), "hex");
  return Buffer.concat([Buffer.from([0x80 | digits.byteLength]), digits]);
}

export const sequence = (...parts: readonly Bytes[]): Buffer => tagged(0x30, ...parts);
export const set = (...parts: readonly Bytes[]): Buffer => tagged(0x31, ...parts);
export const octets = (content: Bytes): Buffer => tagged(0x04, content);
export const text = (content: string): Buffer => tagged(0x0c, Buffer.from(content, "utf8"));
export const truth = (): Buffer => tagged(0x01, Buffer.from([0xff]));

/** `unused`: bits at the end of the last byte. */
export const bits = (content: Bytes, unused = 0): Buffer => tagged(0x03, Buffer.from([unused]), content);

/** `[number]` around whole values. */
export const explicit = (number: number, ...parts: readonly Bytes[]): Buffer =>
  tagged(0xa0 | number, ...parts);

/** `[number]` in place of the type's own tag. */
export const implicit = (number: number, content: Bytes): Buffer => tagged(0x80 | number, content);

/** Big-endian; a leading bit of 1 would make it negative. */
export function integer(magnitude: Bytes): Buffer {
  return tagged(0x02, (magnitude[0] ?? 0) & 0x80 ? Buffer.from([0]) : Buffer.of(), magnitude);
}

/** "2.5.29.17" */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return tagged(0x06, Buffer.from(bytes));
}

/** UTCTime: years 1950 to 2049. */
export function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "").slice(2);
  return tagged(0x17, Buffer.from(digits, "ascii"));
}
