/** The public door `shootdown/kernel`: Linux's routines and records, for mechanisms that build on them. */

export { filemap_fault } from "./filemap.js";
export { mm_init, mm_pgd, mmdrop, mmgrab_lazy_tlb } from "./fork-mm.js";
export { alloc_anon_folio, folio_prealloc } from "./memory-alloc.js";
export { copy_page_range } from "./memory-copy.js";
export { do_wp_page } from "./memory-cow.js";
export { type Bounds, free_pgd_range, tableBounds, unmap_page_range, unmap_vmas } from "./memory-zap.js";
export { current_mm, type Mm, mm_struct, mmOf, taskSize } from "./mm_types.js";
export { exec_mmap, exit_mmap } from "./mmap.js";
export {
  pte_free_tlb,
  tlb_finish_mmu,
  tlb_flush_mmu_free,
  tlb_flush_mmu_tlbonly,
  tlb_flush_pte_range,
  tlb_gather_mmu,
  tlb_remove_page,
} from "./mmu_gather.js";
export { type GatherState, type GatherStyle, type mmu_gather, tlb_flush_rmaps } from "./mmu_gather-batch.js";
export {
  type KernelOptions,
  LINUX_TUNABLES,
  MUTANTS,
  type MutantName,
  type Mutants,
  type Slots,
  type Tunables,
} from "./options.js";
export { folio_alloc, folio_get, folio_put, page, page_flags } from "./page.js";
export {
  addrEnd,
  addrStart,
  entryAt,
  forEachTable,
  PGD,
  PMD,
  PTE,
  PUD,
  ptdesc,
  pte_alloc,
  type TableInRange,
} from "./pgtable.js";
export { type KernelTarget, kernelEntries, kernelOptions, kernelProgram, kernelRecords } from "./program.js";
export {
  mk_pte,
  type Pte,
  pte_flags_need_flush,
  pte_mkdirty,
  pte_mkold_clean,
  pte_mkwrite,
  pte_mkyoung,
  pte_modify,
  pte_none,
  pte_present,
  pte_t,
  pte_wrprotect,
  table_entry,
} from "./pte.js";
export { call_function_data, csd_lock_wait, csd_unlock, smp_call_function_many } from "./smp.js";
export { IDLE_TASK, NO_MM, task_struct } from "./task.js";
export { flush_tlb_mm, flush_tlb_mm_range, flush_tlb_page } from "./tlb.js";
export { type FlushRequest, flush_tlb_func, requestOf } from "./tlb-func.js";
export { enter_lazy_tlb, switch_mm_irqs_off, switch_to_init_mm } from "./tlb-switch.js";
export { cpu_tlbstate, ctxs, flush_tlb_info, TLB_FLUSH_ALL } from "./tlbflush.js";
export type { vm_fault } from "./vm_fault.js";
export {
  type FoundVma,
  find_vma,
  for_each_vma_range,
  page_cache_key,
  type Vma,
  vm_area_struct,
  vm_page_prot,
  vma_is_accessible,
  vma_is_anonymous,
} from "./vma.js";
