import type { Confidence, Provenance } from "./preset.js";

/** Where the presets' numbers were measured or published; the keys are quoted in docs/modelling.md too. */
export const sources = {
  ILX: "InstLatx64 CPUID, instruction and memory latency dumps, https://github.com/InstLatx64/InstLatx64",
  C2C: "core-to-core latency, raw CSVs, https://github.com/nviennot/core-to-core-latency",
  INTC: "Intel community thread 1371605 quoting the optimisation manual, https://community.intel.com",
  H17: "D. Hansen, INVPCID vs. deferred CR3 write, https://lore.kernel.org/r/3062e486-3539-8a1f-5724-16199420be71@intel.com",
  ING: "I. Molnar, x86 flush micro-benchmarks, https://lore.kernel.org/r/20150610082640.GA24483@gmail.com",
  LUTO16:
    "A. Lutomirski, INVPCID support, https://lore.kernel.org/r/ed0ef62581c0ea9c99b9bf6df726015e96d44743.1454096309.git.luto@kernel.org",
  PTI: "Linux documentation, Page Table Isolation, https://docs.kernel.org/arch/x86/pti.html",
  A19R2:
    "N. Amit, Concurrent TLB flushes RFC v2, https://lore.kernel.org/r/20190531063645.4697-1-namit@vmware.com",
  A22R: "N. Amit, relaxed TLB flushes RFC, https://lore.kernel.org/r/20220718120212.3180-1-namit@vmware.com",
  FBSD1: "FreeBSD review D13985, getppid with and without PTI, https://reviews.freebsd.org/D13985",
  LT14: "L. Torvalds, cost of a page fault, 2014, quoted at d.hatena yohei-a/20160509",
  CLR: "Linux clear_page commit cb431accb36e, https://git.kernel.org/torvalds/c/cb431accb36e",
  CSIM: "ChampSim champsim_config.json @2ff25011, https://github.com/ChampSim/ChampSim",
  MKB: "mkbench README @5e66c28, https://github.com/multikernel/mkbench",
  WZ2: "WikiChip, Zen 2, https://en.wikichip.org/wiki/amd/microarchitectures/zen_2",
  HSWID: "x86info of a Core i5-4590, https://gist.github.com/mbelop/968b0ce12b584ddc70a5",
  HP7: "study notes on Hennessy and Patterson, 7th edition, case study of the Core i9-12900, https://my-knowledge-base-bmo.pages.dev",
  UOPS: "uops.info, LOCK CMPXCHG m64, https://uops.info/html-instr/CMPXCHG_LOCK_M64_R64.html",
  CNC: "Chips and Cheese, Graviton 4, https://chipsandcheese.com/i/146976375",
  A76: "Cortex-A76 TLBs, Agilex 5 manual, https://intel.com/content/www/us/en/docs/programmable/814346/current/translation-lookaside-buffer-23981.html",
  A55: "Cortex-A55 TLBs, Agilex 5 manual, https://intel.com/content/www/us/en/docs/programmable/814346/current/translation-lookaside-buffer-06156.html",
  CB17: "ComputerBase, Intel confirms 34 server CPUs, April 2017, https://www.computerbase.de/2017-04/intel-xeon-gold-platinum-prozessor-server/",
  LLVM: "LLVM, scheduling model of Skylake server, https://github.com/llvm/llvm-project/blob/main/llvm/lib/Target/X86/X86SchedSkylakeServer.td",
  HPCT: "HPCTech, AMD EPYC 9004 series table, https://www.hpctech.co.jp/product/amd-epyc-9004-series/",
} as const;

/** A number read in a source. `what` says which number of it, on which machine, and any arithmetic done to it. */
export function from(key: keyof typeof sources, confidence: Confidence, what: string): Provenance {
  return { source: `${what} [${key}: ${sources[key]}]`, confidence };
}

/** A number nobody published: the reasoning behind the choice. */
export function assumed(why: string): Provenance {
  return { source: `assumption: ${why}`, confidence: "D" };
}
