import type { ArrayGeometry } from "./state.js";

/** A set-associative array with true LRU: each set is a list, the most recently used first. */
export class AssociativeArray<T> {
  private readonly ways: number;
  private readonly sets: T[][];

  constructor(geometry: ArrayGeometry) {
    this.ways = geometry.ways;
    this.sets = Array.from({ length: geometry.sets }, () => []);
  }

  /** The entry that `matches` in the set of `page`; it becomes the most recently used one. */
  find(page: number, matches: (entry: T) => boolean): T | undefined {
    const set = this.setOf(page);
    const at = set.findIndex(matches);
    if (at < 0) return undefined;
    const [entry] = set.splice(at, 1);
    set.unshift(entry!);
    return entry;
  }

  /** Looks without touching. */
  has(page: number, matches: (entry: T) => boolean): boolean {
    return this.setOf(page).some(matches);
  }

  /** Puts an entry into the set of `page`; the least recently used one makes room. */
  insert(page: number, entry: T): void {
    const set = this.setOf(page);
    if (this.ways === 0 || this.sets.length === 0) return;
    set.unshift(entry);
    if (set.length > this.ways) set.pop();
  }

  /** Returns how many were dropped. */
  dropWhere(goes: (entry: T) => boolean): number {
    let dropped = 0;
    for (const set of this.sets) {
      const kept = set.filter((entry) => !goes(entry));
      dropped += set.length - kept.length;
      set.splice(0, set.length, ...kept);
    }
    return dropped;
  }

  /** Every entry with its place in its set, 0 the most recently used. */
  entries(): { entry: T; age: number }[] {
    return this.sets.flatMap((set) => set.map((entry, age) => ({ entry, age })));
  }

  private setOf(page: number): T[] {
    return this.sets[page % this.sets.length] ?? [];
  }
}
