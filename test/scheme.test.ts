import { describe, expect, test } from "vitest";
import {
  AssembleError,
  assemble,
  type Builder,
  instead,
  program,
  record,
  routine,
  u64,
} from "../src/dsl/index.js";
import {
  flush_tlb_mm_range,
  kernelProgram,
  type Mm,
  tlb_finish_mmu,
  tlb_gather_mmu,
} from "../src/kernel/index.js";
import { policy } from "../src/policy/policies.js";
import { byNumbersInNames } from "../src/scenario/all.js";
import { stage } from "../src/scenario/stage.js";

const counters = record("global", { counter: u64 });
const raise = routine("raise", (k: Builder, by: number) => {
  k.add("counter", counters.at().counter, by);
});
const twice = program("twice", [], (k) => {
  raise(k, 1);
  raise(k, 2);
});
const input = { entries: [twice], records: [counters], cpus: 1, radixBits: 2 };
const labels = (paths: readonly { path: string }[]): string[] => paths.map(({ path }) => path);

describe("a routine in the place of another", () => {
  test("stands wherever the other is called, and can call it", () => {
    const louder = instead(raise, "louder", (original, k, by) => {
      k.add("before", counters.at().counter, 10);
      original(k, by + 1);
    });
    const { sites } = assemble({ ...input, replace: [louder] });
    expect(labels(sites)).toEqual([
      "twice.louder.before",
      "twice.louder.raise.counter",
      "twice.louder#2.before",
      "twice.louder#2.raise.counter",
      "twice.return",
    ]);
  });

  test("does not outlive its assembly", () => {
    assemble({ ...input, replace: [instead(raise, "nothing", () => {})] });
    expect(labels(assemble(input).sites)).toContain("twice.raise.counter");
  });

  test("is refused when there are two, when it calls itself, and when there is nothing to replace", () => {
    const one = instead(raise, "one", () => {});
    const itself = instead(raise, "itself", (_original, k, by) => raise(k, by));
    expect(() => assemble({ ...input, replace: [one, one] })).toThrow(
      /scheme\.test\.ts|second routine in one place/,
    );
    expect(() => assemble({ ...input, replace: [itself] })).toThrow(/routine "itself" calls itself/);
    expect(() => instead(tlb_gather_mmu, "mine", (_original, _k, _opt, _mm) => undefined as never)).toThrow(
      AssembleError,
    );
  });
});

describe("a policy of one's own", () => {
  const mine = policy({
    name: "mine",
    title: "counts the flushes",
    base: "eager",
    set: { protect: "gather" },
    tunables: { MMU_GATHER_BUNDLE: 2 },
    records: [record("mm", { seen: u64 })],
    routines: [
      instead(flush_tlb_mm_range, "counted_flush", (original, k, opt, mm: Mm, ...range) => {
        k.count("flushes.mine");
        original(k, opt, mm, ...range);
      }),
      instead(tlb_finish_mmu, "my_finish", (original, k, opt, tlb) => original(k, opt, tlb)),
    ],
    programs: () => [
      program("madvise", ["start", "end", "advice"], () => {}),
      program("extra", [], () => {}),
    ],
  });

  test("has its base's variants but where it says otherwise", () => {
    expect(mine.slots).toMatchObject({ unmap: "eager", protect: "gather", "need-flush": "always" });
    expect(() => policy({ name: "x", title: "", base: "deferd" })).toThrow("did you mean 'deferred'?");
    expect(() => policy({ name: "x", title: "", set: { unmap: "no" } })).toThrow(
      "unknown variant of slot 'unmap'",
    );
  });

  test("puts its routines and programs into the kernel", () => {
    const {
      counters: counted,
      entries,
      sites,
      layout,
    } = kernelProgram(mine.slots, {
      cpus: 2,
      radixBits: 9,
      ...(mine.scheme && { scheme: mine.scheme }),
    });
    expect(counted).toContain("flushes.mine");
    expect(layout.fields.map(({ name }) => name)).toContain("seen");
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(["munmap", "extra"]));
    expect(entries.filter(({ name }) => name === "madvise")).toHaveLength(1);
    expect(sites.some(({ path }) => path.startsWith("madvise.") && !path.endsWith("return"))).toBe(false);
    expect(sites.some(({ path }) => path.includes("counted_flush.flush_tlb_mm_range"))).toBe(true);
  });

  test("plays on a stage, with its programs", () => {
    const { program: assembled } = stage({ policy: mine, entries: ["munmap"], setup: [], threads: [] });
    expect(assembled.entries.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["munmap", "extra", "madvise"]),
    );
    expect(assembled.counters).toContain("flushes.mine");
  });
});

test("scenarios are listed by the numbers in their names", () => {
  expect(["B11-x", "B2-x", "A8", "B2-a"].sort(byNumbersInNames)).toEqual(["A8", "B2-a", "B2-x", "B11-x"]);
});
