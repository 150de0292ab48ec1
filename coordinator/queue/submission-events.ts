/** What one of several submissions does, told to everybody under its name: none of it is the end of the whole. */
import type { NoteLevel } from "../../shared/events.js";
import { EventPublisher } from "../telemetry/events.js";

export class SubmissionEvents extends EventPublisher {
  readonly #id: string;

  constructor(id: string, ...of: ConstructorParameters<typeof EventPublisher>) {
    super(...of);
    this.#id = id;
  }

  /** Of a coordinator with this work alone it would be the phase of the cluster. */
  override phase(name: string, detail: string): void {
    this.note("info", `${name} ${detail}`.trim());
  }

  override note(level: NoteLevel, message: string): void {
    const isNamed = message.startsWith(`${this.#id}: `);
    super.note(level, isNamed ? message : `${this.#id}: ${message}`);
  }

  override finished(message: string): void {
    this.note("info", message);
  }
}
