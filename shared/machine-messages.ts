/** The messages by which machines come to a pool; read and written as all others are. */
import { machines } from "./proto/generated/machines.js";

/** The generated classes. */
export const machineWire = machines.v1;
export type { machines };
