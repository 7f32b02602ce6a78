/* One CPU's translation lookaside buffers: arrays named by the configuration, entries tagged by PCID. */
import { AssociativeArray } from "./assoc.js";
import { spanOf } from "./pte.js";
import { type MachineConfig, type ServedBy, TLB_NAMES, type TlbEntryState, type TlbName } from "./state.js";

/** Rights as bits: 1 read, 2 write, 4 execute. The members from `root` on are the oracle's. */
export interface TlbEntry {
  /** Page number in units of its size. */
  readonly page: number;
  readonly size: number;
  readonly pcid: number;
  readonly global: boolean;
  readonly pfn: number;
  readonly write: boolean;
  readonly exec: boolean;
  dirty: boolean;
  readonly root: number;
  generation: number;
  /** The frame was not allocated at the fill. */
  free: boolean;
  stale: number;
  gone: number;
  /** For each right, the write that made it stale: its CPU, and how many calls had begun by then. */
  since: readonly { readonly cpu: number; readonly calls: number }[];
  /** Sites: the step that made it stale, the step that should have waited for a flush. */
  made: number;
  broken: number;
}

const SIZES = [0, 1, 2] as const;

export class Tlb {
  private readonly config: MachineConfig;
  private readonly arrays: ReadonlyMap<TlbName, AssociativeArray<TlbEntry>>;
  /** How lookups ended; nothing depends on it. */
  readonly found = { first: 0, second: 0, nowhere: 0 };

  constructor(config: MachineConfig) {
    this.config = config;
    this.arrays = new Map(
      TLB_NAMES.map((name) => [name, new AssociativeArray<TlbEntry>(config.geometry[name])]),
    );
  }

  /** A first-level hit, or a second-level hit that fills the first level. */
  lookup(vpn: number, pcid: number, fetch: boolean): TlbEntry | undefined {
    const first = this.firstLevel(fetch);
    const hit = this.find(first, vpn, pcid);
    if (hit !== undefined) {
      this.found.first++;
      return hit;
    }
    const second = this.find(this.config.serves.second, vpn, pcid);
    if (second === undefined) {
      this.found.nowhere++;
      return undefined;
    }
    this.found.second++;
    const copy = { ...second };
    const array = this.arrayFor(first, second.size);
    array?.insert(copy.page, copy);
    return array === undefined ? second : copy;
  }

  /** Whether a data access would hit; touches nothing. */
  holds(vpn: number, pcid: number): boolean {
    return [this.config.serves.data, this.config.serves.second].some((served) =>
      SIZES.some((size) => {
        const page = this.pageOf(vpn, size);
        return this.arrayFor(served, size)?.has(page, matcher(page, size, pcid)) ?? false;
      }),
    );
  }

  /** Puts what a walk found into both levels. */
  fill(entry: TlbEntry, fetch: boolean): void {
    this.arrayFor(this.config.serves.second, entry.size)?.insert(entry.page, { ...entry });
    this.arrayFor(this.firstLevel(fetch), entry.size)?.insert(entry.page, entry);
  }

  /** The dirty assist ran: every entry that may write this page lets stores pass from now on. */
  markDirty(vpn: number, pcid: number): void {
    for (const entry of this.entries()) {
      if (entry.write && this.translates(entry, vpn, pcid)) entry.dirty = true;
    }
  }

  /** INVLPG: every entry that translates this page, of any size, in this PCID or global. Returns how many there were. */
  dropPage(vpn: number, pcid: number): number {
    return this.dropWhere((entry) => this.translates(entry, vpn, pcid));
  }

  dropWhere(goes: (entry: TlbEntry) => boolean): number {
    let dropped = 0;
    for (const array of this.arrays.values()) dropped += array.dropWhere(goes);
    return dropped;
  }

  entries(): TlbEntry[] {
    return [...this.arrays.values()].flatMap((array) => array.entries().map(({ entry }) => entry));
  }

  firstVpn(entry: TlbEntry): number {
    return entry.page * spanOf(entry.size, this.config.radixBits);
  }

  /** `wasFreed` says of an entry whether its frame was freed since the fill, `known` what else the oracle knows of it. */
  state(
    wasFreed: (entry: TlbEntry) => boolean,
    known: (entry: TlbEntry) => Pick<TlbEntryState, "excused" | "judged">,
  ): Record<TlbName, TlbEntryState[]> {
    const states = TLB_NAMES.map((name) => [name, this.arrayState(this.arrays.get(name)!, wasFreed, known)]);
    return Object.fromEntries(states) as Record<TlbName, TlbEntryState[]>;
  }

  private arrayState(
    array: AssociativeArray<TlbEntry>,
    wasFreed: (entry: TlbEntry) => boolean,
    known: (entry: TlbEntry) => Pick<TlbEntryState, "excused" | "judged">,
  ): TlbEntryState[] {
    const states = array.entries().map(({ entry, age }) => {
      const { page: _page, made: _made, broken: _broken, since: _since, ...seen } = entry;
      const free = entry.free || wasFreed(entry);
      return { ...seen, vpn: this.firstVpn(entry), free, ...known(entry), age };
    });
    return states.sort(
      (left, right) =>
        left.size - right.size ||
        left.vpn - right.vpn ||
        left.pcid - right.pcid ||
        Number(left.global) - Number(right.global),
    );
  }

  private translates(entry: TlbEntry, vpn: number, pcid: number): boolean {
    return matcher(this.pageOf(vpn, entry.size), entry.size, pcid)(entry);
  }

  private firstLevel(fetch: boolean): ServedBy {
    return fetch ? this.config.serves.fetch : this.config.serves.data;
  }

  private arrayFor(served: ServedBy, size: number): AssociativeArray<TlbEntry> | undefined {
    const name = served[size] ?? null;
    return name === null || this.config.geometry[name].sets === 0 ? undefined : this.arrays.get(name);
  }

  private find(served: ServedBy, vpn: number, pcid: number): TlbEntry | undefined {
    for (const size of SIZES) {
      const page = this.pageOf(vpn, size);
      const hit = this.arrayFor(served, size)?.find(page, matcher(page, size, pcid));
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  private pageOf(vpn: number, size: number): number {
    return Math.floor(vpn / spanOf(size, this.config.radixBits));
  }
}

function matcher(page: number, size: number, pcid: number): (entry: TlbEntry) => boolean {
  return (entry) => entry.page === page && entry.size === size && (entry.global || entry.pcid === pcid);
}
