/** What happened lately, and which of it is said aloud to those who do not see it. */
import { KeyedList, element } from "./dom.mjs";
import { clock } from "./format.mjs";

const SHOWN = 60;
/** Words to a screen reader come at most so often, the newest ones. */
const ANNOUNCE_EVERY_MS = 4_000;
const MOST_ANNOUNCED = 3;

export class EventList {
  #list;

  constructor(parent) {
    this.#list = new KeyedList(parent, ({ key }) => key, makeEvent);
  }

  /** `started` tells the events of one coordinator from those of the next. */
  update(events, started) {
    const newest = events.slice(-SHOWN).reverse();
    this.#list.update(newest.map((event) => ({ ...event, key: `${started} ${event.seq}` })));
  }
}

function makeEvent({ time, level, run, message }) {
  const words = [element("time", { datetime: new Date(time).toISOString() }, clock(time))];
  if (level !== "info") words.push(element("span", { class: "chip", "data-level": level }, level));
  if (run !== null) words.push(element("strong", {}, run));
  const node = element("li", {}, ...words, element("span", { class: "message" }, message));
  return { node, update: () => undefined };
}

export class Announcer {
  #node;
  #waiting = [];
  #timer;
  #lastMs = -Infinity;

  constructor(node) {
    this.#node = node;
  }

  /** Phases of runs, ends, warnings and errors: not every number that moves. */
  hear(events) {
    const important = events.filter(({ level, run }) => level !== "info" || run !== null);
    this.say(...important.map(({ run, message }) => (run === null ? message : `${run}: ${message}`)));
  }

  say(...texts) {
    if (texts.length === 0) return;
    this.#waiting = [...this.#waiting, ...texts].slice(-MOST_ANNOUNCED);
    const waitMs = Math.max(0, this.#lastMs + ANNOUNCE_EVERY_MS - performance.now());
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#lastMs = performance.now();
      this.#node.textContent = this.#waiting.join(". ");
      this.#waiting = [];
    }, waitMs);
  }
}
