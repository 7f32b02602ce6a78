/**
 * What a machine file may contain. schema/machine.schema.json is written from it.
 *
 * Import types only from here on the way to a run: loading zod costs as much time as starting yargs.
 */
import { z } from "zod";
import { priceNames, structureNames } from "./preset.js";

const number = "(\\d+(?:\\.\\d+)?)";
export const patterns = {
  time: `^${number} ?(cycles?|ns|us|ms)$`,
  clock: `^${number} ?(MHz|GHz)$`,
} as const;

const text = (pattern: string, error: string) => z.string({ error }).regex(new RegExp(pattern), { error });

/** A number alone, or with where it comes from. */
function sourced<T extends z.ZodType>(value: T, error: string) {
  const confidence = z.enum(["A", "B", "C", "D"], { error: "expected a grade: A, B, C or D" });
  const words = z.string({ error: "expected a text" }).min(1, { error: "expected a text" });
  return z.union(
    [
      value,
      z.strictObject({ value, source: words.optional(), confidence: confidence.optional() }, { error }),
    ],
    { error },
  );
}

const timeError = "expected a time with its unit, such as 150 cycles or 130 ns";
const time = sourced(text(patterns.time, timeError), timeError);
const clockError = "expected a clock with its unit, such as 3.2 GHz";
const countError = "expected a whole number from 1 to 1024";
const count = sourced(z.int(countError).min(1, countError).max(1024, countError), countError);
const flag = z.boolean({ error: "expected true or false" });

const entriesError = "expected a whole number of entries from 0 to 16384";
const waysError = "expected a whole number of ways from 1 to 128";
const arrayError = `expected entries and ways, or sharedWith: ${structureNames.join(", ")}`;
const array = z.union(
  [
    z.strictObject({
      entries: z.int(entriesError).min(0, entriesError).max(16_384, entriesError),
      ways: z.int(waysError).min(1, waysError).max(128, waysError),
    }),
    z.strictObject({
      sharedWith: z.enum(structureNames, { error: `expected one of ${structureNames.join(", ")}` }),
    }),
  ],
  { error: arrayError },
);

/** Any of these names, each with such a value. */
function some<const N extends string, T extends z.ZodType>(names: readonly N[], value: T) {
  const shape = Object.fromEntries(names.map((name) => [name, value.optional()])) as Record<
    N,
    z.ZodOptional<T>
  >;
  return z.strictObject(shape, { error: "expected a mapping of names to values" }).optional();
}

export const topologyNames = ["threadsPerCore", "coresPerCcx", "coresPerSocket", "sockets"] as const;
export const isolationNames = ["entry", "exit", "invlpg"] as const;

export const machineSchema = z.strictObject(
  {
    extends: z.string({ error: "expected the name of a machine, as `shootdown list machines` shows them" }),
    name: z
      .string({ error: "expected a name" })
      .regex(/^[\w.-]+$/, { error: "expected a name of letters, digits, -, . and _" })
      .optional(),
    title: z.string({ error: "expected a text" }).optional(),
    source: z.string({ error: "expected a text" }).min(1, { error: "expected a text" }).optional(),
    clock: sourced(text(patterns.clock, clockError), clockError).optional(),
    topology: some(topologyNames, count),
    structures: some(structureNames, array),
    prices: some(priceNames, time),
    work: z.record(z.string(), time, { error: "expected a mapping of names to times" }).optional(),
    ptiExtra: some(isolationNames, time),
    pcid: flag.optional(),
    pti: flag.optional(),
  },
  { error: "expected a mapping with extends" },
);
export type MachineText = z.output<typeof machineSchema>;
/** A number as the file has it. */
export type Sourced<T> =
  | T
  | {
      readonly value: T;
      readonly source?: string | undefined;
      readonly confidence?: "A" | "B" | "C" | "D" | undefined;
    };
