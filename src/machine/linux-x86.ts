import { fittedWork } from "./fitted.js";
import { type PriceName, type Quantity, quantity, type TimeUnit } from "./preset.js";
import { assumed, from } from "./sources.js";

/*
 * What the kernel's own instructions cost, the same on every machine: nobody publishes these one by one. Each is an
 * order of magnitude with its reasoning. They are equal under every policy, so that they dilute a ratio between
 * policies but do not turn it round.
 */

/** Private work of the kernel's allocators and look-ups; shared accesses are priced by themselves. */
export const kernelPrices = {
  irqToggle: quantity(10, "cycles", assumed("CLI or STI with the flags saved: a few cycles each")),
  frameAlloc: quantity(150, "cycles", assumed("a page from the per-CPU list, charged to the memory cgroup")),
  frameFree: quantity(
    120,
    "cycles",
    assumed("a page back to the per-CPU list, a little less than taking one"),
  ),
  frameZero: quantity(299, "ns", from("CLR", "C", "13.7 GB/s for 4 KiB on EPYC Milan")),
  frameCopy: quantity(598, "ns", assumed("twice a page cleared [CLR]: as many bytes read as written")),
  tableAlloc: quantity(
    900,
    "cycles",
    assumed("frameAlloc and frameZero at 2.5 GHz: page tables come zeroed"),
  ),
  tableFree: quantity(120, "cycles", assumed("as frameFree")),
  rangeFind: quantity(80, "cycles", assumed("a maple-tree descent over three or four cached nodes")),
  rangeSet: quantity(600, "cycles", assumed("a maple-tree store and a VMA taken from its slab cache")),
  cacheLoad: quantity(120, "cycles", assumed("an xarray descent and a reference taken")),
  cacheStore: quantity(300, "cycles", assumed("an xarray store with its lock, in cache")),
  queuePush: quantity(
    10,
    "cycles",
    assumed("llist_add besides its cmpxchg and its line, priced by themselves"),
  ),
  queuePop: quantity(
    10,
    "cycles",
    assumed("llist_del_all besides its xchg and its line, priced by themselves"),
  ),
  maskStep: quantity(4, "cycles", assumed("one word of a bitmap scanned or one bit found")),
  contextSwitch: quantity(1000, "cycles", assumed("pick a task, switch stack and registers, without the mm")),
  idleWake: quantity(2000, "ns", from("MKB", "C", "futex wake on one socket, 1 to 4 microseconds")),
  tlbi: quantity(100, "cycles", assumed("nobody has published one INVLPGB; about as long as one INVLPG")),
  dsb: quantity(
    500,
    "ns",
    assumed(
      "nobody has published TLBSYNC; 95 % of a flush is this wait on Arm [BS23], about an interrupt's way and back",
    ),
  ),
} satisfies Partial<Record<PriceName, Quantity<TimeUnit>>>;

/**
 * Amounts of private work that mechanisms name with k.work(): what the C function does besides the shared accesses,
 * the allocations and the look-ups, which are steps of their own.
 */
export const kernelWork: Readonly<Record<string, Quantity<TimeUnit>>> = {
  ...fittedWork,
  alloc_anon_folio: quantity(
    200,
    "cycles",
    assumed("memory policy, memory cgroup charge and rmap of one page"),
  ),
  filemap_fault: quantity(300, "cycles", assumed("readahead bookkeeping and the folio's reference and lock")),
  filemap_read_folio: quantity(
    2000,
    "cycles",
    assumed("one page's share of a readahead that the disk has ready"),
  ),
  page_mkwrite: quantity(1500, "cycles", assumed("the file system reserves a block and dirties its inode")),
  mmap_region: quantity(800, "cycles", assumed("address chosen, limits checked, VMA set up and linked")),
  vms_gather_munmap_vmas: quantity(500, "cycles", assumed("VMAs split at the ends, detached and accounted")),
  mprotect_fixup: quantity(500, "cycles", assumed("VMA checked, split or merged, accounted")),
  mfill_atomic: quantity(300, "cycles", assumed("arguments checked, the VMA found, as for a fault")),
  mfill_copy_folio: quantity(
    1000,
    "cycles",
    assumed("4 KiB copied from cached user memory at 4 bytes a cycle"),
  ),
  uffd_wp_range: quantity(300, "cycles", assumed("arguments checked and the VMA found, as for madvise")),
  change_prot_numa: quantity(300, "cycles", assumed("the VMA found suitable, its scan window computed")),
  writepage: quantity(2000, "cycles", assumed("a request for one page made and queued")),
  do_brk_flags: quantity(500, "cycles", assumed("limits checked, the heap's VMA stretched")),
  dup_mm: quantity(4000, "cycles", assumed("an mm_struct and its counters, allocated and copied")),
  dup_mmap: quantity(400, "cycles", assumed("one VMA copied, its file and anon_vma linked")),
  shrink_folio_list: quantity(
    500,
    "cycles",
    assumed("one page isolated, its references and its memory cgroup accounted"),
  ),
  swap_writeout: quantity(
    3000,
    "ns",
    assumed("4 KiB compressed into memory at 1.3 GB/s, as zram with lzo-rle does"),
  ),
  swap_read_folio: quantity(1500, "ns", assumed("4 KiB decompressed from memory, at twice that")),
  exit_mm: quantity(2000, "cycles", assumed("a task lets go of its address space: wakes and accounting")),
  begin_new_exec: quantity(
    20_000,
    "cycles",
    assumed("the program's file opened and its headers read, all in cache"),
  ),
};
