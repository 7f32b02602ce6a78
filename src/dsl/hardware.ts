/** Steps that command the machine: interrupts, TLB, frames, page tables, ranges and the page cache. */

import { Accesses } from "./accesses.js";
import { FENCES, type FenceKind } from "./isa.js";
import { exprText, place } from "./listing.js";
import { constant, type Node } from "./nodes.js";
import { type Bool, bool, type Expr, type Operand, type U64, u64 } from "./shapes.js";
import type { CpuMask } from "./state.js";
import { nodeOf } from "./values.js";

/** Where a new page table goes: `level` 3 = root .. 0; `base` = first vpn it maps; no `root` for a root itself. */
export interface TablePlace {
  readonly root?: Operand<U64>;
  readonly level: Operand<U64>;
  readonly base: Operand<U64>;
}

/** The first range that ends behind a vpn: [start, end) and its value, 0 when there is none. */
export interface RangeFound {
  readonly value: Expr<U64>;
  readonly start: Expr<U64>;
  readonly end: Expr<U64>;
}

export class Hardware extends Accesses {
  /** Put this CPU on the target's call queue; tells whether the queue was empty. */
  queuePush(label: string, cpu: Operand<U64>): Expr<Bool> {
    const c = nodeOf(cpu);
    return this.value("QPUSH", label, bool, { c }, call("queue_push", c));
  }

  /** Take the first initiator from this CPU's call queue; `k.cpus` when it is empty. */
  queuePop(label: string): Expr<U64> {
    return this.value("QPOP", label, u64, {}, "queue_pop()");
  }

  /** Send the call-function interrupt to every CPU of the mask. */
  raise(label: string, mask: CpuMask): void {
    this.out.step("RAISE", label, { at: mask.address }, `send_ipi(${place(mask)})`);
  }

  raiseOne(label: string, cpu: Operand<U64>): void {
    const c = nodeOf(cpu);
    this.out.step("RAISE1", label, { c }, call("send_ipi", c));
  }

  /** Drop this CPU's translations of one page in the current PCID. */
  invlpg(label: string, vpn: Operand<U64>): void {
    const c = nodeOf(vpn);
    this.out.step("INVLPG", label, { c }, call("invlpg", c));
  }

  flushPcid(label: string, pcid: Operand<U64>): void {
    const c = nodeOf(pcid);
    this.out.step("FLUSH_PCID", label, { c }, call("flush_pcid", c));
  }

  flushAll(label: string): void {
    this.out.step("FLUSH_ALL", label, {}, "flush_all()");
  }

  /** Load the page-table root; drops the PCID's translations unless `noflush`. */
  loadCr3(label: string, root: Operand<U64>, pcid: Operand<U64>, noflush: Operand<Bool>): void {
    const [a, b, c] = [nodeOf(root), nodeOf(pcid), nodeOf(noflush)];
    this.out.step("CR3", label, { a, b, c }, call("load_cr3", a, b, c));
  }

  /** Ideal hardware: every CPU forgets [start, end) vpn at once. */
  invalidateEverywhere(label: string, root: Operand<U64>, start: Operand<U64>, end: Operand<U64>): void {
    const [a, b, c] = [nodeOf(root), nodeOf(start), nodeOf(end)];
    this.out.step("INVAL_EVERYWHERE", label, { a, b, c }, call("invalidate_everywhere", a, b, c));
  }

  /**
   * Tell every CPU, this one too, to forget [start, end) vpn of a root (0: of all, but not what is global), in one PCID if there is one. It takes effect at each at any time up to the end of the next dsb(); it is no
   * fence. Arm's TLBI, AMD's INVLPGB.
   */
  tlbi(label: string, root: Operand<U64>, start: Operand<U64>, end: Operand<U64>, pcid?: Operand<U64>): void {
    const [a, b, c] = [nodeOf(root), nodeOf(start), nodeOf(end)];
    if (pcid === undefined) this.out.step("TLBI", label, { a, b, c }, call("tlbi", a, b, c));
    else {
      const d = nodeOf(pcid);
      this.out.step("TLBI", label, { a, b, c, d }, call("tlbi", a, b, c, d));
    }
  }

  /** Wait until what this CPU has broadcast has taken effect at every CPU; a full fence. Arm's DSB, AMD's TLBSYNC. */
  dsb(label: string): void {
    this.out.step("DSB", label, {}, "dsb()");
  }

  /** A frame number, or 0 when memory is out. */
  allocFrame(label: string): Expr<U64> {
    return this.value("FALLOC", label, u64, {}, "alloc_frame()");
  }

  /** The first of as many frames in a row as a page of this level has (1: 2M, 2: 1G), or 0 when there are none. */
  allocBlock(label: string, level: number): Expr<U64> {
    const a = constant(BigInt(this.out.assembly.radixBits * level));
    return this.value("FALLOC", label, u64, { a }, call("alloc_frames", a));
  }

  freeFrame(label: string, pfn: Operand<U64>): void {
    const a = nodeOf(pfn);
    this.out.step("FFREE", label, { a }, call("free_frame", a));
  }

  /** Frees all frames of a page of this level. */
  freeBlock(label: string, pfn: Operand<U64>, level: number): void {
    const [a, b] = [nodeOf(pfn), constant(BigInt(this.out.assembly.radixBits * level))];
    this.out.step("FFREE", label, { a, b }, call("free_frames", a, b));
  }

  zeroFrame(label: string, pfn: Operand<U64>): void {
    const a = nodeOf(pfn);
    this.out.step("FZERO", label, { a }, call("zero_frame", a));
  }

  /** Copy what `vpn` of the address space under `root` shows: the frame `source` to `target`. */
  copyFrame(
    label: string,
    source: Operand<U64>,
    target: Operand<U64>,
    vpn: Operand<U64>,
    root: Operand<U64>,
  ): void {
    const [a, b, c, d] = [nodeOf(source), nodeOf(target), nodeOf(vpn), nodeOf(root)];
    this.out.step("FCOPY", label, { a, b, c, d }, call("copy_frame", a, b, c, d));
  }

  /** The number of a zeroed page table, or 0 when memory is out. */
  allocTable(label: string, table: TablePlace): Expr<U64> {
    const a = table.root === undefined ? {} : { a: nodeOf(table.root) };
    const [b, c] = [nodeOf(table.level), nodeOf(table.base)];
    const root = table.root === undefined ? "root" : exprText(nodeOf(table.root));
    const text = `alloc_table(${root}, ${exprText(b)}, ${exprText(c)})`;
    return this.value("TALLOC", label, u64, { ...a, b, c }, text);
  }

  freeTable(label: string, table: Operand<U64>): void {
    const a = nodeOf(table);
    this.out.step("TFREE", label, { a }, call("free_table", a));
  }

  findRange(label: string, mm: Operand<U64>, vpn: Operand<U64>): RangeFound {
    const start = this.out.registers.allocate("range_start", false);
    const end = this.out.registers.allocate("range_end", false);
    const [a, d] = [nodeOf(mm), nodeOf(vpn)];
    const text = `find_range(${exprText(a)}, ${exprText(d)}, &${start.name}, &${end.name})`;
    const value = this.value("RFIND", label, u64, { a, d, alsoWrites: { b: start, c: end } }, text);
    const word = (slot: typeof start) => u64.over({ kind: "slot", slot }) as Expr<U64>;
    return { value, start: word(start), end: word(end) };
  }

  /** Give [start, end) vpn of the mm this value, replacing what was there; 0 erases. */
  setRange(
    label: string,
    mm: Operand<U64>,
    start: Operand<U64>,
    end: Operand<U64>,
    value: Operand<U64>,
  ): void {
    const [a, b, c, d] = [nodeOf(mm), nodeOf(start), nodeOf(end), nodeOf(value)];
    this.out.step("RSET", label, { a, b, c, d }, call("set_range", a, b, c, d));
  }

  /** The page-cache entry of a key, 0 when absent. */
  cacheLoad(label: string, key: Operand<U64>): Expr<U64> {
    const c = nodeOf(key);
    return this.value("XLOAD", label, u64, { c }, call("cache_load", c));
  }

  /** 0 erases. */
  cacheStore(label: string, key: Operand<U64>, value: Operand<U64>): void {
    const [c, d] = [nodeOf(key), nodeOf(value)];
    this.out.step("XSTORE", label, { c, d }, call("cache_store", c, d));
  }

  fence(label: string, kind: FenceKind): void {
    this.out.step("FENCE", label, { imm: BigInt(FENCES[kind]) }, `fence(${kind})`);
  }

  /** Private work that costs what the machine preset says for this name. */
  work(name: string): void {
    const imm = this.out.assembly.works.index(name);
    this.out.step("WORK", this.out.path.automaticLabel(`work ${name}`), { imm }, `work(${name})`);
  }
}

function call(name: string, ...args: Node[]): string {
  return `${name}(${args.map((arg) => exprText(arg)).join(", ")})`;
}
