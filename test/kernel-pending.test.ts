/** What userfaultfd, soft-dirty tracking, NUMA balancing, KSM and writing back do to a page, one after the other and undisturbed. */

import { describe, expect, test } from "vitest";
import { slots } from "../src/policy/slots.js";
import { LOAD, STORE, Stage, sharedFile } from "./kernel-stage.js";

const WATCHED = 0b100_0111n;
const PRESENT = 1n << 0n;
const WRITE = 1n << 1n;
const DIRTY = 1n << 6n;
const SOFT_DIRTY = 1n << 11n;
const PROTECT = 1;
const RESOLVE = 0;

function has(stage: Stage, vpn: number, bits: bigint): boolean {
  return (stage.pte(0, vpn) & bits) === bits;
}

describe("userfaultfd", () => {
  const watched = (set = {}): Stage => {
    const stage = new Stage({ entries: ["userfaultfd_writeprotect"], set }).threads(4, WATCHED);
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    return stage;
  };

  test.each(Object.keys(slots.protect!.variants))(
    "takes the write right from every CPU with protect=%s, and a write is for the monitor",
    (protect) => {
      const stage = watched({ protect });
      stage.call(0, "userfaultfd_writeprotect", 0, 4, PROTECT);
      expect(stage.reaches(1, 0, STORE)).toBe(false);
      expect(stage.reaches(1, 0, LOAD)).toBe(true);
      expect(stage.touch(1, 0, STORE)).toBe(false);
      expect(stage.count("faults.userfault")).toBe(1);
    },
  );

  test("gives the write right back when the protection is lifted", () => {
    const stage = watched();
    stage.call(0, "userfaultfd_writeprotect", 0, 4, PROTECT);
    stage.call(0, "userfaultfd_writeprotect", 0, 4, RESOLVE);
    expect(has(stage, 0, WRITE)).toBe(true);
    expect(stage.touch(1, 0, STORE)).toBe(true);
    expect(stage.violations()).toEqual([]);
  });

  test("flushes under the page-table lock with protect=per-table", () => {
    const stage = watched({ protect: "per-table" });
    stage.start(0, "userfaultfd_writeprotect", 0, 4, PROTECT);
    stage.reach(0, "unlock ptl");
    expect(stage.reaches(1, 0, STORE)).toBe(false);
  });

  test("leaves mappings alone that it does not watch", () => {
    const stage = new Stage({ entries: ["userfaultfd_writeprotect"] }).threads(4);
    stage.touch(0, 0, STORE);
    stage.call(0, "userfaultfd_writeprotect", 0, 4, PROTECT);
    expect(has(stage, 0, WRITE)).toBe(true);
  });
});

test("soft-dirty tracking starts anew with clear_refs, and a write sets the bit again", () => {
  const stage = new Stage({ entries: ["clear_refs"] }).threads(4);
  for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
  expect(has(stage, 0, SOFT_DIRTY)).toBe(true);
  stage.call(0, "clear_refs");
  expect(has(stage, 0, SOFT_DIRTY)).toBe(false);
  expect(stage.reaches(1, 0, STORE)).toBe(false);
  expect(stage.touch(1, 0, STORE)).toBe(true);
  expect(has(stage, 0, WRITE | SOFT_DIRTY)).toBe(true);
  expect(stage.count("faults.cow")).toBe(0);
});

describe("NUMA balancing", () => {
  const hinted = (): { stage: Stage; before: number } => {
    const stage = new Stage({ entries: ["task_numa_work"] }).threads(4);
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    const before = stage.pfn(0, 0);
    stage.call(0, "task_numa_work", 0, 4);
    return { stage, before };
  };

  test("makes pages inaccessible", () => {
    const { stage } = hinted();
    expect(has(stage, 0, PRESENT)).toBe(false);
    expect(stage.reaches(1, 0, LOAD)).toBe(false);
  });

  test("moves the page to the CPU that faults, and frees the old frame", () => {
    const { stage, before } = hinted();
    expect(stage.touch(1, 0, STORE)).toBe(true);
    expect(stage.pfn(0, 0)).not.toBe(before);
    expect(stage.field("frame", before, "_refcount")).toBe(0n);
    expect(stage.field("frame", stage.pfn(0, 0), "_mapcount")).toBe(1n);
    expect(stage.violations()).toEqual([]);
    expect(stage.leaks().frames).toBe(1);
  });

  test("lets whoever meets the page on its way fault again until it has arrived", () => {
    const { stage } = hinted();
    stage.start(1, "page_fault", 0, 1);
    stage.reach(1, "folio_mc_copy");
    stage.start(0, "page_fault", 0, 1);
    expect(stage.alone(0)).toBe(true);
    expect(stage.machine.status(0)).toBe(0n);
    expect(stage.reaches(0, 0, STORE)).toBe(false);
    stage.finish(1);
    expect(stage.touch(0, 0, STORE)).toBe(true);
    expect(stage.violations()).toEqual([]);
    expect(stage.leaks().frames).toBe(1);
  });

  test("leaves a page where it is that somebody else has a reference to", () => {
    const { stage, before } = hinted();
    stage.machine.poke("frame", before, 0, 2n);
    expect(stage.touch(1, 0, STORE)).toBe(true);
    expect(stage.pfn(0, 0)).toBe(before);
    expect(stage.field("frame", before, "_refcount")).toBe(2n);
    expect(stage.leaks().frames).toBe(1);
  });
});

describe("KSM", () => {
  const twoPages = (): { stage: Stage; kpage: number } => {
    const stage = new Stage({ entries: ["ksm_merge"] }).threads(4);
    stage.touch(0, 1, STORE);
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    stage.call(0, "ksm_merge", 1, 0);
    return { stage, kpage: stage.pfn(0, 1) };
  };

  test("puts an equal page in the place of another and frees that one", () => {
    const { stage, kpage } = twoPages();
    const before = stage.pfn(0, 0);
    stage.call(0, "ksm_merge", 0, kpage);
    expect(stage.pfn(0, 0)).toBe(kpage);
    expect(stage.field("frame", before, "_refcount")).toBe(0n);
    expect(stage.field("frame", kpage, "_refcount")).toBe(2n);
    expect(stage.reaches(1, 0, STORE)).toBe(false);
  });

  test("makes pages that a write copies again", () => {
    const { stage, kpage } = twoPages();
    stage.call(0, "ksm_merge", 0, kpage);
    expect(stage.touch(1, 0, STORE)).toBe(true);
    expect(stage.pfn(0, 0)).not.toBe(kpage);
    expect(stage.field("frame", kpage, "_refcount")).toBe(1n);
    expect(stage.violations()).toEqual([]);
  });

  test("leaves a page alone that somebody else has a reference to", () => {
    const { stage, kpage } = twoPages();
    const before = stage.pfn(0, 0);
    stage.machine.poke("frame", before, 0, 2n);
    stage.call(0, "ksm_merge", 0, kpage);
    expect(stage.pfn(0, 0)).toBe(before);
  });
});

test("msync() leaves a page clean and write-protected, and a write makes it dirty again", () => {
  const stage = new Stage({ entries: ["msync"] }).threads(4, sharedFile(1));
  for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
  const pfn = stage.pfn(0, 0);
  const isDirty = (): boolean => (stage.field("frame", pfn, "flags") & 4n) !== 0n;
  expect(isDirty()).toBe(true);
  stage.call(0, "msync", 0, 4);
  expect([isDirty(), has(stage, 0, DIRTY), stage.reaches(1, 0, STORE)]).toEqual([false, false, false]);
  expect(stage.touch(1, 0, STORE)).toBe(true);
  expect([isDirty(), has(stage, 0, DIRTY)]).toEqual([true, true]);
});

test("msync() finds a page of the file wherever a process maps it, also behind fork()", () => {
  const stage = new Stage({ entries: ["msync", "fork"], cpus: 3 }).threads(4, sharedFile(1));
  stage.call(0, "fork", 1, 5);
  stage.task(6, 2);
  for (const [cpu, task] of [
    [1, 5],
    [2, 6],
  ] as const)
    stage.switch(cpu, task);
  // Page 1 of the file, one page higher than the others have it.
  stage.call(2, "mmap", 2, 4, sharedFile(1) | (((1n << 44n) - 1n) << 20n));
  for (const [cpu, vpn] of [
    [0, 1],
    [1, 1],
    [2, 2],
  ] as const)
    stage.touch(cpu, vpn, STORE);
  expect(stage.pfn(2, 2)).toBe(stage.pfn(0, 1));
  stage.call(0, "msync", 0, 4);
  expect([stage.reaches(0, 1, STORE), stage.reaches(1, 1, STORE), stage.reaches(2, 2, STORE)]).toEqual([
    false,
    false,
    false,
  ]);
  expect(stage.violations()).toEqual([]);
});

describe("a write fault while a flush is pending", () => {
  /** CPU 0 has announced a flush and not made it; CPU 1 writes to a read-only page of a mapping of this kind. Flushes are counted. */
  function flushesOnFault(pending: string, mapping: bigint): number {
    const entries = ["userfaultfd_writeprotect", "mprotect"];
    const stage = new Stage({ entries, set: { pending }, mutants: { "B-uffd-no-upgrade": true } });
    stage.threads(4, mapping);
    stage.touch(0, 0, STORE);
    stage.start(0, "userfaultfd_writeprotect", 0, 4, RESOLVE);
    stage.until(0, "unlock ptl");
    stage.machine.step(0);
    stage.start(1, "page_fault", 0, 5);
    stage.alone(1);
    return stage.count("flushes.onWriteFault");
  }

  test.each([
    ["none", 0],
    ["uffd-armed", 1],
    ["any", 1],
    ["armed-or-softdirty", 1],
    ["bloom", 1],
    ["deferred-gen", 1],
    // The page is exclusive, so it is reused.
    ["copy-only", 0],
  ])("pending=%s: %i flushes", (pending, flushes) => {
    expect(flushesOnFault(pending, WATCHED)).toBe(flushes);
  });
});
