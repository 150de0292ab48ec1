/**
 * live.json: where the live page of the process that writes a run directory is, for `saf status`. It is gone when that
 * process has ended well; after a kill it leads nowhere.
 */
export const LIVE_FILE = "live.json";

export interface LiveFile {
  /** Of the page, with a slash at the end. */
  url: string;
  /** As the page itself says: another process may have the port by now. */
  started: number;
}
