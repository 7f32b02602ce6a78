/* What a user access does: look up, walk, fill, check rights, set A and D. */
import type { Cpu } from "./cpu.js";
import type { Memory } from "./memory.js";
import type { Oracle } from "./oracle.js";
import { ACCESSED, DIRTY, GLOBAL, has, NO_EXECUTE, pfnOf, spanOf, USER, WRITE } from "./pte.js";
import type { AccessKind, AccessOutcome } from "./state.js";
import type { TlbEntry } from "./tlb.js";
import { type Walked, walk } from "./walk.js";

const LOAD = 0;
const STORE = 1;
const FETCH = 2;
const FAULT_PRESENT = 4;

/** What all CPUs share, as far as accesses are concerned. */
export interface Hardware {
  readonly memory: Memory;
  readonly oracle: Oracle;
}

/** One access; a fault leaves the page table as it was, but for the stray D of `knl`, and drops what the CPU had cached of the page. */
export function access(machine: Hardware, cpu: Cpu, vpn: number, kind: AccessKind): AccessOutcome {
  const outcome = tryAccess(machine, cpu, vpn, kind);
  if (outcome !== "ok") {
    cpu.tlb.dropPage(vpn, cpu.pcid);
    cpu.pwc.dropPath(vpn, cpu.pcid);
  }
  return outcome;
}

function tryAccess(machine: Hardware, cpu: Cpu, vpn: number, kind: AccessKind): AccessOutcome {
  const { memory, oracle } = machine;
  // The access kinds are numbered like the fault bits that report them.
  const bits: number = kind;
  let entry = cpu.tlb.lookup(vpn, cpu.pcid, kind === FETCH);
  if (entry === undefined) {
    const walked = walk(memory, cpu.pwc, cpu.root, cpu.pcid, vpn);
    oracle.walked(cpu.id, vpn, kind, walked.dead);
    if (!walked.found) return { fault: bits };
    if (!allows(walked.pte, kind)) return { fault: bits | FAULT_PRESENT };
    entry = fill(machine, cpu, vpn, walked, kind === FETCH);
  }
  const forbidden = (kind === STORE && !entry.write) || (kind === FETCH && !entry.exec);
  if (forbidden) return { fault: bits | FAULT_PRESENT };
  if (kind === STORE && !entry.dirty) {
    const refused = dirtyAssist(machine, cpu, vpn, entry);
    if (refused !== undefined) return { fault: bits | refused };
    entry.dirty = true;
    cpu.tlb.markDirty(vpn, cpu.pcid);
  }
  oracle.accessed(memory, cpu.id, entry, vpn, kind);
  return "ok";
}

/** A walk on the data side that nobody asked for, while a root is loaded: fills if the page could be read, and reports no fault. */
export function speculate(machine: Hardware, cpu: Cpu, vpn: number): boolean {
  if (cpu.root === 0 || cpu.tlb.holds(vpn, cpu.pcid)) return false;
  const walked = walk(machine.memory, cpu.pwc, cpu.root, cpu.pcid, vpn);
  machine.oracle.walked(cpu.id, vpn, LOAD, walked.dead);
  if (!walked.found || !allows(walked.pte, LOAD)) return false;
  fill(machine, cpu, vpn, walked, false);
  return true;
}

function allows(pte: bigint, kind: AccessKind): boolean {
  if (!has(pte, USER)) return false;
  if (kind === STORE) return has(pte, WRITE);
  return kind !== FETCH || !has(pte, NO_EXECUTE);
}

/** Sets A, then fills both levels with what the leaf said. */
function fill(
  machine: Hardware,
  cpu: Cpu,
  vpn: number,
  leaf: Walked & { found: true },
  fetch: boolean,
): TlbEntry {
  const { memory, oracle } = machine;
  const { table, index, level, pte } = leaf;
  memory.setPteBits(table, index, ACCESSED);
  const pfn = pfnOf(pte);
  const global = has(pte, GLOBAL);
  const entry: TlbEntry = {
    page: Math.floor(vpn / spanOf(level, memory.config.radixBits)),
    size: level,
    pcid: global ? 0 : cpu.pcid,
    global,
    pfn,
    write: has(pte, WRITE),
    exec: !has(pte, NO_EXECUTE),
    dirty: has(pte, DIRTY),
    root: cpu.root,
    generation: oracle.generationOf(pfn),
    free: !memory.isAllocated(pfn),
    stale: 0,
    gone: 0,
    since: [],
    made: -1,
    broken: -1,
  };
  cpu.tlb.fill(entry, fetch);
  return entry;
}

/** Sets D (and A) by a locked walk from the root. Returns the fault bits when the store may not go on, else undefined. */
function dirtyAssist(
  { memory, oracle }: Hardware,
  cpu: Cpu,
  vpn: number,
  entry: TlbEntry,
): number | undefined {
  const walked = walk(memory, undefined, cpu.root, cpu.pcid, vpn);
  oracle.walked(cpu.id, vpn, STORE, walked.dead);
  const { assist } = memory.config;
  if (!walked.found) {
    const { at } = walked;
    if (assist === "knl" && at?.level === 0) memory.setPteBits(at.table, at.index, DIRTY);
    return 0;
  }
  const { table, index, pte } = walked;
  const stillWritable = has(pte, WRITE) && pfnOf(pte) === entry.pfn;
  if (assist !== "legacy" && !stillWritable) return FAULT_PRESENT;
  memory.setPteBits(table, index, ACCESSED | DIRTY);
  return undefined;
}
