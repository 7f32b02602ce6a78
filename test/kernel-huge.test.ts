/** Pages of 2M and 1G, on a small machine whose tables have four entries: they are 4 and 16 pages long. */

import { describe, expect, test } from "vitest";
import { ANON_RW, LOAD, STORE, Stage } from "./kernel-stage.js";

const [SPAN, GIANT] = [4, 16];
/** A private mapping with pages of 1G (src/kernel/vma.ts). */
const GIGANTIC_RW = ANON_RW | (3n << 8n);
const [PRESENT, DIRTY, LARGE] = [1n, 1n << 6n, 1n << 7n];
const [MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_COLLAPSE] = [4, 8, 14, 25];

/** The first entry on the way to a page that leads to no table. */
function leafOf(stage: Stage, vpn: number): { level: number; value: bigint } {
  const { tables } = stage.machine.state();
  let table = Number(stage.field("mm", 0, "pgd"));
  for (let level = 3; ; level--) {
    const index = Math.floor(vpn / 4 ** level) % 4;
    const value = tables[table - 1]!.entries.find((one) => one.index === index)?.value ?? 0n;
    if (level === 0 || (value & LARGE) !== 0n || (value & PRESENT) === 0n) return { level, value };
    table = Number((value >> 12n) & 0xffffffffffn);
  }
}

function large(policy = "deferred", value = ANON_RW): Stage {
  return new Stage({ policy, set: { thp: "always" } }).threads(4 * SPAN, value);
}

describe.each(["eager", "deferred", "unified"])("a 2M page under %s", (policy) => {
  test("serves all its pages with one fault and one translation", () => {
    const stage = large(policy);
    stage.touch(0, SPAN, STORE);
    expect(leafOf(stage, SPAN).level).toBe(1);
    for (let vpn = SPAN; vpn < 2 * SPAN; vpn++) expect(stage.reaches(0, vpn, STORE)).toBe(true);
    expect(stage.machine.state().cpus[0]!.tlb.l1d2m).toHaveLength(1);
    expect(stage.count("faults.minor")).toBe(1);
  });

  test("goes as a whole, and nobody finds it any more", () => {
    const stage = large(policy);
    for (const cpu of [0, 1]) stage.touch(cpu, SPAN, STORE);
    stage.call(0, "madvise", SPAN, 2 * SPAN, MADV_DONTNEED);
    for (const cpu of [0, 1]) expect(stage.reaches(cpu, SPAN + 1, LOAD)).toBe(false);
    expect(stage.violations()).toEqual([]);
    expect(stage.machine.state().freeBlocks[0]).toHaveLength(1);
  });

  test("is split when a part of it goes, and the rest stays where it was", () => {
    const stage = large(policy);
    for (const cpu of [0, 1]) stage.touch(cpu, SPAN, STORE);
    const head = leafOf(stage, SPAN).value >> 12n;
    stage.call(0, "munmap", SPAN, SPAN + 1);
    expect(leafOf(stage, SPAN).value).toBe(0n);
    expect(leafOf(stage, SPAN + 1).level).toBe(0);
    expect(leafOf(stage, SPAN + 1).value >> 12n).toBe(head + 1n);
    expect(stage.touch(1, SPAN, LOAD)).toBe(false);
    expect(stage.touch(1, SPAN + 1, STORE)).toBe(true);
    stage.call(0, "munmap", 0, 4 * SPAN);
    expect(stage.violations()).toEqual([]);
  });

  test("loses its write right and gets it back as a whole", () => {
    const stage = large(policy);
    for (const cpu of [0, 1]) stage.touch(cpu, SPAN, STORE);
    stage.call(0, "mprotect", SPAN, 2 * SPAN, 1);
    for (const cpu of [0, 1]) expect(stage.touch(cpu, SPAN + 2, STORE)).toBe(false);
    stage.call(0, "mprotect", SPAN, 2 * SPAN, 3);
    for (const cpu of [0, 1]) expect(stage.touch(cpu, SPAN + 2, STORE)).toBe(true);
    expect(leafOf(stage, SPAN).level).toBe(1);
  });

  test("is clean after MADV_FREE", () => {
    const stage = large(policy);
    stage.touch(0, SPAN, STORE);
    stage.call(0, "madvise", SPAN, 2 * SPAN, MADV_FREE);
    expect(leafOf(stage, SPAN).value & DIRTY).toBe(0n);
  });

  test("comes of small pages that MADV_COLLAPSE copies", () => {
    const stage = new Stage({ policy, set: { thp: "madvise" } }).threads(4 * SPAN);
    for (const vpn of [SPAN, SPAN + 1, SPAN + 3]) for (const cpu of [0, 1]) stage.touch(cpu, vpn, STORE);
    expect(leafOf(stage, SPAN).level).toBe(0);
    stage.call(0, "madvise", 0, 4 * SPAN, MADV_COLLAPSE);
    expect(leafOf(stage, SPAN).level).toBe(1);
    for (const cpu of [0, 1]) expect(stage.reaches(cpu, SPAN + 2, STORE)).toBe(true);
    expect(stage.violations()).toEqual([]);
    stage.call(0, "munmap", 0, 4 * SPAN);
    expect(stage.machine.state().freeBlocks[0]).toHaveLength(1);
  });

  test("moves as small pages", () => {
    const stage = large(policy);
    stage.touch(0, SPAN, STORE);
    stage.call(0, "mremap", SPAN, SPAN, 16 * SPAN + 1, SPAN);
    expect(stage.reaches(0, 16 * SPAN + 1, STORE)).toBe(true);
    expect(stage.touch(1, SPAN, LOAD)).toBe(false);
    expect(stage.violations()).toEqual([]);
  });
});

test.each([
  ["userfaultfd's write protection", "userfaultfd_writeprotect", [SPAN, 2 * SPAN, 1]],
  ["soft-dirty tracking", "clear_refs", []],
] as const)("%s splits a 2M page, and the next write faults", (_, entry, args) => {
  const stage = large("deferred", ANON_RW | (1n << 6n));
  for (const cpu of [0, 1]) stage.touch(cpu, SPAN, STORE);
  stage.call(0, entry, ...args);
  expect(leafOf(stage, SPAN).level).toBe(0);
  for (const cpu of [0, 1]) expect(stage.reaches(cpu, SPAN + 1, STORE)).toBe(false);
  expect(stage.violations()).toEqual([]);
});

test("NUMA balancing leaves a 2M page alone", () => {
  const stage = large();
  stage.touch(0, SPAN, STORE);
  stage.call(0, "task_numa_work", 0, 4 * SPAN);
  expect(stage.touch(0, SPAN, STORE)).toBe(true);
  expect(leafOf(stage, SPAN).level).toBe(1);
});

test("MADV_HUGEPAGE is what asks for 2M pages where they are not given to all", () => {
  const stage = new Stage({ set: { thp: "madvise" } }).threads(4 * SPAN);
  stage.call(0, "madvise", 2 * SPAN, 4 * SPAN, MADV_HUGEPAGE);
  for (const vpn of [0, 2 * SPAN]) stage.touch(0, vpn, STORE);
  expect([0, 2 * SPAN].map((vpn) => leafOf(stage, vpn).level)).toEqual([0, 1]);
});

test("a 1G page is mapped, protected and unmapped as one", () => {
  const stage = new Stage({ set: { thp: "madvise" } }).threads(SPAN);
  stage.call(0, "mmap", 2 * GIANT, 3 * GIANT, GIGANTIC_RW);
  for (const cpu of [0, 1]) stage.touch(cpu, 2 * GIANT + 7, STORE);
  expect(leafOf(stage, 2 * GIANT).level).toBe(2);
  expect(
    stage.machine.state().cpus[1]!.tlb.stlb1g.length + stage.machine.state().cpus[1]!.tlb.l1d1g.length,
  ).toBeGreaterThan(0);
  stage.call(0, "mprotect", 2 * GIANT, 3 * GIANT, 1);
  expect(stage.touch(1, 2 * GIANT, STORE)).toBe(false);
  stage.call(0, "munmap", 2 * GIANT, 3 * GIANT);
  for (const cpu of [0, 1]) expect(stage.reaches(cpu, 2 * GIANT + 1, LOAD)).toBe(false);
  expect(stage.violations()).toEqual([]);
  expect(stage.machine.state().freeBlocks[1]).toHaveLength(1);
});

test("where no 2M lie in a row, small pages do", () => {
  const stage = new Stage({ set: { thp: "always" }, config: { frames: 4 } }).threads(SPAN);
  stage.touch(0, 0, STORE);
  expect(leafOf(stage, 0).level).toBe(0);
});
