import type { TraceEvent } from "../src/trace/event.js";
import type { Call, MemoryCall, Recording, Step } from "./trace-text.js";

/** How the lines look: with which columns in front, and which times. */
export type Style = "pid time" | "pid" | "[pid] relative" | "raw";

interface Slot {
  readonly tid: number;
  call: Call | undefined;
}

interface Pending {
  readonly name: string;
  readonly rest: string;
  readonly call: Call;
  /** Its place in the order of effects, if that is where it began. */
  readonly slot: Slot | undefined;
}

const firstTid = 4000;
const hex = (value: number): string => `0x${value.toString(16)}`;

/** The steps as strace -f prints them: calls in two halves overlap. There are no accesses. */
export function straceText(all: readonly Step[], style: Style): Recording {
  const lines: string[] = [];
  const slots: Slot[] = [];
  const pending = new Map<number, Pending>();
  const live = [firstTid];
  let tids = 1;

  const print = (tid: number, text: string): void => {
    const time = {
      "pid time": `${lines.length}.000001 `,
      pid: "",
      "[pid] relative": "     0.000012 ",
      raw: "",
    };
    const id = style === "[pid] relative" ? `[pid ${String(tid).padStart(5)}] ` : `${String(tid).padEnd(5)} `;
    lines.push(id + time[style] + text);
  };
  const finish = (tid: number): void => {
    const half = pending.get(tid);
    if (half === undefined) return;
    pending.delete(tid);
    print(tid, `<... ${half.name} resumed>${half.rest}`);
    if (half.slot === undefined) slots.push({ tid, call: half.call });
    else half.slot.call = half.call;
  };
  const make = (tid: number, call: Call, isSplit: boolean): void => {
    const [name, args, value] = straceCall(call, style === "raw");
    const rest = `)${" ".repeat(tid % 9)} = ${value} <0.000011>`;
    if (!isSplit) {
      print(tid, `${name}(${args}${rest}`);
      slots.push({ tid, call });
      return;
    }
    print(tid, `${name}(${args} <unfinished ...>`);
    const slot =
      call.name === "mmap" || call.name === "brk" || call.name === "mremap"
        ? undefined
        : { tid, call: undefined };
    if (slot !== undefined) slots.push(slot);
    pending.set(tid, { name, rest, call, slot });
  };

  for (const step of all) {
    if (step.do === "access" || step.do === "switch") continue;
    const tid = live[step.pick % live.length]!;
    finish(tid);
    if (step.do === "call") make(tid, step.call, step.isSplit);
    else if (step.do === "clone" && tids < 6) {
      const child = firstTid + tids++;
      make(tid, { name: step.isFork ? "fork" : "thread", child }, step.isSplit);
      live.push(child);
    } else if (step.do === "exit" && live.length > 1) {
      print(tid, "--- SIGCHLD {si_signo=SIGCHLD} ---");
      print(tid, "+++ exited with 0 +++");
      slots.push({ tid, call: { name: "exit" } });
      live.splice(live.indexOf(tid), 1);
    }
  }
  for (const tid of live) finish(tid);
  return { text: lines.map((line) => `${line}\n`).join(""), events: numbered(slots) };
}

/** Threads are numbered in the order in which they begin. */
function numbered(slots: readonly Slot[]): TraceEvent[] {
  const numbers = new Map<number, number>();
  const number = (tid: number): number => {
    if (!numbers.has(tid)) numbers.set(tid, numbers.size);
    return numbers.get(tid)!;
  };
  return slots.map(({ tid, call }) => {
    const thread = number(tid);
    const event =
      call!.name === "thread" || call!.name === "fork" ? { ...call!, child: number(call!.child) } : call!;
    return { ...event, thread } as TraceEvent;
  });
}

function straceCall(call: Call, isRaw: boolean): [name: string, args: string, value: string] {
  switch (call.name) {
    case "thread":
      return [
        "clone3",
        "{flags=CLONE_VM|CLONE_FS|CLONE_THREAD, stack=0x7f0000, tls=0x7f1} => {parent_tid=[1]}, 88",
        String(call.child),
      ];
    case "fork":
      return [
        "clone",
        "child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f",
        String(call.child),
      ];
    case "exec":
      return ["execve", '"/bin/x", ["x", ") = 3"], 0x7ff /* 5 vars */', "0"];
    case "exit":
      return ["exit", "0", "?"];
    default:
      return memoryCall(call, isRaw);
  }
}

function memoryCall(call: MemoryCall, isRaw: boolean): [name: string, args: string, value: string] {
  if (call.name === "brk") return ["brk", hex(call.end), hex(call.end)];
  const range = `${hex(call.start)}, ${isRaw ? hex(call.length) : call.length}`;
  const prot = (bits: number): string => {
    if (isRaw) return hex(bits);
    const names = ["PROT_READ", "PROT_WRITE", "PROT_EXEC"].filter((_, bit) => (bits & (1 << bit)) !== 0);
    return names.length === 0 ? "PROT_NONE" : names.join("|");
  };
  switch (call.name) {
    case "mmap": {
      const flags = isRaw
        ? hex((call.shared ? 1 : 2) | (call.fd < 0 ? 0x20 : 0))
        : mapFlags(call.shared, call.fd < 0);
      const fd =
        call.fd < 0 ? (isRaw ? "0xffffffff" : "-1") : isRaw ? hex(call.fd) : `${call.fd}</lib/a, b.so>`;
      return [
        "mmap",
        `NULL, ${call.length}, ${prot(call.prot)}, ${flags}, ${fd}, ${hex(call.offset)}`,
        hex(call.start),
      ];
    }
    case "munmap":
      return ["munmap", range, "0"];
    case "mprotect":
      return ["mprotect", `${range}, ${prot(call.prot)}`, "0"];
    case "madvise": {
      const names: Record<number, string> = { 4: "MADV_DONTNEED", 8: "MADV_FREE", 14: "MADV_HUGEPAGE" };
      return [
        "madvise",
        `${range}, ${isRaw ? `${hex(call.advice)} /* ${names[call.advice]} */` : names[call.advice]}`,
        "0",
      ];
    }
    default:
      return ["mremap", `${range}, ${call.newLength}, MREMAP_MAYMOVE`, hex(call.newStart)];
  }
}

function mapFlags(isShared: boolean, isAnonymous: boolean): string {
  const first = isShared ? "MAP_SHARED" : "MAP_PRIVATE";
  return isAnonymous ? `${first}|MAP_ANONYMOUS|MAP_NORESERVE` : `${first}|MAP_DENYWRITE`;
}
