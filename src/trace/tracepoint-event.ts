import type { TracepointLine } from "./tracepoint-line.js";

/** What a line of tracepoints says, or `problem`: what was expected of its text. */
export type TracepointFact =
  | { readonly kind: "enter"; readonly name: string; readonly args: readonly number[] }
  | { readonly kind: "exit"; readonly name: string; readonly value: number }
  | { readonly kind: "fault"; readonly address: number; readonly error: number }
  | { readonly kind: "switch"; readonly next: number; readonly nextComm: string }
  | { readonly kind: "fork"; readonly child: number }
  | { readonly kind: "end" }
  | { readonly kind: "flush"; readonly pages: number; readonly reason: number }
  | { readonly kind: "other" }
  | { readonly kind: "problem"; readonly expected: string };

/** Bits of error_code of a page fault. Source: linux arch/x86/include/asm/trap_pf.h. */
export const FAULT_PRESENT = 1;
export const FAULT_WRITE = 2;
export const FAULT_FETCH = 0x10;

/** Reasons of tlb_flush. Source: linux include/trace/events/tlb.h. */
export const FLUSH_TASK_SWITCH = 0;
export const FLUSH_REMOTE = 1;
export const FLUSH_LOCAL_BATCH = 2;
export const FLUSH_LOCAL = 3;
export const FLUSH_SEND = 4;
export const FLUSH_WRONG_CPU = 5;
const reasons: Readonly<Record<string, number>> = {
  "flush on task switch": FLUSH_TASK_SWITCH,
  "remote shootdown": FLUSH_REMOTE,
  "local shootdown": FLUSH_LOCAL_BATCH,
  "local mm shootdown": FLUSH_LOCAL,
  "remote ipi send": FLUSH_SEND,
  "remote wrong cpu": FLUSH_WRONG_CPU,
};

/** Calls with an effect on an address space, and how many arguments are needed to know it. */
const argumentsOf: Readonly<Record<string, number>> = {
  ...{ mmap: 6, munmap: 2, mprotect: 3, pkey_mprotect: 3, madvise: 3, brk: 1, mremap: 3, clone: 1 },
};
/** System calls of x86-64 by number, for raw_syscalls. Source: linux arch/x86/entry/syscalls/syscall_64.tbl. */
const numbered: Readonly<Record<number, string>> = {
  ...{
    9: "mmap",
    10: "mprotect",
    11: "munmap",
    12: "brk",
    25: "mremap",
    28: "madvise",
    56: "clone",
    57: "fork",
  },
  ...{ 58: "vfork", 59: "execve", 322: "execveat", 329: "pkey_mprotect", 435: "clone3" },
};
const other: TracepointFact = { kind: "other" };

export function tracepointFact({ event, text }: TracepointLine): TracepointFact {
  if (event.startsWith("sys_")) return systemCall(event, text);
  switch (event) {
    case "page_fault_user":
    case "page_fault_kernel":
      return fault(text);
    case "sched_switch":
      return switched(text);
    case "sched_process_fork": {
      const child = integer(after(text, "child_pid="));
      return Number.isNaN(child) ? expected("a fork with child_pid=") : { kind: "fork", child };
    }
    case "sched_process_exit":
      return { kind: "end" };
    case "tlb_flush":
      return flush(text);
    default:
      return other;
  }
}

function systemCall(event: string, text: string): TracepointFact {
  if (event === "sys_enter" || event === "sys_exit") return rawCall(event, text);
  if (event.startsWith("sys_exit_")) {
    const name = event.slice("sys_exit_".length);
    const value = integer(text);
    return Number.isNaN(value) ? expected(`a result of ${name}`) : { kind: "exit", name, value };
  }
  if (!event.startsWith("sys_enter_")) return other;
  const name = event.slice("sys_enter_".length);
  return enter(
    name,
    text.split(", ").map((part) => integer(part.slice(part.indexOf(": ") + 1).trim())),
  );
}

/** "NR 11 (7f0000000000, 1000, 0, 0, 0, 0)" and "NR 11 = 0": arguments are hexadecimal, the result is decimal. */
function rawCall(event: string, text: string): TracepointFact {
  const match = /^NR (-?\d{1,9}) (?:\(([0-9a-f, ]*)\)|= (-?\d{1,20}))/.exec(text);
  if (match === null) return expected("NR and a number of raw_syscalls");
  const name = numbered[Number(match[1])];
  if (name === undefined) return other;
  if (event === "sys_exit") return { kind: "exit", name, value: Number(match[3]) };
  return enter(
    name,
    (match[2] ?? "").split(", ").map((part) => integer(`0x${part}`)),
  );
}

function enter(name: string, args: readonly number[]): TracepointFact {
  const needed = argumentsOf[name] ?? 0;
  const isComplete = args.length >= needed && !args.slice(0, needed).some(Number.isNaN);
  return isComplete ? { kind: "enter", name, args } : expected(`the ${needed} arguments of ${name}`);
}

/** "address=0x7f0000000000 ip=0x401000 error_code=0x6"; ip may be a symbol. */
function fault(text: string): TracepointFact {
  const address = integer(after(text, "address="));
  const error = integer(after(text, "error_code="));
  if (Number.isNaN(address + error)) return expected("a fault with address= and error_code=");
  return { kind: "fault", address, error };
}

/** "... ==> next_comm=NAME next_pid=7 next_prio=120", or "... ==> NAME:7 [120]" of trace-cmd. A name may hold anything. */
function switched(text: string): TracepointFact {
  const next = text.slice(text.indexOf(" ==> ") + 5);
  const isLong = next.startsWith("next_comm=");
  const end = isLong ? next.lastIndexOf(" next_pid=") : next.lastIndexOf(":");
  const pid = integer(/^\d{1,7}/.exec(next.slice(end + (isLong ? " next_pid=".length : 1)))?.[0] ?? "");
  if (!text.includes(" ==> ") || end < 0 || Number.isNaN(pid))
    return expected("a switch with ==> and the next task");
  return { kind: "switch", next: pid, nextComm: next.slice(isLong ? "next_comm=".length : 0, end) };
}

/** "pages:29 reason:remote shootdown (1)"; -1 pages are all. */
function flush(text: string): TracepointFact {
  const match = /^pages:(-?\d{1,20}) reason:([\w ]{1,40}?)(?: \((\d)\))?$/.exec(text);
  const reason = Number(match?.[3] ?? reasons[match?.[2]?.toLowerCase() ?? ""] ?? match?.[2]);
  if (match === null || Number.isNaN(reason)) return expected("a flush with pages: and reason:");
  return { kind: "flush", pages: Number(match[1]), reason };
}

function expected(what: string): TracepointFact {
  return { kind: "problem", expected: what };
}

/** The word behind a key; the last one, since a name before it may hold the key too. */
function after(text: string, key: string): string {
  const at = text.lastIndexOf(key);
  if (at < 0) return "";
  const end = text.indexOf(" ", at);
  return text.slice(at + key.length, end < 0 ? undefined : end);
}

/** A 64-bit number, signed: 0x1000, -12, 0xfffffffffffffff4. NaN for anything else. */
function integer(text: string): number {
  if (text === "(nil)") return 0;
  if (!/^(?:0x[0-9a-f]{1,16}|-?\d{1,20})$/.test(text)) return Number.NaN;
  return text.length < 15 ? Number(text) : Number(BigInt.asIntN(64, BigInt(text)));
}
