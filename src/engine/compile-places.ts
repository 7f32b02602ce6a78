/** What compiled code has as constants: where things lie in a world, and what steps cost there. */
import type { World } from "./world.js";

export interface Places {
  readonly records: readonly { readonly base: number; readonly stride: number }[];
  readonly prices: Readonly<Record<"memL1" | "store" | "fence" | "rmw" | "maskStep", number>>;
  readonly cpus: number;
  readonly works: readonly number[];
  readonly isWeak: boolean;
  /** Offset of the current task's number in hw, of counters in st, of the line cache in clk. */
  readonly task: number;
  readonly counters: number;
  readonly ckLines: number;
  /** Base of the lines' words as if STATE began at address 0; number of its first line; lines of a CPU's cache. */
  readonly lines: number;
  readonly firstLine: number;
  readonly lineCount: number;
  /** Low bits of a line's word: who wrote it last. */
  readonly writerBits: number;
  readonly writerMask: number;
  readonly waitBuckets: number;
  readonly waitBucketCount: number;
  readonly tablePages: number;
  readonly tableMeta: number;
  readonly tableMetaBytes: number;
  readonly tableLive: number;
  readonly tableDirt: number;
  readonly pageShift: number;
}

export function placesOf(world: World): Places {
  const { value, u32, size } = world;
  const config = (name: string, offset = 0): number => u32[value("CONFIG") / 4 + value(name) + offset]!;
  const price = (name: string): number => config("CFG_PRICES", value(`PRICE_${name}`));
  const records = value("RECORDS") / 4;
  const stateBase = value("stateBase");
  return {
    records: Array.from({ length: value("RECORD_KINDS") }, (_, kind) => ({
      base: u32[records + kind * 2]!,
      stride: u32[records + kind * 2 + 1]!,
    })),
    prices: {
      memL1: price("MEM_L1"),
      store: price("STORE"),
      fence: price("FENCE"),
      rmw: price("RMW"),
      maskStep: price("MASK_STEP"),
    },
    cpus: size.cpus,
    works: Array.from({ length: value("WORKS_MAX") }, (_, work) => config("CFG_WORKS", work)),
    isWeak: size.model === "weak",
    task: value("HW_TASK"),
    counters: value("ST_COUNTERS"),
    ckLines: value("ckLines"),
    lines: value("lines") - stateBase / 16,
    firstLine: stateBase / 64,
    lineCount: size.lines,
    writerBits: value("WRITER_BITS"),
    writerMask: value("WRITER_MASK"),
    waitBuckets: value("waitBuckets"),
    waitBucketCount: value("WAIT_BUCKETS"),
    tablePages: value("tablePages"),
    tableMeta: value("tableMeta"),
    tableMetaBytes: value("TM_BYTES"),
    tableLive: value("TM_LIVE"),
    tableDirt: value("tableDirt"),
    pageShift: value("pageBytesShift"),
  };
}
