/** Where a pool listens for other machines. */
import { InvalidArgumentError, Option } from "commander";
import { placeIn } from "../machines/core/address.js";

/** Without a port: the one of the last time, or any. */
export interface ListenPlace {
  host: string;
  port: number | undefined;
}

const EVERYWHERE = "0.0.0.0";

export const listenOption = (help: string): Option =>
  new Option("--listen [host:port]", `${help}; without a value, on every address of this machine`)
    .preset(EVERYWHERE)
    .argParser(listenPlace);

function listenPlace(text: string): ListenPlace {
  // ":4222" is a port on every address.
  const place = placeIn(text.startsWith(":") && !text.startsWith("::") ? EVERYWHERE + text : text);
  if (place !== undefined) return place;
  throw new InvalidArgumentError(
    "Expected an address of this machine, as in 192.168.1.5 or 192.168.1.5:4222.",
  );
}
