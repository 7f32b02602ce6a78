import type { CallEvent, ReaderCounts } from "./event.js";
import { mmCall, mmCallNames } from "./mm-call.js";
import { actsAtItsStart } from "./strace-call.js";

/** Sources: Linux arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. */
const namesX86: Readonly<Record<number, string>> = {
  ...{ 0: "read", 1: "write", 3: "close", 9: "mmap", 10: "mprotect", 11: "munmap", 12: "brk" },
  ...{ 13: "rt_sigaction", 14: "rt_sigprocmask", 16: "ioctl", 17: "pread64", 21: "access", 25: "mremap" },
  ...{ 26: "msync", 28: "madvise", 56: "clone", 57: "fork", 58: "vfork", 59: "execve", 60: "exit" },
  ...{ 158: "arch_prctl", 202: "futex", 218: "set_tid_address", 228: "clock_gettime", 231: "exit_group" },
  ...{ 257: "openat", 262: "newfstatat", 273: "set_robust_list", 302: "prlimit64", 318: "getrandom" },
  ...{ 334: "rseq", 435: "clone3" },
};
const namesAarch64: Readonly<Record<number, string>> = {
  ...{ 56: "openat", 57: "close", 63: "read", 64: "write", 67: "pread64", 79: "newfstatat", 93: "exit" },
  ...{ 94: "exit_group", 98: "futex", 214: "brk", 215: "munmap", 216: "mremap", 220: "clone", 221: "execve" },
  ...{ 222: "mmap", 226: "mprotect", 227: "msync", 233: "madvise", 435: "clone3" },
};
const creations: ReadonlySet<string> = new Set(["clone", "clone3", "fork", "vfork"]);

/** A system call whose result has not been seen. */
interface OpenCall {
  readonly id: number;
  readonly args: number[];
}

/** Puts the markers of one thread together to calls: number, arguments, result. */
export class MarkedCalls {
  isAarch64 = false;
  /** Threads that this one has asked for and that were not seen yet. */
  created = 0;
  readonly #counts: ReaderCounts;
  #open: OpenCall | undefined;
  /** Whether the id was given a second time, as it is before a result. */
  #isNamedAgain = false;

  constructor(counts: ReaderCounts) {
    this.#counts = counts;
  }

  /** Whether a call is under way that takes memory away: others may build on it before its result is recorded. */
  get isRemoving(): boolean {
    return this.#open !== undefined && actsAtItsStart(this.#name(this.#open.id));
  }

  systemCall(id: number): void {
    const name = this.#name(id);
    this.#counts.call(name);
    if (creations.has(name)) this.created++;
    this.#open = undefined;
  }

  /** The number of a system call, before its arguments and once more before its result. */
  function(id: number): void {
    if (this.#open?.id === id) this.#isNamedAgain = true;
    else this.#begin(id);
  }

  argument(value: number): void {
    if (this.#open === undefined) return;
    if (this.#isNamedAgain) this.#begin(this.#open.id);
    this.#open.args.push(value);
  }

  /** What the call did; undefined when it failed, does nothing that is simulated, or has no arguments recorded. */
  result(value: number, thread: number): CallEvent | undefined {
    const call = this.#open;
    this.#open = undefined;
    if (call === undefined) return undefined;
    const name = this.#name(call.id);
    if (!mmCallNames.has(name)) return undefined;
    if (value < 0) {
      this.#counts.failed++;
      return undefined;
    }
    return mmCall(name, call.args, value, thread);
  }

  #begin(id: number): void {
    this.#open = { id, args: [] };
    this.#isNamedAgain = false;
  }

  #name(id: number): string {
    return (this.isAarch64 ? namesAarch64 : namesX86)[id] ?? `syscall ${id}`;
  }
}
