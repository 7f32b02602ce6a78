/**
 * What a run reports, and what a comparison reports. The names are a contract: scripts read them.
 *
 * The types come from the schemas, and schema/*.json is written from the same schemas by write-schemas.ts. Import
 * types only from here on the way to a run: loading zod costs as much time as starting yargs.
 */
import { z } from "zod";
import { INVARIANTS } from "../dsl/case.js";

const count = z.int().nonnegative();
/** Per name; a name that never happened may be missing. */
const counts = z.record(z.string(), count);

/** Cycles, over all occurrences in the run. */
export const latencyRowSchema = z.strictObject({
  count,
  mean: z.number().nonnegative(),
  p50: z.number().nonnegative(),
  p90: z.number().nonnegative(),
  p99: z.number().nonnegative(),
  p999: z.number().nonnegative(),
  max: z.number().nonnegative(),
});
export type LatencyRow = z.infer<typeof latencyRowSchema>;

/** A step of a mechanism: the C function, the label of the step, and where the mechanism is written. */
export const stepPlaceSchema = z.strictObject({
  routine: z.string(),
  label: z.string(),
  file: z.string(),
  line: count,
});
export type StepPlace = z.infer<typeof stepPlaceSchema>;

/**
 * The first access of its kind that nobody was entitled to.
 *
 * `time` is in cycles. `made` is the step that changed the page table; `broken` is the step that a flush should have
 * come before (a free, a copy, a return). Either is null when no step can be named.
 */
export const violationExampleSchema = z.strictObject({
  time: count,
  cpu: count,
  task: count,
  va: z.string().regex(/^0x[0-9a-f]+$/),
  access: z.enum(["load", "store", "fetch"]),
  frame: count,
  made: stepPlaceSchema.nullable(),
  broken: stepPlaceSchema.nullable(),
  text: z.string(),
});
export type ViolationExample = z.infer<typeof violationExampleSchema>;

export const violationSchema = z.strictObject({
  invariant: z.enum(INVARIANTS),
  count,
  first: violationExampleSchema,
});
export type Violation = z.infer<typeof violationSchema>;

/** What a recorded trace held: counts of the file, not of the simulation. src/workload/feed.ts says what each means. */
export const traceSummarySchema = z.strictObject({
  file: z.string(),
  format: z.string(),
  unit: z.enum(["line", "record"]),
  lines: count,
  accesses: z.strictObject({ fetch: count, load: count, store: count, modify: count }),
  calls: counts,
  failed: count,
  joined: count,
  threads: count,
  forks: count,
  pages: count,
  codePages: count,
  dataPages: count,
  writtenPages: count,
  others: counts,
  skipped: count,
  damage: z.array(z.string()).readonly().optional(),
});

/** What `shootdown trace info --json` writes. */
export const traceInfoSchema = z.strictObject({
  schema: z.literal("shootdown/trace@1"),
  trace: traceSummarySchema,
  /** Of a packed recording only. */
  packed: z
    .strictObject({
      /** Accesses and calls. */
      rows: count,
      blocks: count,
      source: z.array(z.strictObject({ name: z.string(), bytes: count, sha256: z.string() })),
      /** Whether all of it was read, and every checksum compared. */
      verified: z.boolean(),
    })
    .optional(),
});
export type TraceInfo = z.infer<typeof traceInfoSchema>;

const grade = z.enum(["A", "B", "C", "D"]);
const numbers = z.record(z.string(), z.number().nonnegative());

/** What decides a result besides workload and seed. Equal ones have equal hashes, whatever a machine is called. */
export const configurationSchema = z.strictObject({
  hash: z.string().regex(/^[0-9a-f]{12}$/),
  /** The least known constant of the machine: of the worst grade, the dearest. `cycles` is null for what is no time. */
  weakest: z.strictObject({
    constant: z.string(),
    confidence: grade,
    source: z.string(),
    cycles: count.nullable(),
  }),
  /** How many constants of the machine have each grade. */
  grades: z.strictObject({ A: count, B: count, C: count, D: count }),
  /** What the kernel is assembled from. `scheme` is a fingerprint of programs that are somebody's own. */
  mechanism: z.strictObject({
    cpus: count.min(1),
    slots: z.record(z.string(), z.string()),
    tunables: z.record(z.string(), count),
    scheme: z.string().optional(),
  }),
  /** In whole cycles, with what page-table isolation adds. */
  machine: z.strictObject({
    ghz: z.number().positive(),
    topology: numbers,
    structures: z.record(z.string(), z.strictObject({ entries: count, ways: count, owner: z.string() })),
    prices: numbers,
    work: numbers,
    pcid: z.boolean(),
    pti: z.boolean(),
    quantumCycles: count,
  }),
});

export const runResultSchema = z.strictObject({
  schema: z.literal("shootdown/run@1"),
  machine: z.string(),
  policy: z.string(),
  /** Variants, by slot, that replaced the policy's own; absent when none did. */
  set: z.record(z.string(), z.string()).optional(),
  workload: z.string(),
  cpus: count.min(1),
  seed: count,
  configuration: configurationSchema,
  simulated: z.strictObject({
    cycles: count,
    seconds: z.number().nonnegative(),
    accesses: count,
    operations: counts,
  }),
  tlb: z.strictObject({
    accesses: count,
    l1Hits: count,
    stlbHits: count,
    walks: count,
    walkCycles: count,
    walkMemoryReads: count,
    assists: count,
  }),
  flushes: z.strictObject({
    local: count,
    remote: count,
    full: count,
    ranged: count,
    pages: count,
    secondary: count,
    taskSwitch: count,
    onWriteFault: count,
    avoided: counts,
  }),
  ipis: z.strictObject({ sent: count, received: count, coalesced: count, skippedLazy: count, wasted: count }),
  /** segv: accesses that no mapping allowed; they were skipped. */
  faults: z.strictObject({
    minor: count,
    cow: count,
    spurious: count,
    uffd: count,
    retried: count,
    segv: count,
  }),
  /** A socket is a node; a frame is memory of the node of the CPU that got it first. remote: pages of another node cleared or copied. */
  memory: z.strictObject({ nodes: count.min(1), remote: count }),
  latency: z.record(z.string(), latencyRowSchema),
  cycles: z.strictObject({
    user: count,
    walk: count,
    kernel: count,
    lockWait: count,
    ipiWait: count,
    irq: count,
    idle: count,
  }),
  violations: z.array(violationSchema),
  trace: traceSummarySchema.optional(),
  host: z.strictObject({
    wallSeconds: z.number().nonnegative(),
    accessesPerSecond: z.number().nonnegative(),
    threads: count.min(1),
    peakRssBytes: count,
  }),
});
export type RunResult = z.infer<typeof runResultSchema>;

/** A policy's total over the baseline's, with its 95 % confidence interval; all three null if the baseline is 0. */
export const ratioSchema = z.strictObject({
  policy: z.string(),
  metric: z.string(),
  ratio: z.number().nonnegative().nullable(),
  low: z.number().nonnegative().nullable(),
  high: z.number().nonnegative().nullable(),
});
export type Ratio = z.infer<typeof ratioSchema>;

/** How many calls, or faults, had no flush, ranged ones, and one of everything. */
const flushKinds = z.strictObject({ none: count, ranged: count, full: count });
const recordedAndPredicted = z.strictObject({ recorded: count, predicted: count });

/**
 * What the kernel of a recording flushed, and what the simulated one flushes at the same calls and faults.
 *
 * A row agrees for a call when both flushed as often and as many pages. `remoteShootdowns`: flushes that interrupts have
 * brought about; `interrupts`: with those that found nothing to do. `faults`: recorded faults before which an entry had
 * to be taken away (`unneeded`), or made (`primed`), because the simulation differed.
 */
export const recordedFlushesSchema = z.strictObject({
  file: z.string(),
  format: z.string(),
  rows: z.array(
    z.strictObject({
      name: z.string(),
      count,
      recorded: flushKinds,
      predicted: flushKinds,
      agreeing: count,
    }),
  ),
  remoteShootdowns: recordedAndPredicted,
  interrupts: recordedAndPredicted,
  faults: z.strictObject({ unneeded: count, primed: count }),
  /** Events that the recorder says it has dropped. */
  lost: count,
  violations: count,
  /** The first calls and faults that do not agree. */
  disagreements: z.array(
    z.strictObject({ line: count, name: z.string(), recorded: z.string(), predicted: z.string() }),
  ),
});
export type RecordedFlushes = z.infer<typeof recordedFlushesSchema>;

export const compareResultSchema = z.strictObject({
  schema: z.literal("shootdown/compare@1"),
  baseline: z.string(),
  runs: z.array(runResultSchema),
  ratios: z.array(ratioSchema),
  /** For each replayed recording that has the kernel's own flushes; absent when none has. */
  recordings: z.array(recordedFlushesSchema).optional(),
  /** Present, and true, when the comparison was stopped and some runs are missing. */
  interrupted: z.literal(true).optional(),
});
export type CompareResult = z.infer<typeof compareResultSchema>;
