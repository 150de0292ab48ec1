/** A run's settings as plain data, by their paths: what is at one, and the settings with something laid over them. Pure. */
import { shortText } from "../core/short-text.js";
import { ClusterError } from "../errors.js";

export type Settings = Readonly<Record<string, unknown>>;

/**
 * The settings with a value laid over them: maps merge, anything else replaces, and `null` takes what is there away, so that
 * the default acts. Throws ClusterError("config").
 */
export function withValue(settings: Settings, path: string, value: unknown): Settings {
  const laid = laidOver(settings, path.split("."), value, path);
  if (!isMap(laid)) throw new RangeError(`"${path}" is no path of a setting`);
  return laid;
}

function laidOver(around: unknown, parts: readonly string[], value: unknown, path: string): unknown {
  const [part, ...rest] = parts;
  if (part === undefined) return merged(around, value);
  if (Array.isArray(around)) {
    const list: readonly unknown[] = around;
    const place = Number(part);
    if (!(place in list))
      throw new ClusterError("config", `the base's list has no entry ${part} for "${path}"`);
    return list.with(place, laidOver(list[place], rest, value, path));
  }
  if (around !== undefined && !isMap(around))
    throw new ClusterError(
      "config",
      `the base has ${shortText(around)} where "${path}" needs a map or a list`,
    );
  const map = around ?? {};
  if (rest.length === 0 && value === null)
    return Object.fromEntries(Object.entries(map).filter(([key]) => key !== part));
  return { ...map, [part]: laidOver(Object.hasOwn(map, part) ? map[part] : undefined, rest, value, path) };
}

function merged(below: unknown, above: unknown): unknown {
  if (!isMap(below) || !isMap(above)) return above;
  const entries = Object.entries(above).map(([key, value]) => [
    key,
    merged(Object.hasOwn(below, key) ? below[key] : undefined, value),
  ]);
  return { ...below, ...Object.fromEntries(entries) };
}

export function isMap(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is at a path of settings. */
export function settingAt(settings: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (inner, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined),
      settings,
    );
}

/** The settings with all of these values, by their paths. Throws ClusterError("config"). */
export function withValues(settings: Settings, values: Readonly<Record<string, unknown>>): Settings {
  return Object.entries(values).reduce((sum, [path, value]) => withValue(sum, path, value), settings);
}
