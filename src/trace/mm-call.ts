import { type CallEvent, MAP_ANONYMOUS, MAP_SHARED } from "./event.js";

/** System calls whose arguments and result say what they did to an address space. */
export const mmCallNames: ReadonlySet<string> = new Set([
  ...["mmap", "munmap", "mprotect", "madvise", "brk", "mremap"],
]);

/** (unsigned int)-1, the file descriptor of a mapping without a file. */
const noFile = 0xffff_ffff;

/**
 * What a successful call with these arguments, as the kernel takes them, and this result did.
 *
 * Returns undefined when an argument is missing or not a number.
 */
export function mmCall(
  name: string,
  args: readonly number[],
  value: number,
  thread: number,
): CallEvent | undefined {
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN, d = 0, e = noFile, f = 0] = args;
  switch (name) {
    case "mmap": {
      if (Number.isNaN(b + c + d + e + f)) return undefined;
      const fd = e === noFile || e < 0 || (d & MAP_ANONYMOUS) !== 0 ? -1 : e;
      const shared = (d & MAP_SHARED) !== 0;
      return { name: "mmap", thread, start: value, length: b, prot: c, shared, fd, offset: f };
    }
    case "munmap":
      return Number.isNaN(a + b) ? undefined : { name: "munmap", thread, start: a, length: b };
    case "mprotect":
      return Number.isNaN(a + b + c) ? undefined : { name: "mprotect", thread, start: a, length: b, prot: c };
    case "madvise":
      return Number.isNaN(a + b + c)
        ? undefined
        : { name: "madvise", thread, start: a, length: b, advice: c };
    case "brk":
      return { name: "brk", thread, end: value };
    default:
      return Number.isNaN(a + b + c)
        ? undefined
        : { name: "mremap", thread, start: a, length: b, newStart: value, newLength: c };
  }
}
