/** What the kernel's programs do, one after the other, on a small machine: the naive twin of the engine. */

import { describe, expect, test } from "vitest";
import { policyNames } from "../src/policy/policies.js";
import { slots } from "../src/policy/slots.js";
import { ANON_RW, LOAD, privateFile, SHARED_MEMORY, STORE, Stage, sharedFile } from "./kernel-stage.js";

/** `never` loses the point of most of this file. */
const flushing = policyNames.filter((name) => name !== "never");

/** Four levels of 2 bits: 256 pages, 4 to a table. */
const TABLE = 4;

describe.each(flushing)("under policy %s", (policy) => {
  const stage = new Stage({ policy }).threads(2 * TABLE);

  test("a page is there after its first access, and an unmapped one is not", () => {
    expect(stage.touch(0, 0, STORE)).toBe(true);
    expect(stage.touch(1, 0, LOAD)).toBe(true);
    expect(stage.touch(0, 2 * TABLE, LOAD)).toBe(false);
  });

  test("both CPUs lose the write right when mprotect takes it, and get it back", () => {
    for (const cpu of [0, 1]) stage.touch(cpu, 1, STORE);
    stage.call(0, "mprotect", 0, TABLE, 1);
    for (const cpu of [0, 1]) {
      expect(stage.touch(cpu, 1, LOAD)).toBe(true);
      expect(stage.touch(cpu, 1, STORE)).toBe(false);
    }
    stage.call(1, "mprotect", 0, TABLE, 3);
    for (const cpu of [0, 1]) expect(stage.touch(cpu, 1, STORE)).toBe(true);
  });

  test("MADV_DONTNEED gives a fresh page to whoever comes next", () => {
    for (const cpu of [0, 1]) stage.touch(cpu, 2, STORE);
    const before = stage.pfn(0, 2);
    stage.call(0, "madvise", 2, 3, 4);
    expect(stage.pfn(0, 2)).toBe(0);
    expect(stage.reaches(1, 2, LOAD)).toBe(false);
    expect(stage.touch(1, 2, STORE)).toBe(true);
    expect(before).not.toBe(0);
  });

  test("mremap moves the page, and nobody finds it where it was", () => {
    const [old, young] = [4 * TABLE, 8 * TABLE + 1];
    stage.call(0, "mmap", old, old + 3, ANON_RW);
    for (const cpu of [0, 1]) stage.touch(cpu, old, STORE);
    const before = stage.pfn(0, old);
    stage.call(0, "mremap", old, 3, young, 5);
    expect([stage.pfn(0, old), stage.pfn(0, young)]).toEqual([0, before]);
    for (const cpu of [0, 1]) expect(stage.reaches(cpu, old, LOAD)).toBe(false);
    expect(stage.touch(1, old, LOAD)).toBe(false);
    for (const vpn of [young, young + 4]) expect(stage.touch(1, vpn, STORE)).toBe(true);
    stage.call(0, "mremap", young, 5, young, 1);
    expect(stage.touch(1, young, STORE)).toBe(true);
    expect(stage.touch(1, young + 1, STORE)).toBe(false);
    stage.call(0, "munmap", young, young + 1);
    expect(stage.violations()).toEqual([]);
  });

  test("MADV_FREE keeps the page and cleans it", () => {
    stage.touch(0, 3, STORE);
    const before = stage.pfn(0, 3);
    stage.call(0, "madvise", 3, 4, 8);
    expect(stage.pfn(0, 3)).toBe(before);
    expect(stage.pte(0, 3) & (1n << 6n)).toBe(0n);
  });

  test("parent and child write to frames of their own after fork", () => {
    stage.touch(0, 0, STORE);
    stage.call(0, "fork", 1, 5);
    stage.switch(1, 5);
    expect(stage.pfn(1, 0)).toBe(stage.pfn(0, 0));
    expect(stage.touch(1, 0, STORE)).toBe(true);
    expect(stage.touch(0, 0, STORE)).toBe(true);
    expect(stage.pfn(1, 0)).not.toBe(stage.pfn(0, 0));
    stage.exit(1);
    stage.switch(1, 1);
  });

  test("a page of a file is shared by mappings that share it, and copied by one that does not", () => {
    stage.call(0, "mmap", 8, 9, sharedFile(1));
    stage.call(0, "mmap", 9, 10, sharedFile(1) - (1n << 20n) + (1n << 64n));
    stage.call(0, "mmap", 10, 11, privateFile(1) + (((1n << 44n) - 2n) << 20n));
    for (const vpn of [8, 9, 10]) expect(stage.touch(0, vpn, LOAD)).toBe(true);
    expect(stage.pfn(0, 9)).toBe(stage.pfn(0, 8));
    expect(stage.pfn(0, 10)).toBe(stage.pfn(0, 8));
    expect(stage.touch(1, 10, STORE)).toBe(true);
    expect(stage.touch(1, 9, STORE)).toBe(true);
    expect(stage.pfn(0, 9)).toBe(stage.pfn(0, 8));
    expect(stage.pfn(0, 10)).not.toBe(stage.pfn(0, 8));
  });

  test("the heap grows, and shrinks without what was behind its new end", () => {
    stage.call(0, "brk", 32, 40);
    for (const vpn of [32, 39]) expect(stage.touch(1, vpn, STORE)).toBe(true);
    stage.call(0, "brk", 40, 36);
    expect(stage.touch(1, 39, LOAD)).toBe(false);
    expect(stage.touch(1, 32, STORE)).toBe(true);
  });

  test("exec leaves nothing, and an image can be mapped behind it", () => {
    stage.call(0, "exec");
    expect(stage.touch(0, 0, LOAD)).toBe(false);
    stage.call(0, "image", 0, 2, ANON_RW);
    expect(stage.touch(0, 1, STORE)).toBe(true);
  });

  test("all frames and tables are free again when the last task has gone", () => {
    for (const cpu of [0, 1]) stage.exit(cpu);
    expect(stage.leaks()).toEqual({ frames: 0, tables: 0 });
    expect(stage.violations()).toEqual([]);
  });
});

describe("what a flush costs", () => {
  const pages = 6;
  function flushes(policy: string): number {
    const stage = new Stage({ policy, entries: ["munmap"] }).threads(pages);
    for (let vpn = 0; vpn < pages; vpn++) stage.touch(1, vpn, STORE);
    stage.call(0, "munmap", 0, pages - 1);
    return stage.count("flushes.remote");
  }

  test("a gather flushes once, eager once per page and table", () => {
    expect(flushes("deferred")).toBe(1);
    expect(flushes("eager")).toBe(pages - 1 + 1);
    expect(flushes("coherent")).toBe(0);
    expect(flushes("never")).toBe(0);
  });

  test("a lazy CPU is left alone until it comes back", () => {
    const stage = new Stage({ entries: ["munmap"] }).threads(TABLE);
    stage.touch(1, 0, STORE);
    stage.idle(1);
    stage.call(0, "munmap", 0, 1);
    expect(stage.count("ipis.skippedLazy")).toBe(1);
    expect(stage.count("ipis.targets")).toBe(0);
    const before = stage.count("flushes.taskSwitch");
    stage.switch(1, 1);
    expect(stage.count("flushes.taskSwitch")).toBe(before + 1);
  });

  test("a CPU that has left the address space is asked once more, and then no more", () => {
    const stage = new Stage({ entries: ["munmap"] }).threads(2 * TABLE);
    stage.task(5, 1);
    stage.switch(1, 5);
    for (const vpn of [0, TABLE]) {
      stage.touch(0, vpn, STORE);
      // Page tables are freed, so every CPU of the mask is asked.
      stage.call(0, "munmap", vpn, vpn + TABLE);
    }
    expect(stage.count("ipis.targets")).toBe(1);
    expect(stage.count("ipis.wasted")).toBe(1);
  });

  test("more pages than the ceiling are flushed as one", () => {
    const stage = new Stage({ entries: ["mprotect"], tunables: { tlb_single_page_flush_ceiling: 3 } });
    stage.threads(TABLE);
    for (let vpn = 0; vpn < TABLE; vpn++) stage.touch(0, vpn, STORE);
    stage.call(0, "mprotect", 0, 3, 1);
    expect([stage.count("flushes.ranged"), stage.count("flushes.full")]).toEqual([2, 0]);
    stage.call(0, "mprotect", 0, TABLE, 0);
    expect([stage.count("flushes.ranged"), stage.count("flushes.full")]).toEqual([2, 2]);
  });

  test("with a ceiling of 0 every flush is of everything", () => {
    const stage = new Stage({ entries: ["mprotect"], tunables: { tlb_single_page_flush_ceiling: 0 } });
    stage.threads(TABLE);
    stage.touch(0, 0, STORE);
    stage.call(0, "mprotect", 0, 1, 1);
    expect([stage.count("flushes.ranged"), stage.count("flushes.full")]).toEqual([0, 2]);
  });

  test("Arm broadcasts each page by itself, and waits once", () => {
    const stage = new Stage({ set: { shootdown: "tlbi" }, entries: ["mprotect"] }).threads(TABLE);
    for (let vpn = 0; vpn < TABLE; vpn++) stage.touch(1, vpn, STORE);
    stage.call(0, "mprotect", 0, 3, 1);
    const counts = ["remote", "ranged", "pages", "full"].map((name) => stage.count(`flushes.${name}`));
    expect(counts).toEqual([1, 1, 3, 0]);
  });

  test("giving a right that is there already changes nothing", () => {
    const stage = new Stage({ entries: ["mprotect"] }).threads(TABLE);
    stage.touch(0, 0, STORE);
    stage.call(0, "mprotect", 0, TABLE, 3);
    expect(stage.count("flushes.avoided.nothing-changed")).toBe(1);
    expect(stage.count("flushes.local") + stage.count("flushes.remote")).toBe(0);
  });

  test("a full list of pages forces a flush in the middle", () => {
    const tunables = { MMU_GATHER_BUNDLE: 3, MAX_GATHER_BATCH: 3, MAX_GATHER_BATCH_COUNT: 1 };
    const stage = new Stage({ entries: ["munmap"], tunables }).threads(2 * TABLE);
    for (let vpn = 0; vpn < 7; vpn++) stage.touch(0, vpn, STORE);
    // Two in the first batch and two in the second: after four pages the list is full.
    stage.call(0, "munmap", 0, 7);
    expect(stage.count("flushes.remote")).toBe(2);
    expect(stage.violations()).toEqual([]);
  });

  test("a dirty page of a file is flushed before its table is unlocked", () => {
    const stage = new Stage({ entries: ["munmap"] }).threads(TABLE, sharedFile(1));
    stage.touch(0, 0, STORE);
    stage.call(0, "munmap", 0, 2);
    expect(stage.count("flushes.remote")).toBe(1);
  });
});

describe("what reclaim costs others", () => {
  /** Flushes by MADV_PAGEOUT of one page of the first table, and by MADV_DONTNEED of an absent page behind it. */
  function flushes(policy: string, vpn: number): { pageout: number; dontneed: number } {
    const stage = new Stage({ policy, entries: ["madvise"] }).threads(2 * TABLE);
    for (const page of [0, TABLE]) stage.touch(1, page, STORE);
    stage.call(0, "madvise", 0, 1, 21);
    const pageout = stage.count("flushes.remote");
    stage.call(0, "madvise", vpn, vpn + 1, 4);
    expect(stage.violations()).toEqual([]);
    return { pageout, dontneed: stage.count("flushes.remote") - pageout };
  }

  test.each([1, TABLE + 1])(
    "counters have the next caller flush again, generations do not (page %i)",
    (vpn) => {
      expect(flushes("deferred", vpn).dontneed).toBe(1);
      expect(flushes("unified", vpn).dontneed).toBe(0);
      expect(flushes("eager", vpn).dontneed).toBe(0);
    },
  );

  test.each(Object.keys(slots.shootdown!.variants).filter((name) => name !== "none"))(
    "unified owes nothing when all is done, with shootdown=%s",
    (shootdown) => {
      const entries = ["madvise", "mprotect", "munmap"];
      const stage = new Stage({ policy: "unified", set: { shootdown }, entries }).threads(2 * TABLE);
      for (const page of [0, 1, TABLE]) stage.touch(1, page, STORE);
      stage.call(0, "madvise", 0, 1, 21);
      stage.call(0, "mprotect", 0, 2 * TABLE, 1);
      stage.call(1, "madvise", 1, TABLE + 1, 4);
      stage.call(0, "munmap", 0, 2 * TABLE);
      expect(stage.field("mm", 0, "tlb_gen_completed")).toBe(stage.field("mm", 0, "tlb_gen"));
      expect(stage.field("mm", 0, "tlb_gen")).toBeGreaterThan(3n);
      expect(stage.violations()).toEqual([]);
    },
  );

  test("a page comes back from swap in another frame, and its slot is free again", () => {
    const stage = new Stage({ entries: ["madvise", "exit"] }).threads(TABLE);
    stage.touch(1, 0, STORE);
    stage.call(0, "madvise", 0, 1, 21);
    expect(stage.pte(0, 0) & 1n).toBe(0n);
    expect(stage.touch(1, 0, STORE)).toBe(true);
    expect(stage.count("faults.major")).toBe(1);
    for (const cpu of [0, 1]) stage.exit(cpu);
    expect(stage.leaks()).toEqual({ frames: 0, tables: 0 });
  });
});

describe("faults", () => {
  test("a page that is only read is the page of zeroes, and a copy from the first write on", () => {
    const stage = new Stage({ entries: [] }).threads(TABLE);
    for (const vpn of [0, 1]) stage.touch(0, vpn, LOAD);
    expect(stage.pfn(0, 0)).toBe(stage.pfn(0, 1));
    stage.touch(0, 0, STORE);
    expect(stage.pfn(0, 0)).not.toBe(stage.pfn(0, 1));
    expect([stage.count("faults.minor"), stage.count("faults.cow")]).toEqual([2, 1]);
  });

  test("the last owner of a page writes to it without a copy", () => {
    const stage = new Stage({ entries: ["fork", "exit"] }).threads(TABLE);
    stage.touch(0, 0, STORE);
    stage.call(0, "fork", 1, 5);
    stage.switch(1, 5);
    stage.exit(1);
    const frame = stage.pfn(0, 0);
    stage.touch(0, 0, STORE);
    expect(stage.pfn(0, 0)).toBe(frame);
    expect(stage.count("faults.cow")).toBe(0);
  });

  test("shared memory stays shared over fork", () => {
    const stage = new Stage({ entries: ["fork"] }).threads(TABLE, SHARED_MEMORY);
    stage.touch(0, 0, STORE);
    stage.call(0, "fork", 1, 5);
    stage.switch(1, 5);
    stage.touch(1, 0, STORE);
    expect(stage.pfn(1, 0)).toBe(stage.pfn(0, 0));
  });

  test("without memory the fault fails, and nothing is lost", () => {
    const stage = new Stage({ entries: ["munmap"], config: { frames: 3 } }).threads(TABLE);
    expect([0, 1, 2].map((vpn) => stage.touch(0, vpn, STORE))).toEqual([true, true, false]);
    expect(stage.count("faults.oom")).toBe(1);
    stage.call(0, "munmap", 0, TABLE);
    expect(stage.leaks().frames).toBe(0);
  });
});

test("without PCIDs an address space is loaded with a flush every time", () => {
  const stage = new Stage({ pcid: false, entries: ["munmap"] }).threads(TABLE);
  stage.task(5, 1);
  stage.switch(1, 5);
  stage.switch(1, 1);
  expect(stage.count("flushes.taskSwitch")).toBe(4);
});

test("a page that is dirty already is mapped as dirty where it may be written without a fault", () => {
  const DIRTY = 1n << 6n;
  const isDirty = (stage: Stage, vpn: number): boolean => (stage.pte(0, vpn) & DIRTY) !== 0n;
  const readAgain = (mapping: bigint): boolean[] => {
    const stage = new Stage({ entries: ["madvise"], tunables: { fault_around_pages: 4 } });
    stage.threads(4, mapping);
    for (const vpn of [0, 1]) stage.touch(0, vpn, STORE);
    stage.touch(0, 2, LOAD);
    stage.call(0, "madvise", 0, 4, 4);
    // The fault on page 0 maps its neighbours too.
    stage.touch(0, 0, LOAD);
    return [0, 1, 2].map((vpn) => isDirty(stage, vpn));
  };
  expect(readAgain(SHARED_MEMORY)).toEqual([true, true, false]);
  expect(readAgain(sharedFile(1))).toEqual([false, false, false]);
});

test.each(["batched-counters", "batched-flag", "eager", "unified"])(
  "a page that is shared since a fork goes to swap from all who map it, and comes back: %s",
  (reclaim) => {
    const stage = new Stage({ entries: ["fork", "reclaim", "munmap"], set: { reclaim }, cpus: 3 });
    stage.threads(4);
    stage.touch(0, 0, STORE);
    stage.call(0, "fork", 1, 5);
    stage.switch(1, 5);
    stage.call(1, "fork", 2, 6);
    stage.switch(2, 6);
    for (const cpu of [0, 1, 2]) stage.touch(cpu, 0, LOAD);
    const pfn = stage.pfn(0, 0);
    expect([1, 2].map((mm) => stage.pfn(mm, 0))).toEqual([pfn, pfn]);
    stage.call(0, "reclaim", pfn, pfn + 1);
    expect([0, 1, 2].map((cpu) => stage.reaches(cpu, 0, LOAD))).toEqual([false, false, false]);
    expect(stage.field("frame", pfn, "_refcount")).toBe(0n);
    for (const cpu of [0, 1, 2]) expect(stage.touch(cpu, 0, LOAD)).toBe(true);
    expect([1, 2].map((mm) => stage.pfn(mm, 0))).toEqual([stage.pfn(0, 0), stage.pfn(0, 0)]);
    // One of them writes, and has a page of its own.
    stage.touch(1, 0, STORE);
    expect(stage.pfn(1, 0)).not.toBe(stage.pfn(0, 0));
    expect(stage.violations()).toEqual([]);
  },
);
