import { describe, expect, it } from "vitest";
import {
  type Builder,
  type Expr,
  NONE,
  OPS,
  program,
  programHash,
  pte,
  pteAt,
  routine,
  type U64,
} from "../src/dsl/index.js";
import { build, type Mm, mm_struct, munmap, page_table } from "./dsl-munmap.js";

describe("the program", () => {
  const readTwice = program("read", ["mm"], (k, { mm }) => {
    k.count("reads");
    k.window("between");
    k.read("first", mm_struct.at(mm).pgd);
    k.count("other");
    k.count("reads");
  });

  it("is the same in every byte when it is assembled twice, whatever was assembled between", () => {
    const first = build(munmap, readTwice);
    build(readTwice, munmap);
    const second = build(munmap, readTwice);
    expect(second).toEqual(first);
    expect(programHash(second)).toBe(programHash(first));
    expect(programHash(build(readTwice, munmap))).not.toBe(programHash(first));
  });

  it("lists windows, counters and works in the order of first use", () => {
    const { windows, counters, works, entries } = build(readTwice, munmap);
    expect(windows).toEqual(["between", "cleared, not flushed"]);
    expect(counters).toEqual(["reads", "other", "empty"]);
    expect(works).toEqual(["unmap_region"]);
    expect(entries.map(({ name, args }) => [name, args])).toEqual([
      ["read", ["mm"]],
      ["munmap", ["start", "end"]],
    ]);
  });

  it("has operands exactly where the roles of its ops want them", () => {
    for (const op of build(munmap, readTwice, everyVerb).ops) {
      const roles = OPS[op.op] as Readonly<Record<string, string>>;
      for (const operand of ["dst", "a", "b", "c", "d"] as const) {
        const register = op[operand];
        const role = roles[operand];
        const at = `${op.op}.${operand}`;
        if (role === undefined) expect(register, at).toBe(NONE);
        else if (role === "relation") expect(register, at).toBeLessThan(4);
        else if (role !== "in?" || register !== NONE) expect(register, at).toBeLessThan(48);
      }
      expect(op.site >= 0, op.op).toBe(roles.class !== "free");
    }
  });

  it("can contain every micro-op", () => {
    const used = new Set(build(munmap, everyVerb).ops.map(({ op }) => op));
    expect(Object.keys(OPS).filter((op) => !used.has(op as keyof typeof OPS))).toEqual([]);
  });
});

/** Uses every verb of the language at least once. */
const everyVerb = program("every_verb", ["x", "y"], (k, { x, y }) => {
  const mm = mm_struct.at(x);
  const entry = pteAt(x, y);
  arithmetic(k, x, y);
  k.addReturn("fadd", mm.pgd, 1);
  k.add("addv", mm.pgd, 1);
  k.or("orv", mm.pgd, 1);
  k.and("andv", mm.pgd, 1);
  k.xchg("xchg", mm.pgd, 1);
  k.await("await", mm.pgd, "ge", x);
  k.write("pte_st", entry, k.read("pte_ld", entry));
  k.cmpxchg("pte_cas", entry, pte.zero, pte.of({ pfn: x }));
  k.or("pte_or", entry, pte.of({ accessed: true }));
  k.fetchAnd("pte_and", entry, pte.ones.with({ write: false }));
  k.trylock("trylock", page_table.at(x).ptl, () => {});
  k.tryReadLocked("tryrlock", mm.mmap_lock, () => {});
  k.readLocked(mm.mmap_lock, () => {});
  k.writeLocked(mm.mmap_lock, () => {});
  masks(k, mm, x);
  machine(k, x, y);
});

const arithmetic = routine("arithmetic", (k: Builder, x: Expr<U64>, y: Expr<U64>) => {
  const sum = x.add(y).sub(1).and(y).or(3).xor(x).shl(y).shr(2);
  k.if(sum.eq(y).or(sum.le(y)).not(), () => k.count("odd", sum));
});

const masks = routine("masks", (k: Builder, { mm_cpumask }: Mm, cpu: Expr<U64>) => {
  k.maskSet("set", mm_cpumask, cpu);
  k.maskClear("clear", mm_cpumask, cpu);
  k.maskTest("test", mm_cpumask, cpu);
  k.maskZero("zero", mm_cpumask);
  k.maskCount("count", mm_cpumask);
  k.raise("raise", mm_cpumask);
});

const machine = routine("machine", (k: Builder, x: Expr<U64>, y: Expr<U64>) => {
  k.queuePush("push", x);
  k.queuePop("pop");
  k.invlpg("invlpg", x);
  k.flushPcid("flush_pcid", x);
  k.tlbi("tlbi", x, x, y);
  k.dsb("dsb");
  k.flushAll("flush_all");
  k.loadCr3("load_cr3", x, y, true);
  k.invalidateEverywhere("everywhere", x, x, y);
  k.zeroFrame("zero", k.allocFrame("alloc"));
  k.copyFrame("copy", x, y, x, y);
  const root = k.allocTable("root", { level: 3, base: 0 });
  k.freeTable("free", k.allocTable("table", { root, level: 0, base: x }));
  const found = k.findRange("find", x, y);
  k.setRange("set", x, found.start, found.end, found.value);
  k.cacheStore("store", x, k.cacheLoad("load", x));
  k.fence("fence", "wmb");
  k.irqsOff(() => k.irqsOff(() => {}));
  k.shootdownBegins();
  k.shootdownEnds();
  k.judgeClean("judge", x);
  k.recordDirty("record", x);
  k.mightSleep("sleep");
});
