/**
 * What a workload file may contain. schema/workload.schema.json is written from it.
 *
 * Import types only from here on the way to a run: loading zod costs as much time as starting yargs.
 */
import { z } from "zod";
import { patterns } from "./units.js";

/** A parameter of the file in place of a number; it is replaced before anything is looked at. */
const parameter = z.string().regex(/^\$[A-Za-z]\w*$/);

const text = (pattern: string, error: string) => z.string({ error }).regex(new RegExp(pattern), { error });
const sizeError = "expected a size with its unit, such as 64KiB, 2 MiB or 16 pages";
const size = z.union([text(patterns.size, sizeError), parameter], { error: sizeError });
const timeError = "expected a time with its unit, such as 2000 cycles, 800ns or 1.5us";
const time = z.union([text(patterns.time, timeError), parameter], { error: timeError });
const shareError = "expected a share, such as 30% or 0.3";
const share = z.union(
  [
    z.number({ error: shareError }).min(0, shareError).max(1, shareError),
    text(patterns.share, shareError),
    parameter,
  ],
  {
    error: shareError,
  },
);
const countError = "expected a whole number, such as 200, 20k or 1M";
const count = z.union([z.int(countError).min(0, countError), text(patterns.count, countError), parameter], {
  error: countError,
});
const threadsError = "expected a number of threads: a whole number, cpus, or cpus-1";
const threads = z.union(
  [z.int().min(0), text(`${patterns.count}|^cpus( ?- ?\\d+)?$`, threadsError), parameter],
  {
    error: threadsError,
  },
);

const nameError = "expected a name of letters, digits, - and _";
const name = z.string({ error: nameError }).regex(/^[A-Za-z][\w-]*$/, { error: nameError });
const lineError = "expected one line of text";
const truth = z.literal(true, { error: "expected true" });
const flag = z.boolean({ error: "expected true or false" });

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `expected one of ${values.join(", ")}` });

export const rightsNames = ["none", "r", "rw", "rx", "rwx"] as const;
const rights = oneOf(rightsNames);

/** Streams that need no number are named; `zipf` alone has s = 0.99. */
const streamNames = ["sequential", "uniform", "chase", "zipf"] as const;
const kinds = ["strided", "zipf", "hot-cold", "phases"] as const;
const streamError = `expected one of ${streamNames.join(", ")}, or a mapping with kind: ${kinds.join(", ")}`;
const exponentError = "expected a number from 0 to 10";
const exponent = z.union(
  [z.number({ error: exponentError }).min(0, exponentError).max(10, exponentError), parameter],
  { error: exponentError },
);

export type StreamText =
  | (typeof streamNames)[number]
  | { readonly kind: "strided"; readonly stride: string }
  | { readonly kind: "zipf"; readonly s: number | string }
  | { readonly kind: "hot-cold"; readonly hot: number | string; readonly often: number | string }
  | {
      readonly kind: "phases";
      readonly every: number | string;
      readonly window: string;
      readonly within?: StreamText | undefined;
    };

const streamSchema: z.ZodType<StreamText> = z
  .union(
    [
      z.enum(streamNames),
      z.discriminatedUnion(
        "kind",
        [
          z.strictObject({ kind: z.literal("strided"), stride: size }),
          z.strictObject({ kind: z.literal("zipf"), s: exponent }),
          z.strictObject({ kind: z.literal("hot-cold"), hot: share, often: share }),
          z.strictObject({
            kind: z.literal("phases"),
            every: count,
            window: size,
            within: z.lazy(() => streamSchema).optional(),
          }),
        ],
        { error: streamError },
      ),
    ],
    { error: streamError },
  )
  .meta({ id: "stream" });

function stepList<T extends z.ZodType>(step: T) {
  const error = "expected a list of steps, at least one";
  return z.array(step, { error }).min(1, { error });
}

export const adviceNames = [
  ...(["dontneed", "free", "cold", "pageout"] as const),
  ...(["hugepage", "nohugepage", "collapse"] as const),
] as const;

/** Steps by the key that says what they do. `inner` is what the steps within them are. */
export function stepSchemas<T extends z.ZodType>(inner: T) {
  const steps = stepList(inner);
  return {
    access: z.strictObject({
      access: name,
      stream: streamSchema.optional(),
      count: count.optional(),
      grain: size.optional(),
      kind: oneOf(["load", "store", "modify", "fetch"]).optional(),
      stores: share.optional(),
    }),
    compute: z.strictObject({ compute: time, spread: share.optional() }),
    mmap: z.strictObject({ mmap: name }),
    munmap: z.strictObject({ munmap: name }),
    mremap: z.strictObject({ mremap: name, to: name }),
    mprotect: z.strictObject({ mprotect: name, rights }),
    madvise: z.strictObject({ madvise: name, advice: oneOf(adviceNames) }),
    msync: z.strictObject({ msync: name }),
    brk: z.strictObject({ brk: name, size }),
    uffd_fill: z.strictObject({
      uffd_fill: name,
      op: oneOf(["copy", "zeropage", "continue"]),
      protected: flag.optional(),
    }),
    userfaultfd_writeprotect: z.strictObject({ userfaultfd_writeprotect: name, protect: flag }),
    task_numa_work: z.strictObject({ task_numa_work: name }),
    clear_refs: z.strictObject({ clear_refs: truth }),
    fork: z.strictObject({ fork: name }),
    join: z.strictObject({ join: truth }),
    barrier: z.strictObject({ barrier: name }),
    repeat: z.strictObject({ repeat: count, steps }),
    sometimes: z.strictObject({ sometimes: share, steps }),
    part: z.strictObject({
      part: name,
      of: name,
      size,
      stream: streamSchema.optional(),
      count: count.optional(),
      steps,
    }),
  };
}

export type StepVerb = keyof ReturnType<typeof stepSchemas>;
export type StepText<V extends StepVerb = StepVerb> = z.output<
  ReturnType<typeof stepSchemas<z.ZodUnknown>>[V]
>;

const region = z.strictObject({
  size,
  of: oneOf(["process", "thread"]).optional(),
  rights: rights.optional(),
  shared: flag.optional(),
  file: name.optional(),
  files: count.optional(),
  popularity: streamSchema.optional(),
  sliced: truth.optional(),
  watched: flag.optional(),
  huge: oneOf(["2M", "1G"]).optional(),
});
export type RegionText = z.output<typeof region>;

/** A file, whose threads do steps of a kind. */
function fileSchema<T extends z.ZodType>(step: T) {
  const group = z.strictObject({
    name,
    count: threads.optional(),
    process: name.optional(),
    kernel: truth.optional(),
    start: oneOf(["beginning", "fork"]).optional(),
    cpu: count.optional(),
    steps: stepList(step),
  });
  const value = z.union([z.number(), z.string()], { error: "expected a number, or a text such as 64KiB" });
  const groupsError = "expected a list of threads, each with a name and steps";
  return z.strictObject(
    {
      name: z.string({ error: lineError }).regex(/^.+$/, { error: lineError }).optional(),
      about: z.string().optional(),
      parameters: z.record(name, value).optional(),
      processes: z.record(name, count).optional(),
      regions: z.record(name, region).optional(),
      memory: size.optional(),
      threads: z.array(group, { error: groupsError }).min(1, { error: groupsError }),
    },
    { error: "expected a mapping with regions and threads" },
  );
}

/** For reading: steps are looked at one by one, each by its key. */
export const workloadSchema = fileSchema(z.unknown());
export type WorkloadText = z.output<typeof workloadSchema>;
export type GroupText = WorkloadText["threads"][number];

/** For publishing: all in one. */
export function publishedWorkloadSchema(): z.ZodType {
  const step: z.ZodType = z.lazy(() => z.union(Object.values(stepSchemas(step)))).meta({ id: "step" });
  return fileSchema(step);
}
