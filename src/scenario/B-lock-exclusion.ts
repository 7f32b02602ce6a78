/**
 * B-lock-exclusion. mprotect() takes write rights away too and flushes late; does a write fault have to care?
 *
 * It holds mmap_lock for writing until its flush is complete, and faults hold it for reading: safe without any rule in the fault path.
 * Under mmap_lock for reading it would be B5 again: unsafe.
 */

import { type ProgramSource, program } from "../dsl/index.js";
import { current_mm } from "../kernel/mm_types.js";
import { protectStyle, tlb_finish_mmu, tlb_gather_mmu } from "../kernel/mmu_gather.js";
import { change_protection } from "../kernel/mprotect.js";
import type { KernelOptions } from "../kernel/options.js";
import { find_vma } from "../kernel/vma.js";
import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";
import { COPIED, KERNEL_OF_2020, PROT_READ_WRITE_EXEC, staleWriter } from "./stale-writer.js";

/** What mprotect() does to the entries of one mapping, with the lock held for reading only. */
function mprotectReadLocked(opt: KernelOptions): ProgramSource {
  return program("mprotect_read_locked", ["start", "end"], (k, { start, end }) => {
    const mm = current_mm(k);
    k.readLocked(mm.mmap_lock, () => {
      const tlb = tlb_gather_mmu(k, opt, mm, protectStyle(opt));
      const { vma } = find_vma(k, mm.id, start);
      change_protection(k, opt, tlb, k.copy(vma.with({ exec: true }), "newflags"), start, end, {
        try_change_writable: true,
        prot_numa: false,
        uffd_wp: false,
        uffd_wp_resolve: false,
      });
      tlb_finish_mmu(k, opt, tlb);
    });
  });
}

function build(readLocked: boolean) {
  return staleWriter({
    set: { pending: "none" },
    mutants: KERNEL_OF_2020,
    entries: readLocked ? [] : ["mprotect"],
    ...(readLocked && { extra: (opt: KernelOptions) => [mprotectReadLocked(opt)] }),
    referenced: true,
    does: [
      [readLocked ? call("mprotect_read_locked", 0, 1) : call("mprotect", 0, 1, PROT_READ_WRITE_EXEC)],
      [store(0)],
    ],
    windows: [COPIED],
  });
}

export const subject = scenario({
  name: "B-lock-exclusion",
  question:
    "Do mprotect() and write faults exclude each other, so that pending flushes of the one need not concern the other?",
  source: "Andrea Arcangeli in the thread of B5 (2020-12)",
  variants: {
    "read-lock": {
      title: "mmap_lock for reading",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    upstream: { title: "mmap_lock for writing", expected: "safe", build: () => build(false) },
  },
});
