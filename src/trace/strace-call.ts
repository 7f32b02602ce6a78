import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../workload/vma-word.js";
import {
  type CallEvent,
  CLONE_VFORK,
  CLONE_VM,
  type DistributiveOmit,
  MAP_ANONYMOUS,
  MAP_SHARED,
} from "./event.js";

/** A call of a thread that is known by its id only; `child` of thread and fork is an id too. */
export type StraceCall = DistributiveOmit<CallEvent, "thread">;

type Symbols = Readonly<Record<string, number>>;
const protections: Symbols = { PROT_READ, PROT_WRITE, PROT_EXEC };
const mapFlags: Symbols = { MAP_SHARED, MAP_SHARED_VALIDATE: MAP_SHARED, MAP_ANONYMOUS };
const cloneFlags: Symbols = { CLONE_VM, CLONE_VFORK };
/** Values of madvise(2); DONTNEED_LOCKED does what DONTNEED does. */
const advices: Symbols = {
  ...{ MADV_RANDOM: 1, MADV_SEQUENTIAL: 2, MADV_WILLNEED: 3, MADV_DONTNEED: 4, MADV_FREE: 8, MADV_REMOVE: 9 },
  ...{ MADV_DONTFORK: 10, MADV_DOFORK: 11, MADV_MERGEABLE: 12, MADV_UNMERGEABLE: 13, MADV_HUGEPAGE: 14 },
  ...{ MADV_NOHUGEPAGE: 15, MADV_DONTDUMP: 16, MADV_DODUMP: 17, MADV_WIPEONFORK: 18, MADV_KEEPONFORK: 19 },
  ...{ MADV_COLD: 20, MADV_PAGEOUT: 21, MADV_POPULATE_READ: 22, MADV_POPULATE_WRITE: 23 },
  ...{ MADV_DONTNEED_LOCKED: 4, MADV_COLLAPSE: 25 },
};

/** (unsigned int)-1, the descriptor of a mapping without a file. */
const noFile = 0xffff_ffff;

/** Calls that make a thread or a process. */
const creations: ReadonlySet<string> = new Set(["clone", "clone3", "fork", "vfork"]);
/** Calls that take something away: they take effect between their two halves, so others may already build on it. */
const removals: ReadonlySet<string> = new Set(["munmap", "mprotect", "pkey_mprotect", "madvise"]);
const others: ReadonlySet<string> = new Set(["mmap", "mmap2", "brk", "mremap", "execve", "execveat"]);

export function hasEffect(name: string): boolean {
  return others.has(name) || actsAtItsStart(name);
}

/** Whether the call stands, in an order of effects, where it began rather than where it ended. */
export function actsAtItsStart(name: string): boolean {
  return removals.has(name) || creations.has(name);
}

/** What a successful call did. Returns undefined when its arguments cannot be read. */
export function straceCall(name: string, args: string, value: number): StraceCall | undefined {
  if (creations.has(name)) return creation(name, args, value);
  const parts = args.trimEnd().split(", ");
  const start = number(parts[0]);
  const length = number(parts[1]);
  if (name === "brk") return { name: "brk", end: value };
  if (name === "execve" || name === "execveat") return { name: "exec" };
  if (Number.isNaN(start + length)) return undefined;
  switch (name) {
    case "munmap":
      return { name, start, length };
    case "mprotect":
    case "pkey_mprotect": {
      const prot = symbols(parts[2], protections);
      return Number.isNaN(prot) ? undefined : { name: "mprotect", start, length, prot };
    }
    case "madvise": {
      const advice = symbols(parts[2], advices);
      return Number.isNaN(advice) ? undefined : { name, start, length, advice };
    }
    case "mremap": {
      const newLength = number(parts[2]);
      return Number.isNaN(newLength) ? undefined : { name, start, length, newStart: value, newLength };
    }
    default:
      return mapping(name, length, parts, value);
  }
}

function mapping(
  name: string,
  length: number,
  parts: readonly string[],
  start: number,
): StraceCall | undefined {
  const prot = symbols(parts[2], protections);
  const flags = symbols(parts[3], mapFlags);
  // With -y the descriptor carries a path, which may hold commas: the offset is counted from the end.
  const descriptor = Number(/^(?:0x[0-9a-f]+|-?\d+)/.exec(parts[4] ?? "")?.[0] ?? Number.NaN);
  const isAnonymous = (flags & MAP_ANONYMOUS) !== 0 || descriptor === noFile;
  const fd = isAnonymous ? -1 : descriptor;
  const unit = name === "mmap2" ? 4096 : 1;
  const offset = number(parts.at(-1)) * unit;
  if (parts.length < 6 || Number.isNaN(prot + flags + fd + offset)) return undefined;
  return { name: "mmap", start, length, prot, shared: (flags & MAP_SHARED) !== 0, fd, offset };
}

/**
 * vfork and CLONE_VFORK share the address space only until the child executes a program; the child is given a copy from
 * the beginning instead. A clone3 whose flags were not decoded is taken for a new thread.
 */
function creation(name: string, args: string, child: number): StraceCall | undefined {
  if (name === "fork" || name === "vfork") return { name: "fork", child };
  const named = /\bflags=([^,})]*)/.exec(args)?.[1];
  const text = named ?? (name === "clone" ? args.split(", ")[0] : "CLONE_VM");
  const flags = symbols(text, cloneFlags);
  if (Number.isNaN(flags)) return undefined;
  const isThread = (flags & CLONE_VM) !== 0 && (flags & CLONE_VFORK) === 0;
  return { name: isThread ? "thread" : "fork", child };
}

function number(text: string | undefined): number {
  if (text === "NULL") return 0;
  return text !== undefined && /^(?:0x[0-9a-f]+|\d+)$/.test(text) ? Number(text) : Number.NaN;
}

/** Texts that were read before; there are few different ones, but a damaged file may hold any number. */
const cache = new Map<Symbols, Map<string, number>>();
const cacheMax = 1000;

/** "PROT_READ|PROT_WRITE", "0x3", "0x3 /* PROT_READ|PROT_WRITE *\/", "0x1200000|17"; a name that is not known is 0. */
function symbols(text: string | undefined, known: Symbols): number {
  if (text === undefined) return Number.NaN;
  let values = cache.get(known);
  if (values === undefined || values.size > cacheMax) {
    values = new Map();
    cache.set(known, values);
  }
  let value = values.get(text);
  if (value === undefined) {
    value = symbolValue(text, known);
    values.set(text, value);
  }
  return value;
}

function symbolValue(text: string, known: Symbols): number {
  let value = 0;
  for (const part of text.replace(/\s*\/\*.*\*\/$/, "").split("|")) {
    if (/^(?:0x[0-9a-f]+|\d+)$/.test(part)) value |= Number(part);
    else if (/^[A-Z0-9_?<]+$/.test(part)) value |= known[part] ?? 0;
    else return Number.NaN;
  }
  return value;
}
