/*
 * What the owner of the memory is entitled to see. It looks at the same accesses and page-table changes as the hardware does,
 * and marks TLB entries: `stale` where they allow more than the page table does, `gone` where a call has promised that they do not.
 */
import type { Memory, Table } from "./memory.js";
import { has, isLeafAt, NO_EXECUTE, PRESENT, pfnOf, spanOf, WRITE } from "./pte.js";
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
const ALL_RIGHTS = 7;
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

  /** A program changed a page-table entry. Only leaves of tables in use say what an address space maps. */
  pteWritten(table: Table, index: number, old: bigint, value: bigint, site: number): void {
    const { root, level, base } = table;
    if (!table.live || old === value) return;
    const isLeaf = has(value, PRESENT) && isLeafAt(value, level);
    const wasLeaf = has(old, PRESENT) && isLeafAt(old, level);
    if (!isLeaf && !wasLeaf) return;
    const vpn = base + index * spanOf(level, this.config.radixBits);
    for (const tlb of this.tlbs) {
      for (const entry of tlb.entries()) {
        const same = entry.root === root && entry.size === level && tlb.firstVpn(entry) === vpn;
        if (same) this.compareWithLeaf(entry, isLeaf ? value : 0n, site);
      }
    }
    if (isLeaf) this.mapped(root, vpn, pfnOf(value), site);
  }

  /** Marks what an entry allows beyond the leaf that stands in the page table now (0 when there is none of its size). */
  private compareWithLeaf(entry: TlbEntry, leaf: bigint, site: number): void {
    let stale = ALL_RIGHTS;
    if (has(leaf, PRESENT) && pfnOf(leaf) === entry.pfn) {
      stale = entry.write && !has(leaf, WRITE) ? WRITE_RIGHT : 0;
      if (entry.exec && has(leaf, NO_EXECUTE)) stale |= EXEC_RIGHT;
    }
    if (stale === entry.stale) return;
    if ((entry.stale & ~stale & READ_RIGHT) !== 0) {
      // Mapped again: as good as filled now, whoever had the frame in between.
      entry.generation = this.generationOf(entry.pfn);
      entry.free = !this.memory!.isAllocated(entry.pfn);
    }
    entry.stale = stale;
    entry.made = site;
    // A right that is granted again is no longer owed.
    entry.gone &= stale;
  }

  /** A call is about to return: in these pages of this address space, no more than `remaining` (0 none, 1 read) is left. */
  promised(root: number, start: bigint, end: bigint, remaining: bigint, site: number): void {
    if (remaining === 2n) return;
    const removed = remaining === 0n ? ALL_RIGHTS : WRITE_RIGHT;
    for (const tlb of this.tlbs) {
      for (const entry of tlb.entries()) {
        const first = BigInt(tlb.firstVpn(entry));
        const span = BigInt(spanOf(entry.size, this.config.radixBits));
        if (entry.root !== root || first >= end || first + span <= start) continue;
        const newly = entry.stale & removed & ~entry.gone;
        if (newly !== 0) entry.broken = site;
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
