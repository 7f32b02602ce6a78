/** What a CPU has cached of page tables, as plain data. */
import type { PwcEntryState, TlbEntryState } from "../reference/state.js";
import type { World } from "./world.js";

const MARK_STALE = 15;
const MARK_FREED = 512;
const MARK_JUDGED = 1024;

export class TlbDump {
  readonly #w: World;

  constructor(world: World) {
    this.#w = world;
  }

  #v(name: string): number {
    return this.#w.value(name);
  }

  #u32(address: number): number {
    return this.#w.u32[address / 4]!;
  }

  #u64(address: number): bigint {
    return this.#w.u64[address / 8]!;
  }

  /** How often a frame was freed. */
  generation(pfn: number): number {
    return this.#u32(this.#v("frameWords") + pfn * 4) >>> this.#v("FW_GENERATION_SHIFT");
  }

  /** Address of what a slot holds. */
  #entry(cpu: number, slot: number): number {
    return (
      this.#v("hwBase") + cpu * this.#v("hwStride") + this.#v("hwEntries") + slot * this.#v("ENTRY_BYTES")
    );
  }

  /** Used slots of one structure with their places in their sets by last use. */
  #slots(cpu: number, structure: number): { slot: number; key: bigint; age: number }[] {
    const d = this.#v("STRUCTURES") + structure * 16;
    const [first, sets, ways] = [this.#u32(d), this.#u32(d + 4), this.#u32(d + 8)];
    const stamps = this.#v("clkBase") + cpu * this.#v("clkStride") + this.#v("CK_STAMPS");
    const used: { slot: number; key: bigint; age: number }[] = [];
    for (let set = 0; set < sets; set++) {
      const inSet: { slot: number; key: bigint; stamp: number }[] = [];
      for (let way = 0; way < ways; way++) {
        const slot = first + set * ways + way;
        const key = this.#u64(this.#entry(cpu, slot));
        if (key !== 0n) inSet.push({ slot, key, stamp: this.#u32(stamps + slot * 4) });
      }
      inSet.sort((a, b) => b.stamp - a.stamp).forEach(({ slot, key }, age) => used.push({ slot, key, age }));
    }
    return used;
  }

  /** Translations that an array holds, in one order whatever their slots. */
  entries(cpu: number, structure: number): TlbEntryState[] {
    const entries = this.#slots(cpu, structure).map(({ slot, key, age }): TlbEntryState => {
      const size = Number((key >> 1n) & 3n);
      const at = this.#entry(cpu, slot);
      const payload = this.#u64(at + this.#v("ENTRY_PAYLOAD"));
      const pfn = Number((payload >> 12n) & 0xffffffffn);
      const mark = this.#mark(cpu, slot);
      // Only of a marked entry it is remembered.
      const generation = mark === 0 ? this.generation(pfn) : this.#generation(cpu, slot);
      return {
        vpn: Number((key >> 15n) & 0xfffffffffn) * 2 ** (size * this.#w.size.radixBits),
        size,
        pcid: Number((key >> 3n) & 4095n),
        global: ((key >> 62n) & 1n) !== 0n,
        pfn,
        write: ((payload >> 1n) & 1n) !== 0n,
        dirty: ((payload >> 6n) & 1n) !== 0n,
        exec: payload >> 63n !== 0n,
        age,
        root: Number((payload >> 44n) & 0x7ffffn),
        generation,
        free: (mark & MARK_FREED) !== 0 || this.generation(pfn) !== generation,
        stale: mark & MARK_STALE,
        gone: (mark >> 4) & MARK_STALE,
        judged: (mark & MARK_JUDGED) !== 0,
        excused: [0, 1, 2, 3].map((right) => ((mark >> right) & 1 ? this.#excused(cpu, slot, right) : 0)),
      };
    });
    return entries.sort((a, b) => a.size - b.size || a.vpn - b.vpn || a.pcid - b.pcid);
  }

  #mark(cpu: number, slot: number): number {
    return this.#w.u16[(this.#v("hwBase") + cpu * this.#v("hwStride") + this.#v("hwMarks")) / 2 + slot]!;
  }

  #generation(cpu: number, slot: number): number {
    const at = this.#v("hwBase") + cpu * this.#v("hwStride") + this.#v("hwGenerations");
    return this.#u32(at + slot * 4);
  }

  /** CPUs, as bits, whose promises do not speak for a stale right of a slot. */
  #excused(cpu: number, slot: number, right: number): number {
    if (this.#w.size.canonical) {
      const at = this.#v("hwBase") + cpu * this.#v("hwStride") + this.#v("hwExcuses") + slot * 8;
      return Number((this.#u64(at) >> BigInt(right * 16)) & 0xffffn);
    }
    const order = this.#u64(
      this.#v("stBase") + cpu * this.#v("stStride") + this.#v("stOrder") + slot * 32 + right * 8,
    );
    return Array.from({ length: this.#w.size.cpus }, (_, other) => other)
      .filter((other) => {
        const hw = this.#v("hwBase") + other * this.#v("hwStride");
        const call = this.#u64(this.#v("clkBase") + other * this.#v("clkStride") + this.#v("CK_CALL"));
        const started = this.#u32(hw + this.#v("HW_STARTED")) !== 0;
        return started && Number(order & 0xffffn) !== other && order >> 16n >= call;
      })
      .reduce((bits, other) => bits | (1 << other), 0);
  }

  /** Ways into page tables that a paging-structure cache holds. */
  ways(cpu: number, structure: number): PwcEntryState[] {
    const entries = this.#slots(cpu, structure).map(({ slot, key, age }) => ({
      key: Number((key >> 15n) & 0xfffffffffn),
      pcid: Number((key >> 3n) & 4095n),
      table: Number((this.#u64(this.#entry(cpu, slot) + this.#v("ENTRY_PAYLOAD")) >> 12n) & 0xffffffffn),
      freed: (this.#mark(cpu, slot) & MARK_FREED) !== 0,
      age,
    }));
    return entries.sort((a, b) => a.key - b.key || a.pcid - b.pcid);
  }
}
