/**
 * Every rule of the kernel that a build can break, with a schedule in which breaking it shows; the build as it should
 * be passes the same schedule.
 */

import { describe, expect, test } from "vitest";
import { MUTANTS, type MutantName } from "../src/kernel/options.js";
import { LOAD, SHARED_MEMORY, STORE, Stage, type StageOptions, sharedFile } from "./kernel-stage.js";

const WRITE = 1n << 1n;
const DIRTY = 1n << 6n;
const covered: string[] = [];

/** Plays the same schedule with both builds. */
function canary<T>(
  mutant: MutantName,
  options: StageOptions,
  play: (stage: Stage) => T,
  outcome: { right: T; wrong: T },
): void {
  covered.push(mutant);
  describe(mutant, () => {
    test("not in the kernel as it should be", () => expect(play(new Stage(options))).toEqual(outcome.right));
    test(`in a build where ${MUTANTS[mutant]}`, () =>
      expect(play(new Stage({ ...options, mutants: { [mutant]: true } }))).toEqual(outcome.wrong));
  });
}

/** An access that nobody is entitled to, and what the oracle says of it. */
function late(stage: Stage, cpu: number, vpn: number, kind: 0 | 1): [reached: boolean, ...broken: string[]] {
  return [stage.reaches(cpu, vpn, kind), ...new Set(stage.violations())];
}

canary(
  "B-order-free",
  { entries: ["munmap"] },
  (stage) => {
    stage.threads(4);
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    stage.start(0, "munmap", 0, 4);
    stage.reach(0, "free_frozen_pages");
    stage.machine.step(0);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

/** CPU 0 has zapped a page and not flushed; CPU 1 zaps the same page, finds nothing, and returns. */
function secondZap(stage: Stage): unknown {
  stage.threads(4);
  stage.touch(2, 0, STORE);
  stage.start(0, "madvise", 0, 4, 4);
  stage.until(0, "inc_mm_tlb_gen");
  stage.start(1, "madvise", 0, 4, 4);
  stage.finish(1);
  return late(stage, 2, 0, LOAD);
}
canary("B-madv-miss", { cpus: 3, entries: ["madvise"] }, secondZap, {
  right: [false],
  wrong: [true, "stale-right"],
});
canary("B-dec-early", { cpus: 3, entries: ["madvise"] }, secondZap, {
  right: [false],
  wrong: [true, "stale-right"],
});

canary(
  "B-zap-mkclean",
  { entries: ["munmap"] },
  (stage) => {
    stage.threads(4, sharedFile(1));
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    const pfn = stage.pfn(0, 0);
    stage.start(0, "munmap", 0, 4);
    stage.until(0, "inc_mm_tlb_gen");
    return { writable: stage.reaches(1, 0, STORE), mapcount: stage.field("frame", pfn, "_mapcount") };
  },
  { right: { writable: true, mapcount: 1n }, wrong: { writable: true, mapcount: 0n } },
);

/** Both processes have written to a page of a file, and the first one has it written back. */
function writtenBack(stage: Stage): [mayWrite: boolean, reached: boolean, ...broken: string[]] {
  stage.threads(4, sharedFile(1));
  stage.task(5, 1);
  stage.switch(1, 5);
  stage.call(1, "mmap", 0, 4, sharedFile(1));
  for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
  stage.call(0, "msync", 0, 4);
  return [(stage.pte(1, 0) & WRITE) !== 0n, ...late(stage, 1, 0, STORE)];
}
canary("B-mkclean-one-mm", { entries: ["msync"] }, writtenBack, {
  right: [false, false],
  wrong: [true, true],
});
canary("B-mkclean-one-flush", { entries: ["msync"] }, writtenBack, {
  right: [false, false],
  wrong: [false, true, "lost-dirty"],
});

canary(
  "C-batch-one-mm",
  { entries: ["fork", "reclaim"], cpus: 3 },
  (stage) => {
    stage.threads(4);
    stage.touch(0, 0, STORE);
    stage.call(0, "fork", 1, 5);
    stage.switch(1, 5);
    stage.touch(1, 0, LOAD);
    const pfn = stage.pfn(0, 0);
    stage.call(2, "reclaim", pfn, pfn + 1);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

canary(
  "A-lazy-no-catch-up",
  { entries: ["munmap"] },
  (stage) => {
    stage.threads(4);
    stage.touch(1, 0, STORE);
    stage.idle(1);
    // The neighbours stay mapped, so no page table is freed and the lazy CPU is left alone.
    stage.call(0, "munmap", 0, 1);
    stage.switch(1, 1);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

canary(
  "A-lazy-tables",
  { entries: ["munmap"] },
  (stage) => {
    stage.threads(4);
    stage.touch(1, 0, STORE);
    stage.idle(1);
    stage.call(0, "munmap", 0, 4);
    const { root } = stage.machine.state().cpus[1]!;
    return { root };
  },
  { right: { root: 0 }, wrong: { root: 1 } },
);

/** CPU 1 runs another address space while CPU 0 unmaps a page that CPU 1 has in an old slot. */
function leftBehind(stage: Stage): void {
  stage.threads(4);
  stage.task(5, 1);
  stage.touch(1, 0, STORE);
  stage.switch(1, 5);
}

canary(
  "A-slot-no-catch-up",
  { entries: ["munmap"] },
  (stage) => {
    leftBehind(stage);
    stage.call(0, "munmap", 0, 1);
    stage.switch(1, 1);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

canary(
  "A-switching-window",
  { entries: ["munmap"] },
  (stage) => {
    leftBehind(stage);
    stage.start(1, "context_switch", 1);
    // The generation has been read, and says that the slot is good.
    stage.until(1, "load_new_mm_cr3");
    stage.drain(1);
    stage.start(0, "munmap", 0, 1);
    stage.alone(0);
    stage.alone(1);
    stage.settle();
    stage.machine.setTask(1, 1);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

canary(
  "A-switch-barrier",
  { entries: ["munmap"] },
  (stage) => {
    leftBehind(stage);
    stage.start(1, "context_switch", 1);
    stage.until(1, "load_new_mm_cr3");
    // The announcement may still be in CPU 1's store buffer: nothing drains it but the fence.
    stage.start(0, "munmap", 0, 1);
    stage.alone(0);
    stage.settle();
    stage.machine.setTask(1, 1);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

canary(
  "A-gen-reorder",
  { cpus: 3, policy: "eager", entries: ["madvise"] },
  (stage) => {
    stage.threads(8);
    for (const vpn of [0, 4]) stage.touch(2, vpn, STORE);
    // CPU 0 has the earlier generation, but CPU 1's request arrives first.
    stage.start(0, "madvise", 0, 1, 4);
    stage.until(0, "for_each_cpu");
    stage.start(1, "madvise", 4, 5, 4);
    stage.finish(1);
    stage.finish(0);
    return late(stage, 2, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

canary(
  "A-early-ack",
  { entries: ["munmap"] },
  (stage) => {
    stage.threads(4);
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    stage.start(0, "munmap", 0, 1);
    stage.alone(0);
    stage.machine.deliver(1);
    stage.until(1, "flush_tlb_one_user");
    stage.drain(1);
    // CPU 1 has entered its handler and not flushed.
    return { returned: stage.alone(0) };
  },
  { right: { returned: false }, wrong: { returned: true } },
);

canary(
  "C-relock",
  { cpus: 3, entries: ["madvise", "reclaim"], tunables: { MMU_GATHER_BUNDLE: 2, MAX_GATHER_BATCH_COUNT: 0 } },
  (stage) => {
    stage.threads(4);
    for (const vpn of [0, 1]) stage.touch(2, vpn, STORE);
    const pfn = stage.pfn(0, 1);
    // The list of pages is full behind page 0: the lock is dropped, page 0 flushed and freed, and the lock is taken again.
    stage.start(0, "madvise", 0, 4, 4);
    stage.reach(0, "put_page_testzero");
    for (const cpu of [1, 2]) stage.alone(cpu);
    stage.start(1, "reclaim", pfn, pfn + 1);
    stage.until(1, "unlock anon_vma");
    stage.finish(0);
    return { late: stage.reaches(2, 1, LOAD) };
  },
  { right: { late: false }, wrong: { late: true } },
);

canary(
  "D-wrprotect-no-flush",
  { entries: ["mprotect"] },
  (stage) => {
    stage.threads(4);
    stage.touch(1, 0, STORE);
    stage.call(0, "mprotect", 0, 4, 1);
    return late(stage, 1, 0, STORE);
  },
  { right: [false], wrong: [true, "stale-right"] },
);

canary(
  "D-plain-rmw",
  { entries: ["mprotect"] },
  (stage) => {
    stage.threads(4, SHARED_MEMORY);
    stage.touch(1, 0, LOAD);
    stage.start(0, "mprotect", 0, 4, 1);
    stage.until(0, "ptep_modify_prot_commit");
    // The hardware sets D in the entry that is about to be stored over.
    const stored = stage.reaches(1, 0, STORE);
    stage.finish(0);
    return { stored, dirty: (stage.pte(0, 0) & DIRTY) !== 0n };
  },
  { right: { stored: false, dirty: false }, wrong: { stored: true, dirty: false } },
);

/** Page 0 is shared with a child, so that writing to it takes a copy. */
function forked(stage: Stage): void {
  stage.threads(4);
  stage.touch(0, 0, STORE);
  stage.call(0, "fork", 1, 5);
}

canary(
  "cow-no-flush",
  { entries: ["fork"] },
  (stage) => {
    forked(stage);
    stage.touch(1, 0, LOAD);
    stage.touch(0, 0, STORE);
    const { tlb } = stage.machine.state().cpus[1]!;
    return { oldFrame: tlb.l1d4k.some((entry) => entry.vpn === 0 && entry.stale !== 0) };
  },
  { right: { oldFrame: false }, wrong: { oldFrame: true } },
);

canary(
  "cow-no-recheck",
  { entries: ["fork"] },
  (stage) => {
    forked(stage);
    const writeFault = 5;
    stage.start(1, "page_fault", 0, writeFault);
    stage.until(1, "wp_page_copy.locked.lock ptl");
    stage.start(0, "page_fault", 0, writeFault);
    stage.finish(0);
    stage.reaches(0, 0, STORE);
    const first = stage.pfn(0, 0);
    stage.settle();
    return { storeKept: stage.pfn(0, 0) === first };
  },
  { right: { storeKept: true }, wrong: { storeKept: false } },
);

canary(
  "fork-no-flush",
  { entries: ["fork"] },
  (stage) => {
    stage.threads(4);
    stage.touch(1, 0, STORE);
    stage.call(0, "fork", 1, 5);
    return late(stage, 1, 0, STORE);
  },
  { right: [false], wrong: [true, "stale-right"] },
);

/**
 * No schedule shows these with the invariants that the twin watches.
 *
 * A-unmap-cpumask: a CPU that joins between the two reads finds the entry gone already; what it could keep is a freed
 * page table in a paging-structure cache.
 */
const withoutSchedule: readonly MutantName[] = ["A-unmap-cpumask"];

/** A search finds schedules for these: the scenarios of sections A, B and C have a variant for each. */
const searched: readonly MutantName[] = [
  "A-early-ack-freed",
  "A-asid-stragglers",
  "A-asid-switching",
  "B-mremap-flush-late",
  "B-collapse-no-flush",
  "C-batch-dsb-only",
  "A-pti-no-exit-flush",
  "B-bool-pending",
  "B-ksm",
  "B-numa-migrate",
  "B-nested-lost-levels",
  "B-softdirty-no-flush",
  "B-softdirty-read-lock",
  "B-uffd-no-upgrade",
  "B-v5-refcount",
  "B-bloom-clear",
  "B-gen-nobump",
  "cow-by-refcount",
  "C-no-pending-check",
  "C-counter-overflow",
  "C-flag-torn",
  "C-flag-early",
  "C-io-before-flush",
  "C-free-before-flush",
  "C-discard-fence",
  "C-discard-dirty",
  "C-no-gen-bump",
  "C-copy-before-flush",
  "C-swapin-new-frame",
  "D-writable-shared-page",
  "D-writable-untracked",
  "D-writable-armed",
  "D-writable-clean-file",
];

test("every mutant has a schedule", () => {
  expect([...covered, ...withoutSchedule, ...searched].sort()).toEqual(Object.keys(MUTANTS).sort());
});
