/** What is waited for now, and the last leases that were taken away. */
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { clock } from "./format.mjs";

export class WaitingLists {
  #waits;
  #noWaits;
  #taken;
  #noTaken;

  /** `waits` and `taken` are lists; each is followed by the words for when it is empty. */
  constructor(waits, taken) {
    this.#waits = new KeyedList(waits, ({ key }) => key, makeWait);
    this.#noWaits = waits.nextElementSibling;
    this.#taken = new KeyedList(taken, ({ key }) => key, makeTaken);
    this.#noTaken = taken.nextElementSibling;
  }

  /** A run is named where there are several. */
  update({ waits, taken, runs, sweeps }) {
    const named = (run) => (runs.size > 1 || sweeps.size > 0 ? run : "");
    this.#waits.update(waits.map((wait, key) => ({ ...wait, run: named(wait.run), key })));
    this.#noWaits.hidden = waits.length > 0;
    const keyOf = ({ time, worker, unit }) => `${time} ${worker} ${unit}`;
    this.#taken.update(taken.map((one) => ({ ...one, run: named(one.run), key: keyOf(one) })));
    this.#noTaken.hidden = taken.length > 0;
  }
}

/** These change twice a second: nodes stay, and only their words change. */
function makeWait() {
  const name = element("strong");
  const words = element("span", { class: "message" });
  const node = element("li", {}, name, words);
  const update = ({ run, text, is_late: isLate }) => {
    name.hidden = run === "";
    setText(name, run);
    setText(words, text);
    setAttribute(node, "data-late", isLate ? "" : undefined);
  };
  return { node, update };
}

function makeTaken({ time, worker, run, unit, reason }) {
  const words = [
    element("time", { datetime: new Date(time).toISOString() }, clock(time)),
    element("strong", {}, worker),
    element("span", { class: "message" }, `${run === "" ? "" : `${run}, `}${unit}: ${reason}`),
  ];
  return { node: element("li", {}, ...words), update: () => undefined };
}
