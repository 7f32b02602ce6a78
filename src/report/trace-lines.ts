import type { RunResult, TraceInfo } from "../engine/result.js";
import { count, plural } from "./format.js";

/** Calls that change an address space; the others are only counted. */
const memoryCalls: ReadonlySet<string> = new Set(["mmap", "munmap", "mprotect", "madvise", "brk", "mremap"]);

/** What the recorded trace held, in a line or two; nothing for a built-in workload. */
export function traceLines(run: RunResult): string[] {
  return run.trace === undefined ? [] : summaryLines(run.trace);
}

/** What a packed recording was made from; nothing for any other. */
export function packedLines({ packed }: TraceInfo): string[] {
  if (packed === undefined) return [];
  const { rows, blocks, source, verified } = packed;
  const checked = verified ? "; all checksums are right" : "";
  return [
    `packed: ${plural(rows, "event")} in ${plural(blocks, "block")}${checked}`,
    ...source.map(({ name, bytes, sha256 }) => `source: ${name}, ${count(bytes)} bytes, sha256 ${sha256}`),
  ];
}

/** What a recording holds, in a line or two. */
export function summaryLines(trace: NonNullable<RunResult["trace"]>): string[] {
  const { fetch, load, store, modify } = trace.accesses;
  const accesses = fetch + load + store + modify;
  const calls = Object.entries(trace.calls).filter(([name]) => memoryCalls.has(name));
  const others = Object.entries(trace.calls).filter(([name]) => !memoryCalls.has(name));
  const otherCalls = others.reduce((sum, [, number]) => sum + number, 0);
  const parts = [
    plural(trace.lines, trace.unit),
    plural(trace.threads, "thread"),
    ...(trace.forks > 0 ? [plural(trace.forks, "fork")] : []),
    ...(accesses > 0 ? [`${count(accesses)} accesses`] : []),
    ...(trace.pages > 0 ? [plural(trace.pages, "page")] : []),
    ...(trace.skipped > 0 ? [`${plural(trace.skipped, `unreadable ${trace.unit}`)} passed over`] : []),
    ...calls.map(([name, number]) => `${name} ${count(number)}`),
    ...(otherCalls > 0 ? [plural(otherCalls, "other call")] : []),
  ];
  const assumed =
    accesses > 0 ? [] : ["trace: no accesses recorded; which pages are touched is assumed (--touch)"];
  const damaged = (trace.damage ?? []).map((each) => `damaged: ${each}`);
  return [`trace: ${trace.format}, ${parts.join(", ")}`, ...damaged, ...assumed];
}
