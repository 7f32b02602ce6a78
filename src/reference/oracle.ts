/*
 * What the owner of the memory is entitled to see. It looks at the same accesses and page-table changes as the hardware does,
 * and marks TLB entries: `stale` where they allow more than the page table does, `gone` where a call has promised that they do not.
 */
import type { Memory, Origin, Table } from "./memory.js";
import { DIRTY, has, isLeafAt, NO_EXECUTE, PRESENT, pfnOf, spanOf, WRITE } from "./pte.js";
import {
  type AccessKind,
  INVARIANT_NAMES,
  type InvariantName,
  type MachineConfig,
  type OracleState,
} from "./state.js";
import type { Tlb, TlbEntry } from "./tlb.js";
import { walk } from "./walk.js";

const READ_RIGHT = 1;
const WRITE_RIGHT = 2;
const EXEC_RIGHT = 4;
/** To store without setting D. */
const DIRTY_RIGHT = 8;
const RIGHTS = [READ_RIGHT, WRITE_RIGHT, EXEC_RIGHT, DIRTY_RIGHT];
const ALL_RIGHTS = 15;
/** What each promise takes away: 0 none is left, 1 reading is, 2 all but storing without setting D. */
const REMOVED = [READ_RIGHT | WRITE_RIGHT | EXEC_RIGHT, WRITE_RIGHT, DIRTY_RIGHT];
/** The right that each access kind needs. */
const NEEDED: Readonly<Record<AccessKind, number>> = { 0: READ_RIGHT, 1: WRITE_RIGHT, 2: EXEC_RIGHT };

/** A frame copied in order to map the copy at `vpn`, as long as the copy is not mapped there. */
interface Copy {
  readonly source: number;
  readonly root: number;
  readonly vpn: number;
  readonly site: number;
  /** The CPU that first stored to the source since; -1 for none. */
  storedBy: number;
  /** The step that had made its entry stale; -1 when it was not. */
  storedMade: number;
}

export interface Violation {
  readonly invariant: InvariantName;
  readonly cpu: number;
  readonly vpn: number;
  readonly kind: AccessKind;
  readonly made: number;
  readonly broken: number;
}

export class Oracle {
  /** In the order in which they happened. */
  readonly violations: Violation[] = [];
  /** Times each frame was freed, by pfn. */
  readonly generations: number[];
  private readonly config: MachineConfig;
  private readonly tlbs: Tlb[] = [];
  private memory: Memory | undefined;
  private readonly freeSites: number[];
  /** Calls that have taken a step so far, and which of them is under way on a CPU. */
  private calls = 0;
  private readonly underWay = new Map<number, number>();
  /** Open copies by the frame copied to. */
  private readonly copies = new Map<number, Copy>();
  /** Which frame a frame was copied from, once it is mapped in its place. */
  readonly copyOf = new Map<number, number>();

  constructor(config: MachineConfig) {
    this.config = config;
    this.generations = new Array<number>(config.frames).fill(0);
    this.freeSites = new Array<number>(config.frames).fill(-1);
  }

  /** Before the first event: what to look at. */
  watch(tlbs: readonly Tlb[], memory: Memory): void {
    this.tlbs.push(...tlbs);
    this.memory = memory;
  }

  /** Times the frame was freed; 0 for a pfn that is no frame. */
  generationOf(pfn: number): number {
    return this.generations[pfn] ?? 0;
  }

  /** Site of the last free of a frame; -1 when it was never freed. */
  freedAt(pfn: number): number {
    return this.freeSites[pfn] ?? -1;
  }

  /** The task context of the CPU took a step. */
  stepped(cpu: number): void {
    if (!this.underWay.has(cpu)) this.underWay.set(cpu, ++this.calls);
  }

  callEnded(cpu: number): void {
    this.underWay.delete(cpu);
  }

  isUnderWay(cpu: number): boolean {
    return this.underWay.has(cpu);
  }

  /** For each right, if it is stale: CPUs, as bits, whose calls under way began before another CPU made it stale. */
  excuses(entry: TlbEntry): number[] {
    return RIGHTS.map((right, at) => {
      if ((entry.stale & right) === 0) return 0;
      const { cpu: maker, calls } = entry.since[at]!;
      const others = [...this.underWay].filter(([cpu, call]) => cpu !== maker && call <= calls);
      return others.reduce((bits, [cpu]) => bits | (1 << cpu), 0);
    });
  }

  /** A program changed a page-table entry. Only leaves of tables in use say what an address space maps. */
  pteWritten(table: Table, index: number, old: bigint, value: bigint, by: Origin): void {
    const { root, level, base } = table;
    if (!table.live || old === value) return;
    const isLeaf = has(value, PRESENT) && isLeafAt(value, level);
    const wasLeaf = has(old, PRESENT) && isLeafAt(old, level);
    if (!isLeaf && !wasLeaf) return;
    const vpn = base + index * spanOf(level, this.config.radixBits);
    for (const entry of this.translations(root, level, vpn)) {
      this.compareWithLeaf(entry, isLeaf ? value : 0n, by);
    }
    if (isLeaf) this.mapped(root, vpn, pfnOf(value), by.site);
  }

  /** Hardware set D in a present entry. */
  pteDirtied(table: Table, index: number, value: bigint): void {
    const { root, level, base } = table;
    if (!table.live || !isLeafAt(value, level)) return;
    const vpn = base + index * spanOf(level, this.config.radixBits);
    for (const entry of this.translations(root, level, vpn)) this.compareWithLeaf(entry, value, undefined);
  }

  private translations(root: number, size: number, vpn: number): TlbEntry[] {
    return this.tlbs.flatMap((tlb) =>
      tlb
        .entries()
        .filter((entry) => entry.root === root && entry.size === size && tlb.firstVpn(entry) === vpn),
    );
  }

  /** Marks what an entry allows beyond the leaf that stands in the page table now (0 when there is none of its size). */
  private compareWithLeaf(entry: TlbEntry, leaf: bigint, by: Origin | undefined): void {
    let stale = ALL_RIGHTS;
    if (has(leaf, PRESENT) && pfnOf(leaf) === entry.pfn) {
      stale = entry.write && !has(leaf, WRITE) ? WRITE_RIGHT : 0;
      if (entry.exec && has(leaf, NO_EXECUTE)) stale |= EXEC_RIGHT;
      if (entry.dirty && !has(leaf, DIRTY)) stale |= DIRTY_RIGHT;
    }
    if (stale === entry.stale) return;
    if ((entry.stale & ~stale & READ_RIGHT) !== 0) {
      // Mapped again: as good as filled now, whoever had the frame in between.
      entry.generation = this.generationOf(entry.pfn);
      entry.free = !this.memory!.isAllocated(entry.pfn);
    }
    if (by !== undefined) {
      const now = { cpu: by.cpu, calls: this.calls };
      entry.since = RIGHTS.map((right, at) =>
        (stale & ~entry.stale & right) !== 0 ? now : (entry.since[at] ?? now),
      );
      entry.made = by.site;
    }
    entry.stale = stale;
    // A right that is granted again is no longer owed.
    entry.gone &= stale;
  }

  /** A call is about to return, and promises (REMOVED says what) for these pages what it and calls before it have done. */
  promised(root: number, start: bigint, end: bigint, remaining: bigint, by: Origin): void {
    const removed = REMOVED[Number(remaining)]!;
    for (const tlb of this.tlbs) {
      for (const entry of tlb.entries()) {
        const first = BigInt(tlb.firstVpn(entry));
        const span = BigInt(spanOf(entry.size, this.config.radixBits));
        if (entry.root !== root || first >= end || first + span <= start) continue;
        const excused = this.excuses(entry).map((bits, at) => ((bits >> by.cpu) & 1) * RIGHTS[at]!);
        const spokenFor = excused.reduce((rights, right) => rights & ~right, entry.stale & removed);
        const newly = spokenFor & ~entry.gone;
        if (newly !== 0) entry.broken = by.site;
        entry.gone |= newly;
      }
    }
  }

  frameFreed(pfn: number, site: number): void {
    this.generations[pfn] = this.generationOf(pfn) + 1;
    this.freeSites[pfn] = site;
    this.copies.delete(pfn);
    this.copyOf.delete(pfn);
  }

  frameCopied(source: number, target: number, vpn: number, root: number, site: number): void {
    this.copies.set(target, { source, root, vpn, site, storedBy: -1, storedMade: -1 });
  }

  /** An access succeeded through this entry. */
  accessed(memory: Memory, cpu: number, entry: TlbEntry, vpn: number, kind: AccessKind): void {
    if (entry.free || entry.generation !== this.generationOf(entry.pfn)) {
      const broken = this.freedAt(entry.pfn);
      const made = entry.stale !== 0 ? entry.made : broken;
      this.violations.push({ invariant: "stale-frame", cpu, vpn, kind, made, broken });
      return;
    }
    const { made, broken } = entry;
    if ((entry.gone & NEEDED[kind]) !== 0) {
      this.violations.push({ invariant: "stale-right", cpu, vpn, kind, made, broken });
    }
    if (kind !== 1) return;
    if (entry.stale !== 0 && this.mapsCopy(memory, entry, vpn)) {
      this.violations.push({ invariant: "lost-write", cpu, vpn, kind, made, broken: made });
    }
    this.storedDuringCopy(cpu, entry, vpn);
  }

  /** Whether the page table, read without any cache, maps a copy of the entry's frame here. Any other frame has its own contents. */
  private mapsCopy(memory: Memory, entry: TlbEntry, vpn: number): boolean {
    const walked = walk(memory, undefined, entry.root, 0, vpn);
    return walked.found && walked.level === 0 && this.copyOf.get(pfnOf(walked.pte)) === entry.pfn;
  }

  private storedDuringCopy(cpu: number, entry: TlbEntry, vpn: number): void {
    if (entry.size !== 0) return;
    for (const copy of this.copies.values()) {
      const hit = copy.source === entry.pfn && copy.root === entry.root && copy.vpn === vpn;
      if (!hit || copy.storedBy >= 0) continue;
      copy.storedBy = cpu;
      copy.storedMade = entry.stale !== 0 ? entry.made : -1;
    }
  }

  /** The page table maps `pfn` at `vpn` now; if it is a copy for that place, what was stored to the source since is lost. */
  private mapped(root: number, vpn: number, pfn: number, site: number): void {
    const copy = this.copies.get(pfn);
    if (copy === undefined || copy.root !== root || copy.vpn !== vpn) return;
    this.copies.delete(pfn);
    this.copyOf.set(pfn, copy.source);
    if (copy.storedBy < 0) return;
    const made = copy.storedMade >= 0 ? copy.storedMade : site;
    this.violations.push({
      invariant: "lost-write",
      cpu: copy.storedBy,
      vpn,
      kind: 1,
      made,
      broken: copy.site,
    });
  }

  state(): OracleState {
    const violations = INVARIANT_NAMES.flatMap((invariant) =>
      this.tlbs.flatMap((_, cpu) => {
        const all = this.violations.filter((one) => one.invariant === invariant && one.cpu === cpu);
        return all.length === 0 ? [] : [{ ...all[0]!, count: all.length }];
      }),
    );
    const copies = [...this.copies]
      .map(([target, { source, root, vpn, storedBy }]) => ({ target, source, root, vpn, storedBy }))
      .sort((left, right) => left.target - right.target);
    return { violations, copies };
  }
}
