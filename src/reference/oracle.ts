/*
 * What the owner of the memory is entitled to see. It looks at the same accesses and page-table changes as the hardware does,
 * and marks TLB entries: `stale` where they allow more than the page table does, `gone` where a call has promised that they do not.
 */

import type { Cpu } from "./cpu.js";
import { FrameCopies } from "./frame-copies.js";
import type { Memory, Origin, Table } from "./memory.js";
import { DIRTY, has, isLeafAt, NO_EXECUTE, PRESENT, pfnOf, spanOf, WRITE } from "./pte.js";
import type { AccessKind, InvariantName, MachineConfig, OracleState } from "./state.js";
import type { TlbEntry } from "./tlb.js";
import { Violations } from "./violations.js";
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

export class Oracle {
  readonly violations: Violations;
  /** Times each frame was freed, by pfn. */
  readonly generations: number[];
  private readonly config: MachineConfig;
  private cpus: readonly Cpu[] = [];
  private memory!: Memory;
  private readonly freeSites: number[];
  private readonly tableFreeSites = new Map<number, number>();
  /** Frames that software takes for clean, and the site of the judgement. */
  private readonly judged = new Map<number, number>();
  /** Calls that have taken a step so far, and which of them is under way on a CPU. */
  private calls = 0;
  private readonly underWay = new Map<number, number>();
  readonly copies: FrameCopies;

  constructor(config: MachineConfig) {
    this.config = config;
    this.violations = new Violations(config);
    this.copies = new FrameCopies(this.violations);
    this.generations = new Array<number>(config.frames).fill(0);
    this.freeSites = new Array<number>(config.frames).fill(-1);
  }

  /** Before the first event: what to look at. */
  watch(cpus: readonly Cpu[], memory: Memory): void {
    this.cpus = cpus;
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
    if (!isLeaf) return;
    // Each frame of a large page may be a copy of its own.
    const span = spanOf(level, this.config.radixBits);
    for (let i = 0; i < span; i++) this.copies.mapped(root, vpn + i, pfnOf(value) + i, by.site);
  }

  /** Hardware set D in a present entry. It gives back the right to store without setting it; other rights are for programs to take and give. */
  pteDirtied(table: Table, index: number, value: bigint): void {
    const { root, level, base } = table;
    if (!table.live || !isLeafAt(value, level)) return;
    const vpn = base + index * spanOf(level, this.config.radixBits);
    for (const entry of this.translations(root, level, vpn)) {
      const isElsewhere = (entry.stale & READ_RIGHT) !== 0 || pfnOf(value) !== entry.pfn;
      if (isElsewhere || (entry.stale & DIRTY_RIGHT) === 0) continue;
      entry.stale &= ~DIRTY_RIGHT;
      entry.gone &= ~DIRTY_RIGHT;
    }
  }

  private translations(root: number, size: number, vpn: number): TlbEntry[] {
    return this.cpus.flatMap(({ tlb }) =>
      tlb
        .entries()
        .filter((entry) => entry.root === root && entry.size === size && tlb.firstVpn(entry) === vpn),
    );
  }

  /** Marks what an entry allows beyond the leaf that stands in the page table now (0 when there is none of its size). */
  private compareWithLeaf(entry: TlbEntry, leaf: bigint, by: Origin): void {
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
      entry.free = !this.memory.isAllocated(entry.pfn);
    }
    const now = { cpu: by.cpu, calls: this.calls };
    entry.since = RIGHTS.map((right, at) =>
      (stale & ~entry.stale & right) !== 0 ? now : (entry.since[at] ?? now),
    );
    entry.made = by.site;
    entry.stale = stale;
    // A right that is granted again is no longer owed.
    entry.gone &= stale;
  }

  /** A call is about to return, and promises (REMOVED says what) for these pages what it and calls before it have done. */
  promised(root: number, start: bigint, end: bigint, remaining: bigint, by: Origin): void {
    const removed = REMOVED[Number(remaining)]!;
    for (const { tlb } of this.cpus) {
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
    this.copies.frameFreed(pfn);
    this.judged.delete(pfn);
  }

  /** Every cached way into the table is stale from now on, whatever its number will stand for. */
  tableFreed(table: number, root: number, site: number): void {
    this.tableFreeSites.set(table, site);
    for (const { pwc, roots } of this.cpus) if (roots.has(root)) pwc.markFreed(table);
  }

  /** The hardware of a CPU walked, and came through the freed table `dead` first; 0 for none. */
  walked(cpu: number, vpn: number, kind: AccessKind, dead: number): void {
    if (dead === 0) return;
    const made = this.tableFreeSites.get(dead) ?? -1;
    this.violations.add({ invariant: "stale-table", cpu, vpn, kind, made, broken: -1 });
  }

  /** A program reads or writes an entry of a table that is free. */
  deadTableUsed(table: number, kind: AccessKind, { cpu, site }: Origin): void {
    const made = this.tableFreeSites.get(table) ?? -1;
    this.violations.add({ invariant: "stale-table", cpu, vpn: 0, kind, made, broken: site });
  }

  /** A plain store wipes out a D bit that no program has seen. */
  dirtyOverwritten({ base, level }: Table, index: number, { cpu, site }: Origin): void {
    const vpn = base + index * spanOf(level, this.config.radixBits);
    this.violations.add({ invariant: "lost-dirty", cpu, vpn, kind: 1, made: -1, broken: site });
  }

  judgedClean(pfn: number, site: number): void {
    if (this.memory.isAllocated(pfn)) this.judged.set(pfn, site);
  }

  recordedDirty(pfn: number): void {
    this.judged.delete(pfn);
  }

  isJudged(entry: TlbEntry): boolean {
    return entry.write && this.judged.has(entry.pfn);
  }

  /** What is at `site` may sleep. */
  mightSleep(cpu: Cpu, site: number): void {
    if (!cpu.isAtomic) return;
    const [vpn, kind] = [0, 0] as const;
    this.violations.add({
      invariant: "progress",
      cpu: cpu.id,
      vpn,
      kind,
      made: cpu.atomicSite,
      broken: site,
    });
  }

  /** An access succeeded through this entry. */
  accessed(memory: Memory, cpu: number, entry: TlbEntry, vpn: number, kind: AccessKind): void {
    const { made, broken } = entry;
    const report = (invariant: InvariantName, by: number, late: number) =>
      this.violations.add({ invariant, cpu, vpn, kind, made: by, broken: late });
    if (entry.free || entry.generation !== this.generationOf(entry.pfn)) {
      const freed = this.freedAt(entry.pfn);
      report("stale-frame", entry.stale !== 0 ? made : freed, freed);
      return;
    }
    if ((entry.gone & NEEDED[kind]) !== 0) report("stale-right", made, broken);
    // What the page table says now, read without any cache.
    const now = walk(memory, undefined, entry.root, 0, vpn);
    const isSameSize = now.found && now.level === entry.size;
    const isMapped = isSameSize && pfnOf(now.pte) === entry.pfn;
    const isElsewhere = isSameSize && !isMapped && (entry.stale & READ_RIGHT) !== 0;
    if (isElsewhere && !this.isKernelRunning()) report("split-view", made, -1);
    if (kind !== 1) return;
    // Only a copy was to keep what is stored here: any other frame has its own contents.
    const mapsCopy = now.found && now.level === 0 && this.copies.sourceOf(pfnOf(now.pte)) === entry.pfn;
    if (entry.stale !== 0 && mapsCopy) report("lost-write", made, made);
    const isRecorded = isMapped && has(now.pte, DIRTY);
    const stale = entry.stale !== 0 ? made : -1;
    if (this.isJudged(entry) && !isRecorded) report("lost-dirty", stale, this.judged.get(entry.pfn)!);
    else if ((entry.gone & DIRTY_RIGHT) !== 0 && isMapped && !isRecorded) report("lost-dirty", stale, broken);
    this.copies.stored(cpu, entry, vpn);
  }

  private isKernelRunning(): boolean {
    return this.underWay.size > 0 || this.cpus.some(({ interruptContext }) => interruptContext !== undefined);
  }

  state(): OracleState {
    const judged = [...this.judged.keys()].sort((left, right) => left - right);
    return { violations: this.violations.state(), copies: this.copies.state(), judged };
  }
}
