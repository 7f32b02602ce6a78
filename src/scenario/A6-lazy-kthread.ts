/**
 * A6. A kernel thread adopts an address space, on a machine whose flush handler believes what the task says rather than what the
 * hardware has loaded.
 *
 *   CPU 1: active_mm = mm                        (interrupts on)
 *   CPU 0: unmaps the page, interrupts CPU 1
 *   CPU 1: the handler finds active_mm == mm and flushes what is loaded: still the old address space; answers
 *   CPU 1: loads mm without a flush, because it is in the mask and so must have been told everything; uses the old entry
 *
 * unsafe with interrupts on between the two; safe with interrupts off, when the handler finds either none or both done.
 */

import type { Case } from "../dsl/case.js";
import {
  assemble,
  type Builder,
  cpuArray,
  cpumask,
  type Expr,
  type ProgramSource,
  program,
  pteAt,
  record,
  type U64,
  u64,
} from "../dsl/index.js";
import { pte_t, table_entry } from "../kernel/pte.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

const task = record("task", { mm: u64 });
const mm_struct = record("mm", { pgd: u64, ptes: u64, mm_cpumask: cpumask });
const this_cpu = record("cpu", { active_mm: u64, loaded_mm: u64, csd: cpuArray(u64) });

const OTHER_MM = 0;
const MM = 1;
const PCID_OF_MM = 1;
const FLUSHER = 0;
const KTHREAD = 1;

const pcidOf = (mm: Expr<U64>): Expr<U64> => mm.add(PCID_OF_MM);

/** An address space with one page at 0. */
function populate(): ProgramSource {
  return program("populate", ["mm"], (k, { mm }) => {
    const root = k.allocTable("pgd_alloc", { level: 3, base: 0 });
    const below = (level: number): Expr<U64> => k.allocTable(`level ${level}`, { root, level, base: 0 });
    const [puds, pmds, ptes] = [below(2), below(1), below(0)];
    k.write("pgd_populate", pteAt(root, 0, pte_t), table_entry(puds));
    k.write("pud_populate", pteAt(puds, 0, pte_t), table_entry(pmds));
    k.write("pmd_populate", pteAt(pmds, 0, pte_t), table_entry(ptes));
    const pfn = k.allocFrame("get_page_from_freelist");
    const entry = pte_t.of({ present: true, write: true, user: true, accessed: true, dirty: true });
    k.write("set_pte_at", pteAt(ptes, 0, pte_t), entry.with({ pfn }));
    k.write("mm->pgd", mm_struct.at(mm).pgd, root);
    k.write("mm->ptes", mm_struct.at(mm).ptes, ptes);
  });
}

/** Load an address space. A CPU that is in its mask has been told of every change, so it need not flush. */
function switch_mm(k: Builder, mm: Expr<U64>): void {
  const { mm_cpumask, pgd } = mm_struct.at(mm);
  const told = k.maskSet("cpumask_test_and_set_cpu", mm_cpumask, k.cpu());
  const root = k.read("mm->pgd", pgd);
  k.loadCr3("load_mmu_context", root, pcidOf(mm), told);
  k.write("loaded_mm", this_cpu.at(k.cpu()).loaded_mm, mm);
}

function kthread_use_mm(irqsOff: boolean): ProgramSource {
  return program("kthread_use_mm", ["mm"], (k, { mm }) => {
    const adopt = (): void => {
      k.write("tsk->active_mm = mm", this_cpu.at(k.cpu()).active_mm, mm);
      k.window("active_mm is new, the loaded one is old");
      switch_mm(k, mm);
    };
    if (irqsOff) k.irqsOff(adopt);
    else adopt();
  });
}

function unmapAndFlush(): ProgramSource {
  return program("flush_tlb_mm", ["mm"], (k, { mm }) => {
    const ptes = k.read("mm->ptes", mm_struct.at(mm).ptes);
    k.xchg("ptep_get_and_clear", pteAt(ptes, 0, pte_t), pte_t.zero);
    const told = k.maskTest("cpumask_test_cpu", mm_struct.at(mm).mm_cpumask, KTHREAD);
    k.if(told, () => {
      const csd = this_cpu.at(KTHREAD).csd.at(k.cpu());
      k.write("csd_lock", csd, mm.add(1));
      k.queuePush("llist_add", KTHREAD);
      k.raiseOne("send_ipi", KTHREAD);
      k.await("csd_lock_wait", csd, "eq", 0);
    });
    k.promise(k.read("mm->pgd", mm_struct.at(mm).pgd), 0, 1, "none");
  });
}

function handler(): ProgramSource {
  return program("call_function_interrupt", [], (k) => {
    const from = k.queuePop("llist_del_all");
    k.if(from.lt(k.cpus), () => {
      const me = this_cpu.at(k.cpu());
      const csd = me.csd.at(from);
      const mm = k.read("csd->mm", csd).sub(1);
      const active = k.read("current->active_mm", me.active_mm);
      k.if(
        active.eq(mm),
        () => k.flushPcid("flush the loaded context", pcidOf(k.read("loaded context", me.loaded_mm))),
        () => k.maskClear("cpumask_clear_cpu", mm_struct.at(mm).mm_cpumask, k.cpu()),
      );
      k.write("csd_unlock", csd, 0);
    });
  });
}

function build(irqsOff: boolean): Case {
  const loaded = program("load", ["mm"], (k, { mm }) => {
    switch_mm(k, mm);
    k.write("active_mm", this_cpu.at(k.cpu()).active_mm, mm);
  });
  return {
    program: assemble({
      entries: [populate(), loaded, kthread_use_mm(irqsOff), unmapAndFlush(), handler()],
      records: [task, mm_struct, this_cpu],
      cpus: 2,
      radixBits: 1,
    }),
    machine: {
      cpus: 2,
      mms: 2,
      tasks: 1,
      tables: 9,
      frames: 3,
      radixBits: 1,
      model: "sc",
      storeBuffer: 2,
      assist: "strict",
      tlb: { sets: 1, ways: 2 },
      walkCache: 0,
    },
    setup: [
      { do: "call", cpu: KTHREAD, entry: "populate", args: [OTHER_MM] },
      { do: "call", cpu: KTHREAD, entry: "populate", args: [MM] },
      { do: "call", cpu: KTHREAD, entry: "load", args: [MM] },
      { do: "touch", cpu: KTHREAD, vpn: 0, kind: 0 },
      { do: "call", cpu: KTHREAD, entry: "load", args: [OTHER_MM] },
    ],
    threads: [
      { cpu: FLUSHER, does: [call("flush_tlb_mm", MM)] },
      { cpu: KTHREAD, does: [call("kthread_use_mm", MM)] },
    ],
    liberties: [{ cpu: KTHREAD, may: "touch", vpn: 0 }],
    windows: ["active_mm is new, the loaded one is old"],
  };
}

export const subject = scenario({
  name: "A6-lazy-kthread",
  question: "May an interrupt come between a kernel thread's adopting an address space and its loading it?",
  source: 'commit 38cf307c1f20, "mm: fix kthread_use_mm() vs TLB invalidate" (2020)',
  variants: {
    "interrupts-on": {
      title: "interrupts stay on in between",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(false),
    },
    "interrupts-off": { title: "interrupts off around both", expected: "safe", build: () => build(true) },
  },
});
