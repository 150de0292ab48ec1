/** The line to the coordinator: opened again when it breaks, and watched for silence. */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** The server says something every other second; this long without a word, and the line is dead. */
const SILENCE_MS = 8_000;

export class Connection {
  #onMessage;
  #onState;
  #socket;
  #pauseMs = FIRST_PAUSE_MS;
  #silence;

  /** `onState(state, detail)`: "live", "connecting" or "lost". */
  constructor({ onMessage, onState }) {
    this.#onMessage = onMessage;
    this.#onState = onState;
    this.#open();
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#listen();
      this.#onState("live");
      this.#onMessage(JSON.parse(data));
    });
    socket.addEventListener("close", () => this.#lost(socket));
    this.#listen();
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#socket.close();
      this.#lost(this.#socket);
    }, SILENCE_MS);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearTimeout(this.#silence);
    this.#onState("lost");
    const pauseMs = this.#pauseMs * (0.75 + 0.5 * Math.random());
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
    setTimeout(() => void this.#again(), pauseMs);
  }

  /** A login that is over shows in an answer, not in a socket. */
  async #again() {
    try {
      const { status } = await fetch("/api/v1/health", { cache: "no-store" });
      if (status === 401) {
        location.reload();
        return;
      }
    } catch {
      // Nobody is there yet; the socket will find out as well.
    }
    this.#open();
  }
}
