/** Duplicating an address space. */

import { type Builder, type ProgramSource, program, routine, u64 } from "../dsl/index.js";
import { mm_init } from "./fork-mm.js";
import { copy_page_range } from "./memory-copy.js";
import { current_mm, type Mm, mmOf, taskSize } from "./mm_types.js";
import { mmlist_add } from "./mmlist.js";
import type { KernelOptions } from "./options.js";
import { task_struct } from "./task.js";
import { flush_tlb_mm } from "./tlb.js";
import { for_each_vma_range } from "./vma.js";

/**
 * fork(2): the caller's address space is copied into `childMm`, which `childTask` will run in.
 *
 * The child may be started when the program has ended.
 * Source: linux kernel/fork.c, dup_mm() and copy_process().
 */
export function fork(opt: KernelOptions): ProgramSource {
  return program("fork", ["childMm", "childTask"], (k, { childMm, childTask }) => {
    const mm = current_mm(k);
    k.work("dup_mm");
    const root = mm_init(k, opt, childMm);
    const child = mmOf(childMm, root);
    k.write("mm_users", child.mm_users, 1);
    dup_mmap(k, opt, child, mm);
    k.write("child->mm", task_struct.at(childTask).mm, childMm);
  });
}

/**
 * Copy mappings and page tables, then make every CPU forget that the parent's pages were writable.
 *
 * Source: linux mm/mmap.c, dup_mmap(). Shared mappings are not copied: faults find their pages again. When memory is
 * out the child lacks some pages, where Linux would fail the call.
 */
const dup_mmap = routine("dup_mmap", (k: Builder, opt: KernelOptions, child: Mm, parent: Mm) => {
  k.writeLocked(parent.mmap_lock, () => {
    const failed = k.var(false, "failed");
    // Before the first page has two owners, as anon_vma_fork() does.
    for (const mm of [parent, child]) mmlist_add(k, mm);
    for_each_vma_range(k, parent.id, 0, u64.of(taskSize(k)), ({ vma, start, end }) => {
      k.work("dup_mmap");
      k.setRange("vma_iter_bulk_store", child.id, start, end, vma.raw);
      k.if(vma.shared.not(), () => copy_page_range(k, opt, child, parent, start, end, failed));
    });
    k.window("parent write-protected, TLBs still writable");
    if (!opt.fix["fork-no-flush"]) flush_tlb_mm(k, opt, parent);
    // Whatever lost the write right here has lost it for good; entries that kept it are not concerned.
    k.promise(parent.root, 0, taskSize(k), "read");
    k.if(failed.get(), () => k.count("faults.oom"));
  });
});
