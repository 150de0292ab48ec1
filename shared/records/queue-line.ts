/** Lines of queue.jsonl: what a coordinator was given to do, and what became of it. It is never rewritten. */
import { z } from "zod";
import { NAME_PATTERN } from "../config/run.js";

export const QUEUE_VERSION = 1;

const time = z.number().describe("seconds since 1970");
const id = z.string().regex(NAME_PATTERN);
const user = z.string().min(1).max(32);

export const WORK_KINDS = ["run", "sweep", "evaluation"] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** How a submission ended. */
export const OUTCOMES = ["done", "failed", "cancelled"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const queueLineSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("opened"), version: z.int(), time }),
  z.strictObject({
    kind: z.literal("submitted"),
    id,
    /** Of the request: who sends it twice is not given two. */
    key: z.string().min(1).max(64),
    user,
    work: z.enum(WORK_KINDS),
    /** Its settings, as they came. */
    spec: z.record(z.string(), z.unknown()),
    share: z.number().positive().max(1000).optional(),
    priority: z.int().min(-100).max(100).optional(),
    time,
  }),
  /** Somebody wants it to end. */
  z.strictObject({ kind: z.literal("cancelled"), id, user, time }),
  /** Somebody wants it to go on where it ended. */
  z.strictObject({ kind: z.literal("resumed"), id, user, time }),
  z.strictObject({
    kind: z.literal("ended"),
    id,
    outcome: z.enum(OUTCOMES),
    exit_code: z.int().min(0).max(255),
    message: z.string(),
    time,
  }),
]);

export type QueueLine = z.output<typeof queueLineSchema>;
export type SubmittedLine = Extract<QueueLine, { kind: "submitted" }>;
