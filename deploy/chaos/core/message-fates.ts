/** What becomes of the messages of a link: most pass, and those that a fault asks for do not. */
import { HEADER_BYTES, decodeChunk } from "../../../shared/core/chunk.js";
import type { NatsPiece } from "./nats-messages.js";

export type MessageFault = "drop" | "duplicate" | "corrupt";

interface Armed {
  fate: MessageFault;
  left: number;
  onTaken: () => void;
}

export class MessageFates {
  #armed: Armed[] = [];

  /** The next so many messages that fit; `onTaken` when the last of them was. The answer takes the rest back. */
  arm(fate: MessageFault, messages: number, onTaken: () => void): () => void {
    const armed: Armed = { fate, left: messages, onTaken };
    this.#armed.push(armed);
    return () => void (this.#armed = this.#armed.filter((one) => one !== armed));
  }

  /** What goes on in place of a piece. */
  pass({ bytes, payload }: NatsPiece): readonly Uint8Array[] {
    const armed = this.#armed.find(({ fate }) => fits(fate, payload));
    if (armed === undefined || payload === undefined) return [bytes];
    if (--armed.left === 0) {
      this.#armed = this.#armed.filter((one) => one !== armed);
      armed.onTaken();
    }
    if (armed.fate === "drop") return [];
    return armed.fate === "duplicate" ? [bytes, bytes] : [corrupted(bytes, payload)];
  }
}

/** Only the values of a chunk are corrupted: TCP guards all bytes, and beyond that saf guards those. */
function fits(fate: MessageFault, payload: Uint8Array | undefined): boolean {
  if (payload === undefined) return false;
  return fate !== "corrupt" || (decodeChunk(payload).ok && payload.byteLength > HEADER_BYTES);
}

/** One bit in the middle of the values is another one. */
function corrupted(bytes: Uint8Array, payload: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const at =
    payload.byteOffset - bytes.byteOffset + HEADER_BYTES + ((payload.byteLength - HEADER_BYTES) >> 1);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
