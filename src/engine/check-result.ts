/** What `shootdown check` reports. The names are a contract, as in result.ts. */
import { z } from "zod";
import { INVARIANTS } from "../dsl/case.js";
import { stepPlaceSchema } from "./result.js";

const count = z.int().nonnegative();

/**
 * One event of a run that the adversary chose. `routine`, `label`, `file` and `line` are of the kernel's step; an event of a user or of the
 * hardware has the routine "user" or "hardware" and no file.
 */
export const traceStepSchema = z.strictObject({
  cpu: count,
  label: z.string(),
  routine: z.string(),
  file: z.string().nullable(),
  line: count.nullable(),
  /** What it read or changed, in words. */
  detail: z.string(),
  /** As in a replay string. */
  choice: z.string(),
  /** Names of the routines around the step, outermost first, the program included. */
  path: z.array(z.string()),
  /** Programs that begin behind this event. */
  begins: z.array(z.strictObject({ cpu: count, text: z.string() })),
  /** Windows that it enters. */
  windows: z.array(z.string()),
  /** made: it made the translation stale; broken: a flush was due before it; violation: it uses what nobody may use any more. */
  marks: z.array(z.enum(["made", "broken", "violation"])),
  /** It touches what another CPU of the run touches too, or what the hardware caches. */
  matters: z.boolean(),
});
export type TraceStep = z.infer<typeof traceStepSchema>;

/** Why a CPU cannot go on. */
export const waitSchema = z.strictObject({
  cpu: count,
  routine: z.string(),
  label: z.string(),
  file: z.string().nullable(),
  line: count.nullable(),
  /** The word that it waits for, with its value. */
  word: z.string(),
  /** Who holds the lock, or owes the answer; null when nobody can be named. */
  holder: count.nullable(),
});
export type Wait = z.infer<typeof waitSchema>;

export const foundSchema = z.strictObject({
  invariant: z.enum(INVARIANTS),
  cpu: count.nullable(),
  va: z.string().nullable(),
  access: z.enum(["load", "store", "fetch"]).nullable(),
  made: stepPlaceSchema.nullable(),
  broken: stepPlaceSchema.nullable(),
  waits: z.array(waitSchema),
  text: z.string(),
});
export type Found = z.infer<typeof foundSchema>;

/** What the search was allowed. A bound that is null did not exist. */
export const checkBoundsSchema = z.strictObject({
  model: z.enum(["sc", "tso", "weak"]),
  assist: z.enum(["strict", "legacy", "knl"]),
  depth: count.nullable(),
  preemptions: count.nullable(),
  states: count.nullable(),
  memoryMib: count.nullable(),
  seconds: z.number().nonnegative().nullable(),
  reduction: z.boolean(),
  /** States that differ in the numbers of identical CPUs were taken for one, in place of leaving orders out. */
  symmetry: z.boolean(),
  livelock: z.boolean(),
  pct: z.strictObject({ runs: count, changes: count, seed: count }).nullable(),
});
export type CheckBounds = z.infer<typeof checkBoundsSchema>;

export const limitNames = ["depth", "preemptions", "states", "memory", "seconds", "runs"] as const;
export type LimitName = (typeof limitNames)[number];

export const checkVariantSchema = z.strictObject({
  scenario: z.string(),
  variant: z.string(),
  title: z.string(),
  question: z.string(),
  expected: z.enum(["unsafe", "safe", "unknown"]),
  /** The invariant that an unsafe variant is known to break; null when any will do. */
  breaks: z.enum(INVARIANTS).nullable(),
  verdict: z.enum(["unsafe", "safe", "unknown"]),
  asExpected: z.boolean(),
  invariant: z.enum(INVARIANTS).nullable(),
  states: count,
  /** Events of the counterexample, or of the longest shortest way to a state. */
  depth: count,
  complete: z.boolean(),
  /** What kept an unknown verdict from being another; null for the others. */
  reason: z.string().nullable(),
  /** Which bound cut the search short; null when none did. */
  limit: z.enum(limitNames).nullable(),
  bounds: checkBoundsSchema,
  windows: z.array(z.strictObject({ name: z.string(), entered: z.boolean() })),
  seconds: z.number().nonnegative(),
  found: foundSchema.nullable(),
  replay: z.string().nullable(),
  /** What each CPU of the counterexample sets out to do. */
  threads: z.array(z.strictObject({ cpu: count, does: z.array(z.string()) })),
  counterexample: z.array(traceStepSchema),
});
export type VariantResult = z.infer<typeof checkVariantSchema>;

export const checkResultSchema = z.strictObject({
  schema: z.literal("shootdown/check@1"),
  results: z.array(checkVariantSchema),
  /** Present, and true, when the check was stopped and some variants are missing. */
  interrupted: z.literal(true).optional(),
});
export type CheckResult = z.infer<typeof checkResultSchema>;
