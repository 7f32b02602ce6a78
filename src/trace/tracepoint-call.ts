import { type CallEvent, type DistributiveOmit, MAP_ANONYMOUS, MAP_SHARED } from "./event.js";
import type { RecordedCall } from "./tracepoint-stream.js";

/** A change of an address space by a thread that is known by its id only. */
export type MemoryCall = DistributiveOmit<
  Extract<CallEvent, { name: "mmap" | "munmap" | "mprotect" | "madvise" | "brk" | "mremap" | "exec" }>,
  "thread"
>;

/** Calls that map take effect at their end, when their address is known; the others at their beginning. */
export function actsAtItsEnd(name: string): boolean {
  return name === "mmap" || name === "mremap" || name === "brk";
}

/** Whether the call is one that changes an address space. */
export function isMemoryCall(name: string): boolean {
  return memoryCalls.has(name);
}
const memoryCalls: ReadonlySet<string> = new Set([
  ...["mmap", "munmap", "mprotect", "pkey_mprotect", "madvise", "brk", "mremap"],
]);

/** MAP_FIXED and MAP_FIXED_NOREPLACE. */
const fixed = 0x10_0010;

/** Whether the kernel chose the place of a new mapping, so that nothing was mapped there. */
export function findsRoom({ name, args }: RecordedCall): boolean {
  return name === "mmap" && ((args[3] ?? 0) & fixed) === 0;
}

/** (unsigned int)-1, the descriptor of a mapping without a file. */
const noFile = 0xffff_ffff;

/** What a recorded call did; undefined when it failed, or changed nothing that is known here. */
export function memoryCall({ name, args, result }: RecordedCall): MemoryCall | undefined {
  // Results that are addresses have the sign of the address: errors are the last page.
  if (result === undefined || result < 0) return undefined;
  const [first, second, third] = args as [number, number, number];
  switch (name) {
    case "mmap":
      return { name, start: result, length: second, ...mapping(args) };
    case "munmap":
      return { name, start: first, length: second };
    case "mprotect":
    case "pkey_mprotect":
      return { name: "mprotect", start: first, length: second, prot: third };
    case "madvise":
      return { name, start: first, length: second, advice: third };
    case "brk":
      return { name, end: result };
    case "mremap":
      return { name, start: first, length: second, newStart: result, newLength: third };
    case "execve":
    case "execveat":
      return { name: "exec" };
    default:
      return undefined;
  }
}

/** Flags as mmap(2) takes them; a type of mapping is a number in two bits, of which the lower one means shared. */
function mapping(args: readonly number[]): { prot: number; shared: boolean; fd: number; offset: number } {
  const [, , prot, flags, fd, offset] = args as [number, number, number, number, number, number];
  const isAnonymous = (flags & MAP_ANONYMOUS) !== 0 || fd === noFile || fd < 0;
  return { prot, shared: (flags & MAP_SHARED) !== 0, fd: isAnonymous ? -1 : fd, offset };
}
