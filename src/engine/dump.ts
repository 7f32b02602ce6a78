/** The engine's state as plain data, in the shape that the naive twin has too. */
import { INVARIANTS } from "../dsl/case.js";
import { RECORD_KINDS, type RecordKind } from "../dsl/program.js";
import type {
  BroadcastState,
  BufferedStoreState,
  ContextState,
  CopyState,
  CpuState,
  MachineState,
  PwcEntryState,
  PwcName,
  RangeState,
  TableState,
  TlbEntryState,
  TlbName,
  ViolationState,
} from "../reference/state.js";
import type { World } from "./world.js";

/** Reads everything. Slow: for tests. */
export function readState(world: World, tlbs: readonly TlbName[], pwcs: readonly PwcName[]): MachineState {
  return new Dump(world, tlbs, pwcs).state();
}

const MARK_STALE = 15;
const MARK_FREED = 512;
const MARK_JUDGED = 1024;

class Dump {
  readonly #w: World;
  readonly #tlbs: readonly TlbName[];
  readonly #pwcs: readonly PwcName[];

  constructor(world: World, tlbs: readonly TlbName[], pwcs: readonly PwcName[]) {
    this.#w = world;
    this.#tlbs = tlbs;
    this.#pwcs = pwcs;
  }

  state(): MachineState {
    const { size } = this.#w;
    const all = <T>(count: number, read: (index: number) => T): T[] =>
      Array.from({ length: count }, (_, i) => read(i));
    return {
      words: Object.fromEntries(
        RECORD_KINDS.map((kind) => [kind, this.#records(kind)]),
      ) as unknown as MachineState["words"],
      tables: all(size.tables - 1, (i) => this.#table(i + 1)),
      freeTables: this.#freeList(
        "TABLE",
        size.tables,
        (i) => this.#v("tableMeta") + i * this.#v("TM_BYTES") + this.#v("TM_NEXT"),
      ),
      freeFrames: this.#freeList("FRAME", size.frames, (i) => this.#frame(i) + this.#v("FM_NEXT")),
      freeBlocks: [0, 1].map((which) => this.#freeBlocks(which)),
      generations: all(size.frames, (i) => this.#generation(i)),
      ranges: all(size.mms, (mm) => this.#ranges(mm)),
      cache: this.#cache(),
      cpus: all(size.cpus, (cpu) => this.#cpu(cpu)),
      oracle: { violations: this.#violations(), copies: this.#copies(), judged: this.#judged() },
    };
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

  #frame(pfn: number): number {
    return this.#v("frameMeta") + pfn * this.#v("FM_BYTES");
  }

  #generation(pfn: number): number {
    return this.#u32(this.#v("frameWords") + pfn * 4) >>> this.#v("FW_GENERATION_SHIFT");
  }

  #recordCount(kind: RecordKind): number {
    const { size } = this.#w;
    return {
      global: 1,
      mm: size.mms,
      cpu: size.cpus,
      task: size.tasks,
      table: size.tables,
      frame: size.frames,
    }[kind];
  }

  #records(kind: RecordKind): bigint[][] {
    const at = this.#v("RECORDS") + RECORD_KINDS.indexOf(kind) * 8;
    const [base, stride] = [this.#u32(at), this.#u32(at + 4)];
    const words = this.#w.program.layout.words[kind];
    return Array.from({ length: this.#recordCount(kind) }, (_, record) =>
      Array.from({ length: words }, (_, word) => this.#u64(base + record * stride + word * 8)),
    );
  }

  #table(table: number): TableState {
    const meta = this.#v("tableMeta") + table * this.#v("TM_BYTES");
    const count = 1 << this.#w.size.radixBits;
    const base = this.#v("tablePages") + table * count * 8;
    const entries = Array.from({ length: count }, (_, index) => ({
      index,
      value: this.#u64(base + index * 8),
    }));
    return {
      table,
      live: this.#u32(meta + this.#v("TM_LIVE")) !== 0,
      root: this.#u32(meta + this.#v("TM_ROOT")),
      level: this.#u32(meta + this.#v("TM_LEVEL")),
      base: Number(this.#u64(meta + this.#v("TM_BASE"))),
      entries: entries.filter(({ value }) => value !== 0n),
      unseen: entries.flatMap(({ index }) => {
        const entry = table * count + index;
        return (this.#w.u8[this.#v("tableDirt") + (entry >> 3)]! >> (entry & 7)) & 1 ? [index] : [];
      }),
    };
  }

  #freeBlocks(which: number): number[] {
    const list: number[] = [];
    let pfn = this.#u32(this.#v("pools") + this.#v("POOL_BLOCK_FREE") + 4 * which);
    for (; pfn !== 0; pfn = this.#u32(this.#frame(pfn) + this.#v("FM_NEXT"))) list.push(pfn);
    return list;
  }

  /** Freed ones, last first, then those that were never used. */
  #freeList(name: "TABLE" | "FRAME", count: number, next: (index: number) => number): number[] {
    const list: number[] = [];
    for (let i = this.#u32(this.#v("pools") + this.#v(`POOL_${name}_FREE`)); i !== 0; i = this.#u32(next(i)))
      list.push(i);
    for (let i = this.#u32(this.#v("pools") + this.#v(`POOL_${name}_TOP`)) + 1; i < count; i++) list.push(i);
    return list;
  }

  #ranges(mm: number): RangeState[] {
    const map = this.#v("ranges") + mm * this.#v("rangesStride");
    return Array.from({ length: Number(this.#u64(map)) }, (_, i) => {
      const at = map + 8 + i * this.#v("RANGE_BYTES");
      return { start: this.#u64(at), end: this.#u64(at + 8), value: this.#u64(at + 16) };
    });
  }

  #cache(): { key: bigint; value: bigint }[] {
    const found: { key: bigint; value: bigint }[] = [];
    for (let i = 0; i < this.#w.size.cache; i++) {
      const at = this.#v("pageCache") + i * 16;
      if (this.#u64(at) !== 0n) found.push({ key: this.#u64(at) - 1n, value: this.#u64(at + 8) });
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #broadcast(c: number): BroadcastState | null {
    const at = c + this.#v("hwBroadcast");
    const { cpus } = this.#w.size;
    const waits = (cpu: number): boolean =>
      ((this.#u64(at + 24 + (cpu >> 6) * 8) >> BigInt(cpu & 63)) & 1n) !== 0n;
    const waiting = Array.from({ length: cpus }, (_, cpu) => cpu).filter(waits);
    if (waiting.length === 0) return null;
    const pcid = this.#u32(at + 4);
    return {
      root: this.#u32(at),
      pcid: pcid === 0 ? undefined : pcid - 1,
      start: this.#u64(at + 8),
      end: this.#u64(at + 16),
      waiting,
    };
  }

  #cpu(cpu: number): CpuState {
    const c = this.#v("hwBase") + cpu * this.#v("hwStride");
    const at = (name: string): number => this.#u32(c + this.#v(`HW_${name}`));
    const queue = Array.from({ length: at("QUEUE_COUNT") }, (_, i) => {
      const slot = (at("QUEUE_HEAD") + i) % this.#w.size.cpus;
      return this.#w.u16[(c + this.#v("hwQueue")) / 2 + slot]!;
    });
    return {
      task: (at("TASK") - 1) >>> 0,
      started: at("STARTED") !== 0,
      spinlocks: at("SPINS"),
      irqsOn: at("IRQ_OFF") === 0,
      pending: at("PENDING") !== 0,
      root: at("ROOT"),
      pcid: at("PCID"),
      queue,
      stores: this.#stores(c),
      barrierNext: at("SB_COUNT") >>> 31 !== 0,
      broadcast: this.#broadcast(c),
      taskContext: this.#context(c, "0", this.#v("HW_REGS")),
      interruptContext: this.#context(c, "1", this.#v("hwRegs1")),
      status: this.#u64(c + this.#v("HW_STATUS0")),
      tlb: Object.fromEntries(
        this.#tlbs.map((name, i) => [name, this.#tlb(cpu, i)]),
      ) as unknown as CpuState["tlb"],
      pwc: Object.fromEntries(
        this.#pwcs.map((name, i) => [name, this.#pwc(cpu, 7 + i)]),
      ) as unknown as CpuState["pwc"],
    };
  }

  #context(c: number, which: "0" | "1", registers: number): ContextState | null {
    if (this.#u32(c + this.#v(`HW_LIVE${which}`)) === 0) return null;
    return {
      pc: this.#u32(c + this.#v(`HW_PC${which}`)),
      registers: Array.from({ length: this.#w.program.registers }, (_, i) =>
        this.#u64(c + registers + i * 8),
      ),
    };
  }

  #stores(c: number): BufferedStoreState[] {
    const count = this.#u32(c + this.#v("HW_SB_COUNT")) & 0x7fffffff;
    return Array.from({ length: count }, (_, i) => {
      const at = c + this.#v("hwStores") + i * 16;
      const barrier = (this.#u32(at + 4) & 1) !== 0;
      return { ...this.#cell(this.#u32(at)), value: this.#u64(at + 8), barrier };
    });
  }

  /** Which cell an address is. */
  #cell(address: number): Pick<BufferedStoreState, "kind" | "record" | "word"> {
    const pages = this.#v("tablePages");
    if (address >= pages) {
      const entries = 1 << this.#w.size.radixBits;
      const index = (address - pages) / 8;
      return { kind: "pte", record: Math.floor(index / entries), word: index % entries };
    }
    for (const kind of RECORD_KINDS) {
      const at = this.#v("RECORDS") + RECORD_KINDS.indexOf(kind) * 8;
      const [base, stride] = [this.#u32(at), this.#u32(at + 4)];
      const offset = address - base;
      if (stride > 0 && offset >= 0 && offset < stride * this.#recordCount(kind))
        return { kind, record: Math.floor(offset / stride), word: (offset % stride) / 8 };
    }
    throw new RangeError(`no cell at ${address}`);
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

  #tlb(cpu: number, structure: number): TlbEntryState[] {
    const entries = this.#slots(cpu, structure).map(({ slot, key, age }): TlbEntryState => {
      const size = Number((key >> 1n) & 3n);
      const at = this.#entry(cpu, slot);
      const payload = this.#u64(at + this.#v("ENTRY_PAYLOAD"));
      const ghost = this.#u64(at + this.#v("ENTRY_GHOST"));
      const mark = this.#mark(cpu, slot);
      return {
        vpn: Number((key >> 15n) & 0xfffffffffn) * 2 ** (size * this.#w.size.radixBits),
        size,
        pcid: Number((key >> 3n) & 4095n),
        global: ((key >> 62n) & 1n) !== 0n,
        pfn: Number((payload >> 12n) & 0xffffffffn),
        write: ((payload >> 1n) & 1n) !== 0n,
        dirty: ((payload >> 6n) & 1n) !== 0n,
        exec: payload >> 63n !== 0n,
        age,
        root: Number(ghost >> 32n),
        generation: Number(ghost & 0xffffffffn),
        free:
          (mark & MARK_FREED) !== 0 ||
          this.#generation(Number((payload >> 12n) & 0xffffffffn)) !== Number(ghost & 0xffffffffn),
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

  #pwc(cpu: number, structure: number): PwcEntryState[] {
    const entries = this.#slots(cpu, structure).map(({ slot, key, age }) => ({
      key: Number((key >> 15n) & 0xfffffffffn),
      pcid: Number((key >> 3n) & 4095n),
      table: Number((this.#u64(this.#entry(cpu, slot) + this.#v("ENTRY_PAYLOAD")) >> 12n) & 0xffffffffn),
      freed: (this.#mark(cpu, slot) & MARK_FREED) !== 0,
      age,
    }));
    return entries.sort((a, b) => a.key - b.key || a.pcid - b.pcid);
  }

  #site(pc: number): number {
    return pc === 0xffffffff ? -1 : (this.#w.program.ops[pc]?.site ?? -1);
  }

  #violations(): ViolationState[] {
    return INVARIANTS.flatMap((invariant, index) =>
      Array.from({ length: this.#w.size.cpus }, (_, cpu) => {
        const at =
          this.#v("stBase") +
          cpu * this.#v("stStride") +
          this.#v("ST_VIOLATIONS") +
          index * this.#v("VIOLATION_BYTES");
        return {
          invariant,
          cpu,
          count: Number(this.#u64(at)),
          vpn: Number(this.#u64(at + this.#v("VIOLATION_VPN"))),
          kind: this.#u32(at + this.#v("VIOLATION_KIND")) as ViolationState["kind"],
          made: this.#site(this.#u32(at + this.#v("VIOLATION_MADE"))),
          broken: this.#site(this.#u32(at + this.#v("VIOLATION_BROKEN"))),
        };
      }).filter(({ count }) => count > 0),
    );
  }

  #judged(): number[] {
    const frames = Array.from({ length: this.#w.size.frames }, (_, pfn) => pfn);
    return frames.filter((pfn) => this.#u32(this.#frame(pfn) + this.#v("FM_JUDGED")) !== 0);
  }

  #copies(): CopyState[] {
    const open: CopyState[] = [];
    for (let target = 1; target < this.#w.size.frames; target++) {
      const at = this.#frame(target);
      const source = this.#u32(at + this.#v("FM_COPY_FROM"));
      if (source === 0) continue;
      open.push({
        target,
        source,
        root: this.#u32(at + this.#v("FM_COPY_ROOT")),
        vpn: Number(this.#u64(at + this.#v("FM_COPY_VPN"))),
        storedBy: this.#u32(at + this.#v("FM_LOST_CPU")) - 1,
      });
    }
    return open;
  }
}
