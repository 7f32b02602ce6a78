import { type CallEvent, type DistributiveOmit, MAP_ANONYMOUS, MAP_SHARED } from "./event.js";

/** System calls whose arguments and result say what they did to an address space. */
export const mmCallNames: ReadonlySet<string> = new Set([
  ...["mmap", "munmap", "mprotect", "madvise", "brk", "mremap"],
]);

/** User addresses are below this. */
export const addressEnd = 2 ** 47;

const emptyIsNothing: ReadonlySet<string> = new Set(["mprotect", "madvise"]);

/** What a successful call should have been about instead, or undefined where its ranges are those of a program. */
export function rangeProblem(call: CallEvent | DistributiveOmit<CallEvent, "thread">): string | undefined {
  const ranges =
    call.name === "mremap"
      ? [call, { start: call.newStart, length: call.newLength }]
      : call.name === "brk"
        ? [{ start: 0, length: call.end }]
        : "length" in call
          ? [call]
          : [];
  const least = emptyIsNothing.has(call.name) ? 0 : 1;
  const isSound = ranges.every(
    ({ start, length }) => start >= 0 && length >= least && start + length <= addressEnd,
  );
  return isSound ? undefined : `${call.name} of a range of at least a byte, below 2^47`;
}

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
