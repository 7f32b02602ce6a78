/** Memory behind everything that plan() lays out, for the tables of a search. */

import type { World } from "./world.js";

/** Appends tables behind everything else; memory grows with them. */
export class Tables {
  at: number;
  readonly #world: World;

  constructor(world: World, at: number) {
    this.#world = world;
    this.at = aligned(at);
  }

  /** A view of fresh, zeroed memory. */
  take(bytes: number): { readonly at: number; readonly view: DataView } {
    const { memory } = this.#world;
    const at = this.at;
    this.at = aligned(at + bytes);
    const missing = this.at - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    return { at, view: new DataView(memory.buffer, at, bytes) };
  }
}

export function aligned(address: number): number {
  return Math.ceil(address / 64) * 64;
}
