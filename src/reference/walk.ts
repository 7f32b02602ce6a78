/* The page walker and its caches of upper-level entries. It reads memory, never a store buffer. */
import { AssociativeArray } from "./assoc.js";
import type { Memory } from "./memory.js";
import { has, indexAt, isLeafAt, PRESENT, pfnOf, ROOT_LEVEL, spanOf } from "./pte.js";
import { type MachineConfig, PWC_NAMES, type PwcEntryState, type PwcName } from "./state.js";

interface PwcEntry {
  readonly key: number;
  readonly pcid: number;
  readonly table: number;
  /** The table was freed since, or was free when this was read. */
  freed: boolean;
}

/** The cache of entries read at level 1 is `pde`, and so on up. */
const NAME_OF_LEVEL: Readonly<Record<number, PwcName>> = { 1: "pde", 2: "pdpte", 3: "pml4e" };

/** Paging-structure caches: the table that an upper-level entry pointed to when it was read. */
export class WalkCache {
  private readonly radixBits: number;
  private readonly arrays: ReadonlyMap<PwcName, AssociativeArray<PwcEntry>>;

  constructor(config: MachineConfig) {
    this.radixBits = config.radixBits;
    this.arrays = new Map(PWC_NAMES.map((name) => [name, new AssociativeArray<PwcEntry>(config.pwc[name])]));
  }

  /** The lowest table that the caches can skip to, with its level. */
  deepest(vpn: number, pcid: number): { table: number; level: number; freed: boolean } | undefined {
    for (const level of [1, 2, 3]) {
      const key = this.keyOf(vpn, level);
      const hit = this.arrayOf(level).find(key, (entry) => entry.key === key && entry.pcid === pcid);
      if (hit !== undefined) return { table: hit.table, level: level - 1, freed: hit.freed };
    }
    return undefined;
  }

  /** Remembers the table that the entry read at `level` points to. */
  fill(vpn: number, pcid: number, level: number, table: number, freed: boolean): void {
    const key = this.keyOf(vpn, level);
    this.arrayOf(level).insert(key, { key, pcid, table, freed });
  }

  markFreed(table: number): void {
    const entries = [...this.arrays.values()].flatMap((array) => array.entries());
    for (const { entry } of entries) if (entry.table === table) entry.freed = true;
  }

  dropPcid(pcid: number): void {
    for (const array of this.arrays.values()) array.dropWhere((entry) => entry.pcid === pcid);
  }

  /** What a page fault drops: the entries that a walk for this page would use (Intel SDM vol. 3A, 4.10.4.1). */
  dropPath(vpn: number, pcid: number): void {
    for (const level of [1, 2, 3]) {
      const key = this.keyOf(vpn, level);
      this.arrayOf(level).dropWhere((entry) => entry.key === key && entry.pcid === pcid);
    }
  }

  dropAll(): void {
    for (const array of this.arrays.values()) array.dropWhere(() => true);
  }

  state(): Record<PwcName, PwcEntryState[]> {
    const states = PWC_NAMES.map((name) => [name, stateOf(this.arrays.get(name)!)]);
    return Object.fromEntries(states) as Record<PwcName, PwcEntryState[]>;
  }

  private arrayOf(level: number): AssociativeArray<PwcEntry> {
    return this.arrays.get(NAME_OF_LEVEL[level]!)!;
  }

  private keyOf(vpn: number, level: number): number {
    return Math.floor(vpn / spanOf(level, this.radixBits));
  }
}

function stateOf(array: AssociativeArray<PwcEntry>): PwcEntryState[] {
  const states = array.entries().map(({ entry, age }) => ({ ...entry, age }));
  return states.sort((left, right) => left.key - right.key || left.pcid - right.pcid);
}

/** Where a walk ended: at a present leaf, or at an entry that is not present (`at` undefined: no table there at all). `dead`: the first freed table on the way, 0 for none. */
export type Walked =
  | {
      readonly found: true;
      readonly table: number;
      readonly index: number;
      readonly level: number;
      readonly pte: bigint;
      readonly dead: number;
    }
  | {
      readonly found: false;
      readonly dead: number;
      readonly at?: { readonly table: number; readonly index: number; readonly level: number };
    };

/** Walks down from `root`, or from where `caches` allow; an entry that points to no table counts as not present. */
export function walk(
  memory: Memory,
  caches: WalkCache | undefined,
  root: number,
  pcid: number,
  vpn: number,
): Walked {
  const { radixBits } = memory.config;
  const start = caches?.deepest(vpn, pcid) ?? { table: root, level: ROOT_LEVEL, freed: false };
  let { table, level } = start;
  let dead = start.freed ? table : 0;
  for (;;) {
    if (!memory.isTable(table)) return { found: false, dead };
    // What a cached entry led to is what it was, unless that entry is known for stale.
    const isCached = table === start.table && level === start.level && level !== ROOT_LEVEL;
    if (dead === 0 && !isCached && !memory.isLiveTable(table)) dead = table;
    const index = indexAt(vpn, level, radixBits);
    const pte = memory.read({ kind: "pte", record: table, word: index });
    if (!has(pte, PRESENT)) return { found: false, dead, at: { table, index, level } };
    if (isLeafAt(pte, level)) return { found: true, dead, table, index, level, pte };
    const next = pfnOf(pte);
    if (memory.isTable(next)) caches?.fill(vpn, pcid, level, next, !memory.isLiveTable(next));
    table = next;
    level--;
  }
}
