/** Misuse of the language that tsc must refuse. Compiled, never run: each case would be a mistake in a mechanism. */

import {
  type Bool,
  type Builder,
  bit,
  bits,
  bool,
  cpuArray,
  cpumask,
  type Expr,
  type Field,
  type Held,
  type HeldEither,
  type Pte,
  program,
  pte,
  pteAt,
  type RecordHandle,
  type RwLock,
  record,
  routine,
  rwlock,
  type SpinLock,
  spinlock,
  struct,
  type U64,
  u64,
  type Var,
} from "../src/dsl/index.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

const batch = struct("batch", { pending: bits(0, 32), flushed: bits(32, 31), armed: bit(63) });
type Batch = typeof batch;
const mm_struct = record("mm", {
  tlb_gen: u64,
  lazy: bool,
  tlb_flush_batched: batch,
  mm_cpumask: cpumask,
  ptl: spinlock("ptl"),
  mmap_lock: rwlock("mmap_lock"),
});
const percpu = record("cpu", { csd: cpuArray(batch), loaded_mm: u64 });
const glob = record("global", { epoch: u64 });
type Mm = RecordHandle<typeof mm_struct>;

export type InferredShapes = [
  Expect<Equal<Mm["tlb_gen"], Field<U64>>>,
  Expect<Equal<Mm["tlb_flush_batched"], Field<Batch>>>,
  Expect<Equal<Mm["ptl"], SpinLock<"ptl">>>,
  Expect<Equal<Mm["mmap_lock"], RwLock<"mmap_lock">>>,
  Expect<Equal<Expr<Batch>["pending"], Expr<U64>>>,
  Expect<Equal<Expr<Batch>["armed"], Expr<Bool>>>,
];

export const needsPtl = routine("needs_ptl", (_k: Builder, _mm: Mm, _ptl: Held<"ptl">) => {});
export const needsMmap = routine("needs_mmap", (_k: Builder, _held: HeldEither<"mmap_lock">) => {});
export const needsWrite = routine("needs_write", (_k: Builder, _held: Held<"mmap_lock:write">) => {});

export const misuse = program("misuse", ["start", "end"], (k, args) => {
  const mm = mm_struct.at(args.start);
  const old = k.read("old", pteAt(1, args.start));
  const seen = k.read("seen", mm.tlb_flush_batched);
  const inferred: [Expr<Pte>, Expr<Batch>, Expr<U64>] = [old, seen, k.read("gen", mm.tlb_gen)];
  void inferred;

  // @ts-expect-error the program has no such argument
  void args.len;

  // @ts-expect-error a shared word is not a value: it must be read first
  k.if(mm.lazy, () => {});
  // @ts-expect-error not even inside an expression
  k.if(args.start.eq(mm.tlb_gen), () => {});
  // @ts-expect-error a whole PTE is not a condition
  k.if(old, () => {});
  // @ts-expect-error nor is a number
  k.if(args.start, () => {});
  // @ts-expect-error nor a JS boolean: that is a choice of variant, for a JS if
  k.if(true, () => {});
  // @ts-expect-error a run-time value is not comparable with a JS operator
  if (args.start === 1) k.count("never");
  // @ts-expect-error nor fit for JS arithmetic
  void (args.start + 1);

  // @ts-expect-error there is no such bit
  void old.uffd_wp;
  // @ts-expect-error nor can it be set
  void old.with({ uffd_wp: true });
  // @ts-expect-error a bit takes a boolean, not a number
  void old.with({ write: 1 });
  // @ts-expect-error bits take a number, not a boolean
  void old.with({ pfn: true });
  // @ts-expect-error a Bool is no number: .raw converts
  void old.with({ pfn: old.write });
  // @ts-expect-error and a number no Bool
  void old.present.and(args.start);

  // @ts-expect-error a batch word is not a PTE
  k.write("wrong struct", pteAt(1, 0), seen);
  // @ts-expect-error a plain number is not a PTE either: pte.of() or pte.as()
  k.write("wrong constant", pteAt(1, 0), 5);
  // @ts-expect-error the expected value has the field's shape
  k.cmpxchg("wrong expected", mm.tlb_flush_batched, old, seen);
  // @ts-expect-error a bool field takes a boolean
  k.write("wrong bool", mm.lazy, 1);
  // @ts-expect-error a mask is not a word
  k.read("wrong mask", mm.mm_cpumask);
  // @ts-expect-error a lock is not a word
  k.write("wrong lock", mm.ptl, 0);
  // @ts-expect-error an array needs a CPU
  k.read("no cpu", percpu.at(0).csd);
  // @ts-expect-error a record of a kind needs its index
  mm_struct.at();
  // @ts-expect-error the global record has none
  glob.at(0);
  // @ts-expect-error a step has a label
  k.flushAll();
  // @ts-expect-error relations are named
  k.await("wrong relation", mm.tlb_gen, "gt", 1);

  // @ts-expect-error the lock must be held
  needsPtl(k, mm);
  // @ts-expect-error a look-alike is no token
  needsPtl(k, mm, { lock: "ptl", ended: false, end: () => {} });
  k.readLocked(mm.mmap_lock, (held) => {
    needsMmap(k, held);
    // @ts-expect-error the wrong lock is held
    needsPtl(k, mm, held);
    // @ts-expect-error held for reading only
    needsWrite(k, held);
    // @ts-expect-error only a writer can downgrade
    held.downgrade("downgrade");
  });
  k.writeLocked(mm.mmap_lock, (held) => {
    needsMmap(k, held);
    needsWrite(k, held);
    // @ts-expect-error after a downgrade it is held for reading
    needsWrite(k, held.downgrade("downgrade"));
  });
  k.locked(mm.ptl, (ptl) => needsPtl(k, mm, ptl));
  // @ts-expect-error a semaphore is taken for reading or for writing
  k.locked(mm.mmap_lock, () => {});

  const level: Var<U64> = k.var(3, "level");
  // @ts-expect-error a variable keeps its shape
  level.set(old);
  // @ts-expect-error a variable is not its value: level.get()
  k.if(level, () => {});
});

// @ts-expect-error a record is of a kind that the engine knows
record("vma", { start: u64 });
// @ts-expect-error struct constants name known members
pte.of({ presnt: true });
