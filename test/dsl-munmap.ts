/** A small munmap(), as the tests of the language use it. */

import {
  assemble,
  bits,
  cpuArray,
  cpumask,
  type Held,
  type Program,
  type ProgramSource,
  program,
  pte,
  pteAt,
  type RecordHandle,
  record,
  routine,
  rwlock,
  spinlock,
  struct,
  u64,
} from "../src/dsl/index.js";

const batch = struct("batch", { pending: bits(0, 32), flushed: bits(32, 32) });
const task_struct = record("task", { mm: u64 });
export const mm_struct = record("mm", {
  pgd: u64,
  tlb_flush_batched: batch,
  mmap_lock: rwlock("mmap_lock"),
  mm_cpumask: cpumask,
});
export const percpu = record("cpu", { csd: cpuArray(u64), pending_asid: u64 });
export const page_table = record("table", { ptl: spinlock("ptl") });
export const records = [task_struct, mm_struct, percpu, page_table];
export type Mm = RecordHandle<typeof mm_struct>;

const flush_tlb_mm = routine("flush_tlb_mm", (k, mm: Mm) => {
  k.forEachCpu("for_each_cpu", mm.mm_cpumask, (cpu) => {
    k.if(cpu.ne(k.cpu()), () => {
      k.write("csd", percpu.at(k.cpu()).csd.at(cpu), 1);
      k.raiseOne("send_call_function_single_ipi", cpu);
    });
  });
});

const flush_tlb_batched_pending = routine("flush_tlb_batched_pending", (k, mm: Mm, _ptl: Held<"ptl">) => {
  const seen = k.read("batch", mm.tlb_flush_batched);
  k.if(seen.pending.ne(seen.flushed), () => {
    flush_tlb_mm(k, mm);
    // Reclaim may have added to the batch while we flushed: then this fails and the debt stays.
    k.cmpxchg("ack", mm.tlb_flush_batched, seen, seen.with({ flushed: seen.pending }));
  });
});

export const munmap = program("munmap", ["start", "end"], (k, { start, end }) => {
  const mm = mm_struct.at(k.read("current_mm", task_struct.at(k.task()).mm));
  k.writeLocked(mm.mmap_lock, (held) => {
    held.downgrade("mmap_write_downgrade");
    k.forRange(start, end, 1, (vpn) => {
      const old = k.locked(page_table.at(1).ptl, (ptl) => {
        flush_tlb_batched_pending(k, mm, ptl);
        return k.xchg("ptep_get_and_clear", pteAt(1, vpn.and(511)), pte.zero);
      });
      k.window("cleared, not flushed");
      const free = () => k.freeFrame("free_page", old.pfn);
      k.if(old.present.and(old.pfn.gt(1)), free, () => k.count("empty", 2));
    });
  });
  k.work("unmap_region");
  k.promise(u64.of(1), start, end, "none", "return");
});

export function build(...entries: ProgramSource[]): Program {
  return assemble({ entries, records, cpus: 8, radixBits: 9 });
}
