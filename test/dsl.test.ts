import { describe, expect, it } from "vitest";
import {
  array,
  assemble,
  type Builder,
  cpuArray,
  cpumask,
  listing,
  NONE,
  type ProgramSource,
  program,
  record,
  routine,
  u64,
} from "../src/dsl/index.js";
import { authorLine } from "../src/dsl/where.js";
import { build, mm_struct, munmap, page_table, percpu } from "./dsl-munmap.js";

const simple = (body: (k: Builder) => unknown): ProgramSource => program("p", [], body);

describe("listing", () => {
  it("reads like C, with a label on every step and no line numbers", () => {
    expect(listing(build(munmap), "munmap")).toBe(`munmap(start, end) {
  current_mm := task[thisTask].mm;
  lock mmap_lock: down_write(mm[current_mm].mmap_lock);
    mmap_write_downgrade: downgrade_write(mm[current_mm].mmap_lock);
    i = start;
    while (i < end) {
      lock ptl: spin_lock(table[1].ptl);
        flush_tlb_batched_pending {
          batch := mm[current_mm].tlb_flush_batched;
          if (batch.pending != batch.flushed) {
            flush_tlb_mm {
              cpu = 0;
              while (true) {
                for_each_cpu: cpu = cpumask_next(mm[current_mm].mm_cpumask, cpu);
                if (cpu >= 8) break;
                if (cpu != thisCpu) {
                  csd: cpu[thisCpu].csd[cpu] = 1;
                  send_call_function_single_ipi: send_ipi(cpu);
                }
                cpu = cpu + 1;
              }
            }
            ack := cmpxchg(mm[current_mm].tlb_flush_batched, batch, batch with { flushed: batch.pending });
          }
        }
        ptep_get_and_clear := xchg(pte[1][i & 511], 0);
      unlock ptl: spin_unlock(table[1].ptl);
      ~ window: cleared, not flushed
      if (ptep_get_and_clear.present & (ptep_get_and_clear.pfn > 1)) {
        free_page: free_frame(ptep_get_and_clear.pfn);
      } else {
        count(empty, 2);
      }
      i = i + 1;
    }
  unlock mmap_lock: up_read(mm[current_mm].mmap_lock);
  work unmap_region: work(unmap_region);
  return: promise(root 1, start..end, none);
  return 0;
}
`);
  });

  it("names two values of one label apart", () => {
    const read = routine("read", (k: Builder) => k.read("pgd", mm_struct.at(0).pgd));
    const source = simple((k) => k.write("sum", mm_struct.at(1).pgd, read(k).add(read(k))));
    expect(listing(build(source), "p")).toContain("sum: mm[1].pgd = pgd + pgd_2;");
  });

  it("refuses an entry that is not there", () => {
    expect(() => listing(build(munmap), "mmap")).toThrow(/no listing for entry "mmap".*munmap/);
  });
});

describe("sites", () => {
  it("have the inline path, with a number for a second call in one place", () => {
    const leaf = routine("leaf", (k: Builder) => k.flushAll("flush"));
    const twice = routine("twice", (k: Builder) => [leaf(k), leaf(k)]);
    const { sites } = build(simple((k) => [twice(k), leaf(k)]));
    expect(sites.map(({ path, routine }) => [path, routine])).toEqual([
      ["p.twice.leaf.flush", "leaf"],
      ["p.twice.leaf#2.flush", "leaf"],
      ["p.leaf.flush", "leaf"],
      ["p.return", "p"],
    ]);
  });

  it("have the author's file and line, however deep the language calls back", () => {
    const here = authorLine(new Error().stack!);
    const source = simple((k) => {
      k.locked(page_table.at(1).ptl, () => k.irqsOff(() => k.forRange(0, 9, 1, () => k.flushAll("flush"))));
      k.forEachCpu("each", mm_struct.at(0).mm_cpumask, () => {});
      k.irqsOff(() =>
        k.trylock("try", page_table.at(1).ptl, () => k.if(k.cpu().eq(0), () => k.flushAll("deep"))),
      );
    });
    const lines = Object.fromEntries(build(source).sites.map((site) => [site.label, site.line - here.line]));
    expect(here.file).toBe("test/dsl.test.ts");
    expect(lines).toMatchObject({ flush: 2, "lock ptl": 2, "irqs off": 2, each: 3 });
    expect(lines).toMatchObject({ try: 5, "unlock try": 5, deep: 5 });
  });

  it("have, for the end of a program, the line of its declaration", () => {
    const here = authorLine(new Error().stack!);
    const source = program("p", [], () => {});
    expect(build(source).sites[0]).toMatchObject({ label: "return", line: here.line + 1 });
  });

  it("are read from every kind of stack frame, and are never absolute", () => {
    const cwd = process.cwd();
    const frames: [string, string][] = [
      [`    at Object.body (${cwd}/src/kernel/rmap.ts:12:5)`, "src/kernel/rmap.ts:12"],
      [`    at file://${cwd}/dist/kernel/rmap.js:3:9`, "dist/kernel/rmap.js:3"],
      [`    at async ${cwd}/examples/my%20own.ts?t=17:8:1`, "examples/my%20own.ts:8"],
      ["    at body (file:///elsewhere/with%20space/mine.ts:7:1)", "mine.ts:7"],
      ["    at body (C:\\work\\mine.ts:4:2)", "mine.ts:4"],
      ["    at node:internal/main:1:1", "unknown:0"],
    ];
    for (const [frame, expected] of frames) {
      const own = `    at callSite (${cwd}/src/dsl/where.ts:20:17)`;
      const { file, line } = authorLine(`Error\n${own}\n${frame}`);
      expect(`${file}:${line}`).toBe(expected);
    }
  });
});

describe("layout", () => {
  it("places fields in the order of the declarations, each declaration of a CPU's on lines of its own", () => {
    const wide = record("cpu", { mask: cpumask, csd: cpuArray(u64), last: u64 });
    const more = record("cpu", { ctxs: array(6, u64), more: u64 });
    const { layout } = assemble({ entries: [], records: [wide, more, wide], cpus: 65, radixBits: 9 });
    expect(layout.words).toEqual({ global: 0, mm: 0, cpu: 80, task: 0, table: 0, frame: 0 });
    expect(layout.fields).toEqual([
      { record: "cpu", name: "mask", word: 0, words: 2, kind: "mask" },
      { record: "cpu", name: "csd", word: 2, words: 65, kind: "array" },
      { record: "cpu", name: "last", word: 67, words: 1, kind: "word" },
      { record: "cpu", name: "ctxs", word: 72, words: 6, kind: "array" },
      { record: "cpu", name: "more", word: 78, words: 1, kind: "word" },
    ]);
  });

  it("an op names its field by record kind and word, with the array's index beside the record's", () => {
    const source = program("p", ["cpu", "other"], (k, { cpu, other }) => {
      k.write("pending", percpu.at(cpu).pending_asid, other);
      k.write("csd", percpu.at(cpu).csd.at(other), cpu);
    });
    const [pending, csd] = build(source).ops;
    expect(pending).toMatchObject({ op: "ST", a: 0, b: NONE, c: 1, imm: (2n << 32n) | 8n });
    expect(csd).toMatchObject({ op: "ST", a: 0, b: 1, c: 0, imm: 2n << 32n });
  });
});
