/** Workers that share no memory with the coordinator: parameters must come to them as bytes. */

export class FarWorkers {
  readonly #ids = new Set<string>();

  /** A worker was taken in. */
  seated(worker: string, isFar: boolean): void {
    if (isFar) this.#ids.add(worker);
    else this.#ids.delete(worker);
  }

  /** Is one of them among the members? */
  isAmong(members: ReadonlyMap<string, unknown>): boolean {
    for (const id of this.#ids) if (members.has(id)) return true;
    return false;
  }
}
