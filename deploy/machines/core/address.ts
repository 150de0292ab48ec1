/** Where a server listens: a host and a port, as people write them. */

export interface Address {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  host: string;
  port: number;
}

const HIGHEST_PORT = 65_535;
const BRACKETED = /^\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?$/;
const PLAIN = /^([A-Za-z0-9.-]+)(?::(\d{1,5}))?$/;
const BARE_IPV6 = /^[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F.]*$/;

/** `host:port`, `host`, `[v6]:port`, `[v6]`, `v6`; undefined for anything else. Without a port there is none. */
export function placeIn(text: string): { host: string; port: number | undefined } | undefined {
  if (BARE_IPV6.test(text)) return { host: text, port: undefined };
  const [, host, digits] = BRACKETED.exec(text) ?? PLAIN.exec(text) ?? [];
  if (host === undefined || host.length > 253) return undefined;
  if (digits === undefined) return { host, port: undefined };
  const port = Number(digits);
  return port >= 1 && port <= HIGHEST_PORT ? { host, port } : undefined;
}

/** Undefined where a part is missing. */
export function addressIn(text: string): Address | undefined {
  const place = placeIn(text);
  return place?.port === undefined ? undefined : { host: place.host, port: place.port };
}

/** An IPv6 address in brackets. */
export function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

export function addressText({ host, port }: Address): string {
  return `${hostText(host)}:${port}`;
}

/** Hosts that mean "every address of this machine". */
export function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
