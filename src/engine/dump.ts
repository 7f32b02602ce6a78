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
  PwcName,
  RangeState,
  TableState,
  TlbName,
  ViolationState,
} from "../reference/state.js";
import { TlbDump } from "./dump-tlb.js";
import type { World } from "./world.js";

/** Reads everything. Slow: for tests. */
export function readState(world: World, tlbs: readonly TlbName[], pwcs: readonly PwcName[]): MachineState {
  return new Dump(world, tlbs, pwcs).state();
}

class Dump {
  readonly #w: World;
  readonly #tlbs: readonly TlbName[];
  readonly #pwcs: readonly PwcName[];
  readonly #tlb: TlbDump;

  constructor(world: World, tlbs: readonly TlbName[], pwcs: readonly PwcName[]) {
    this.#w = world;
    this.#tlbs = tlbs;
    this.#pwcs = pwcs;
    this.#tlb = new TlbDump(world);
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
      generations: all(size.frames, (i) => this.#tlb.generation(i)),
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
        this.#tlbs.map((name, i) => [name, this.#tlb.entries(cpu, i)]),
      ) as unknown as CpuState["tlb"],
      pwc: Object.fromEntries(
        this.#pwcs.map((name, i) => [name, this.#tlb.ways(cpu, 7 + i)]),
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
