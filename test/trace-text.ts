import fc from "fast-check";
import type { CallEvent, TraceEvent } from "../src/trace/event.js";
import { EventBlock, type TraceReader } from "../src/trace/event.js";
import { LineWindow } from "../src/trace/lines.js";
import type { ByteSource } from "../src/trace/open.js";
import type { AccessKind } from "../src/workload/feed.js";

/** A recording as text, and what a reader should find in it. */
export interface Recording {
  readonly text: string;
  readonly events: readonly TraceEvent[];
}

/** The lines of a text that arrives in pieces of these sizes, over and over. */
export function linesOf(text: string | Uint8Array, pieces?: readonly number[]): LineWindow {
  return new LineWindow(bytesOf(typeof text === "string" ? Buffer.from(text, "latin1") : text, pieces));
}

/** Bytes that arrive in pieces of these sizes, over and over. */
export function bytesOf(content: Uint8Array, pieces: readonly number[] = [1 << 16]): ByteSource {
  const bytes = Buffer.from(content);
  let [at, turn] = [0, 0];
  return {
    file: "test.log",
    compression: "none",
    async next() {
      if (at >= bytes.length) return undefined;
      const size = Math.max(1, pieces[turn++ % pieces.length] ?? 1);
      const piece = bytes.subarray(at, at + size);
      at += size;
      return piece;
    },
    close() {},
  };
}

export async function eventsOf(reader: TraceReader): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  const block = new EventBlock(512);
  while (await reader.read(block)) for (let row = 0; row < block.length; row++) events.push(block.at(row));
  return events;
}

/** Distributes Omit over the kinds of call. */
type WithoutThread<T> = T extends unknown ? Omit<T, "thread"> : never;
export type Call = WithoutThread<CallEvent>;
export type MemoryCall = Exclude<Call, { name: "thread" | "fork" | "exec" | "exit" }>;

const base = 0x5000_0000;
/** Page numbers near each other, so that ranges meet. */
const page = fc.integer({ min: 0, max: 47 }).map((index) => base + index * 4096);
const length = fc.integer({ min: 1, max: 20 * 4096 });
const prot = fc.constantFrom(0, 1, 3, 5, 7);

const mmap = fc.record({
  ...{ name: fc.constant("mmap" as const), start: page, length, prot, shared: fc.boolean() },
  ...{
    fd: fc.integer({ min: -1, max: 40 }),
    offset: fc.integer({ min: 0, max: 99 }).map((pages) => pages * 4096),
  },
});

/** A successful call, with the numbers that it may have. */
export const memoryCall: fc.Arbitrary<MemoryCall> = fc.oneof(
  mmap.map((call) => (call.fd < 0 ? { ...call, offset: 0 } : call)),
  fc.record({ name: fc.constant("munmap" as const), start: page, length }),
  fc.record({ name: fc.constant("mprotect" as const), start: page, length, prot }),
  fc.record({
    name: fc.constant("madvise" as const),
    start: page,
    length,
    advice: fc.constantFrom(4, 8, 14),
  }),
  fc.record({ name: fc.constant("brk" as const), end: page.map((start) => start + 0x1000_0000) }),
  fc.record({ name: fc.constant("mremap" as const), start: page, length, newStart: page, newLength: length }),
);

export type Step =
  | { readonly do: "access"; readonly kind: AccessKind; readonly address: number; readonly size: number }
  | { readonly do: "call"; readonly call: MemoryCall; readonly pick: number; readonly isSplit: boolean }
  | { readonly do: "clone"; readonly pick: number; readonly isSplit: boolean; readonly isFork: boolean }
  | { readonly do: "switch"; readonly pick: number }
  | { readonly do: "exit"; readonly pick: number };

const pick = fc.nat({ max: 7 });
const isSplit = fc.boolean();
const access = fc.record({
  ...{ do: fc.constant("access" as const), kind: fc.constantFrom<AccessKind>(0, 1, 2, 3) },
  address: fc.oneof(
    fc.integer({ min: base, max: base + 50 * 4096 }),
    fc.constantFrom(0x400000, 0x1f_ff00_0ffe, 0x7fff_ffff_0000),
  ),
  size: fc.integer({ min: 1, max: 64 }),
});
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: access },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("call" as const), call: memoryCall, pick, isSplit }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("switch" as const), pick }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("clone" as const), pick, isSplit, isFork: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("exit" as const), pick }) },
  ),
  { maxLength: 120 },
);

const hex = (value: number): string => `0x${value.toString(16)}`;

/** The steps as lackey prints them; one process, so a fork is left out. */
export function lackeyText(all: readonly Step[]): Recording {
  const lines = ["==77== Lackey, an example Valgrind tool", "==77== ", sched(1, "acquired lock (x)", " ")];
  const events: TraceEvent[] = [];
  const live = [0];
  let [thread, threads] = [0, 1];
  for (const step of all) {
    if (step.do === "access") {
      const { kind, address, size } = step;
      lines.push(`${[" L ", " S ", "I  ", " M "][kind]}${address.toString(16).padStart(8, "0")},${size}`);
      events.push({ name: "access", thread, kind, address, size });
    } else if (step.do === "call") {
      lines.push(...lackeyCall(thread + 1, step.call, step.isSplit));
      events.push({ ...step.call, thread });
    } else if (step.do === "clone" && threads < 6) {
      const child = threads++;
      const call = `SYSCALL[77,${thread + 1}](56) sys_clone ( 3d0f00, 0x5, 0x5, 0x5, 0x5 ) --> [pre-success] `;
      lines.push(`${call}Success(0x99) ${sched(thread + 1, "releasing lock (y) -> VgTs_Yielding")}`);
      lines.push(sched(child + 1, "acquired lock (thread_wrapper(starting new thread))", " "), "");
      events.push({ name: "thread", thread, child });
      live.push(child);
      thread = child;
    } else if (step.do === "switch") {
      thread = live[step.pick % live.length]!;
      lines.push(sched(thread + 1, "acquired lock (z)", " "));
    } else if (step.do === "exit" && live.length > 1) {
      lines.push(sched(thread + 1, "release lock in VG_(exit_thread)"));
      events.push({ name: "exit", thread });
      live.splice(live.indexOf(thread), 1);
      thread = live[step.pick % live.length]!;
      lines.push(sched(thread + 1, "acquired lock (z)", " "));
    }
  }
  return { text: `${lines.join("\n")}\n`, events };
}

function sched(tid: number, text: string, pad = ""): string {
  return `--77--   SCHED[${tid}]: ${pad}${text}`;
}

function lackeyCall(tid: number, call: MemoryCall, isSplit: boolean): string[] {
  const [args, value] = lackeyArguments(call);
  const head = `SYSCALL[77,${tid}](1) sys_${call.name} ( ${args.join(", ")} )`;
  const success = `Success(${hex(value)}) `;
  if (isSplit) return [`${head} --> [async] ... `, `SYSCALL[77,${tid}](1) ... [async] --> ${success}`];
  return [value === 0 ? `${head}[sync] --> ${success}` : `${head} --> [pre-success] ${success}`];
}

function lackeyArguments(call: MemoryCall): [(number | string)[], number] {
  if (call.name === "brk") return [[hex(call.end)], call.end];
  const { start, length } = call;
  if (call.name === "mmap") {
    const flags = (call.shared ? 1 : 2) | (call.fd < 0 ? 0x20 : 0);
    return [["0x0", length, call.prot, flags, call.fd < 0 ? 4294967295 : call.fd, call.offset], start];
  }
  if (call.name === "mremap") return [[hex(start), length, call.newLength, "0x1"], call.newStart];
  if (call.name === "munmap") return [[hex(start), length], 0];
  return [[hex(start), length, call.name === "mprotect" ? call.prot : call.advice], 0];
}

/** Overwrite, drop and insert bytes, and cut the end off. */
export const damage = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    how: fc.constantFrom("set", "drop", "insert", "cut"),
    byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 10, 13, 32, 40, 41, 44, 48, 61)),
  }),
  { minLength: 1, maxLength: 6 },
);

export function damaged(
  text: string,
  hits: readonly { at: number; how: string; byte: number }[],
): Uint8Array {
  const bytes = [...Buffer.from(text, "latin1")];
  for (const { at, how, byte } of hits) {
    const index = Math.floor(at * bytes.length);
    if (how === "set") bytes[index] = byte;
    else if (how === "drop") bytes.splice(index, 1);
    else if (how === "insert") bytes.splice(index, 0, byte);
    else if (at > 0.5) bytes.length = index;
  }
  return Uint8Array.from(bytes);
}
