import type { RunResult } from "../src/engine/result.js";

type Parts = Omit<Partial<RunResult>, "simulated" | "flushes" | "ipis" | "tlb"> & {
  readonly simulated?: Partial<RunResult["simulated"]>;
  readonly flushes?: Partial<RunResult["flushes"]>;
  readonly ipis?: Partial<RunResult["ipis"]>;
  readonly tlb?: Partial<RunResult["tlb"]>;
};

export const latencyRow = { count: 10, mean: 5000, p50: 4000, p90: 8000, p99: 9000, p999: 9500, max: 9900 };

/** A finished run of 1 ms at 2.5 GHz, with `parts` in place of its own. */
export function sampleRun(parts: Parts = {}): RunResult {
  const cycles = parts.simulated?.cycles ?? 2_500_000;
  const base: RunResult = {
    schema: "shootdown/run@1",
    machine: "skylake-sp",
    policy: "eager",
    workload: "storm",
    cpus: 2,
    seed: 1,
    configuration: {
      hash: "0123456789ab",
      weakest: { constant: "prices.dsb", confidence: "D", source: "assumption: none", cycles: 1250 },
      grades: { A: 20, B: 0, C: 5, D: 75 },
      mechanism: { cpus: 2, slots: {}, tunables: {} },
      machine: {
        ...{ ghz: 2.5, topology: {}, structures: {}, prices: {}, work: {} },
        ...{ pcid: true, pti: false, quantumCycles: 400 },
      },
    },
    simulated: { cycles, seconds: cycles / 2.5e9, accesses: 1000, operations: { munmap: 10 } },
    tlb: {
      accesses: 1000,
      l1Hits: 900,
      stlbHits: 50,
      walks: 50,
      walkCycles: 700,
      walkMemoryReads: 80,
      assists: 5,
    },
    flushes: {
      local: 10,
      remote: 8,
      full: 1,
      ranged: 9,
      pages: 40,
      secondary: 0,
      taskSwitch: 0,
      onWriteFault: 0,
      avoided: {},
    },
    ipis: { sent: 8, received: 1200, coalesced: 0, skippedLazy: 0, wasted: 0 },
    faults: { minor: 30, cow: 2, spurious: 0, uffd: 0, retried: 0, segv: 0 },
    memory: { nodes: 1, remote: 0 },
    latency: { munmap: latencyRow, shootdown: latencyRow },
    cycles: {
      user: 1_000_000,
      walk: 700,
      kernel: 1_999_300,
      lockWait: 0,
      ipiWait: 500_000,
      irq: 0,
      idle: 1_500_000,
    },
    violations: [],
    host: { wallSeconds: 0.1, accessesPerSecond: 10_000, threads: 1, peakRssBytes: 1e8 },
  };
  return {
    ...base,
    ...parts,
    simulated: { ...base.simulated, ...parts.simulated },
    flushes: { ...base.flushes, ...parts.flushes },
    ipis: { ...base.ipis, ...parts.ipis },
    tlb: { ...base.tlb, ...parts.tlb },
  };
}

export const sampleViolation: RunResult["violations"][number] = {
  invariant: "stale-frame",
  count: 37,
  first: {
    time: 250_000,
    cpu: 3,
    task: 3,
    va: "0x7f0000001000",
    access: "load",
    frame: 99,
    made: {
      routine: "do_munmap.zap_pte_range",
      label: "ptep_get_and_clear",
      file: "src/kernel/memory.ts",
      line: 120,
    },
    broken: {
      routine: "do_munmap.tlb_finish_mmu",
      label: "free_page",
      file: "src/kernel/mmu_gather.ts",
      line: 88,
    },
    text: "CPU 3 used a translation to frame 99 after it was freed",
  },
};
