/*
 * Copies that a kernel makes in order to map them: until a copy is mapped in its place, a store to its source is lost.
 */
import type { OracleState } from "./state.js";
import type { TlbEntry } from "./tlb.js";
import type { Violations } from "./violations.js";

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

export class FrameCopies {
  private readonly violations: Violations;
  /** Open copies by the frame copied to. */
  private readonly open = new Map<number, Copy>();
  /** Which frame a frame was copied from, once it is mapped in its place. */
  readonly sources = new Map<number, number>();

  constructor(violations: Violations) {
    this.violations = violations;
  }

  /** The frame that a mapped copy was made of; undefined for one that is none. */
  sourceOf(pfn: number): number | undefined {
    return this.sources.get(pfn);
  }

  frameCopied(source: number, target: number, vpn: number, root: number, site: number): void {
    this.open.set(target, { source, root, vpn, site, storedBy: -1, storedMade: -1 });
  }

  frameFreed(pfn: number): void {
    this.open.delete(pfn);
    this.sources.delete(pfn);
  }

  /** A store went through this entry. */
  stored(cpu: number, entry: TlbEntry, vpn: number): void {
    if (entry.size !== 0) return;
    for (const copy of this.open.values()) {
      const hit = copy.source === entry.pfn && copy.root === entry.root && copy.vpn === vpn;
      if (!hit || copy.storedBy >= 0) continue;
      copy.storedBy = cpu;
      copy.storedMade = entry.stale !== 0 ? entry.made : -1;
    }
  }

  /** The page table maps `pfn` at `vpn` now; if it is a copy for that place, what was stored to the source since is lost. */
  mapped(root: number, vpn: number, pfn: number, site: number): void {
    const copy = this.open.get(pfn);
    if (copy === undefined || copy.root !== root || copy.vpn !== vpn) return;
    this.open.delete(pfn);
    this.sources.set(pfn, copy.source);
    if (copy.storedBy < 0) return;
    const made = copy.storedMade >= 0 ? copy.storedMade : site;
    this.violations.add({
      invariant: "lost-write",
      cpu: copy.storedBy,
      vpn,
      kind: 1,
      made,
      broken: copy.site,
    });
  }

  state(): OracleState["copies"] {
    return [...this.open]
      .map(([target, { source, root, vpn, storedBy }]) => ({ target, source, root, vpn, storedBy }))
      .sort((left, right) => left.target - right.target);
  }
}
