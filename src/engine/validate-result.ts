/** What `shootdown validate` reports. The names are a contract: scripts read them. */
import { z } from "zod";

export const validateRowSchema = z.strictObject({
  experiment: z.string(),
  /** fitted: the constants were chosen so that it comes out. */
  kind: z.enum(["fitted", "predicted"]),
  what: z.string(),
  machine: z.string(),
  unit: z.enum(["cycles", "ns", "ratio", "R²"]),
  published: z.number(),
  simulated: z.number(),
  /** simulated / published - 1. */
  error: z.number(),
  /** The largest error that is allowed, or null where the number is only shown. */
  tolerance: z.number().positive().nullable(),
  within: z.boolean().nullable(),
  source: z.string(),
});

export const validateResultSchema = z.strictObject({
  schema: z.literal("shootdown/validate@1"),
  rows: z.array(validateRowSchema),
  /** Rows that are farther off than their tolerance. */
  misses: z.int().nonnegative(),
});
export type ValidateResult = z.infer<typeof validateResultSchema>;
