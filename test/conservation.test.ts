/** What has to add up in every run, whatever the workload: cycles, interrupts, translations, operations. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RunResult } from "../src/engine/result.js";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { zen4 } from "../src/machine/zen4.js";
import { policyNames } from "../src/policy/policies.js";
import { mprotectLoop } from "../src/workload/mprotect-loop.js";
import { munmapLoop } from "../src/workload/munmap-loop.js";

const machines = { "skylake-sp": skylakeSp, zen4 };
const builtins = { "munmap-loop": munmapLoop, "mprotect-loop": mprotectLoop };

/** Assembling a kernel takes longer than running it, so only these numbers of CPUs. */
const [oneCpu, manyCpus] = [1, 24];
const loop = fc.record({
  workload: fc.constantFrom("munmap-loop" as const, "mprotect-loop" as const),
  machine: fc.constantFrom("skylake-sp" as const, "zen4" as const),
  cpus: fc.constantFrom(oneCpu, manyCpus),
  seed: fc.nat(),
  threads: fc.integer({ min: 1, max: 30 }),
  initiators: fc.integer({ min: 0, max: 30 }),
  pages: fc.integer({ min: 1, max: 12 }),
  iterations: fc.integer({ min: 1, max: 5 }),
  reads: fc.nat({ max: 30 }),
  shared: fc.integer({ min: 1, max: 200 }),
  compute: fc.nat({ max: 3000 }),
});
type Loop = typeof loop extends fc.Arbitrary<infer T> ? T : never;

function runOf(one: Loop, policy: string): Promise<RunResult> {
  const {
    workload: name,
    machine,
    cpus,
    seed,
    threads,
    initiators,
    pages,
    iterations,
    reads,
    shared,
    compute,
  } = one;
  const numbers = { threads, initiators, pages, iterations, reads, shared, compute };
  const given = Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, `${value}`]));
  const workload = builtins[name].open(given, cpus);
  return runSimulation({ machine: machines[machine], policy, cpus, seed, workload, workloadName: name });
}

const total = (numbers: Readonly<Record<string, number>>): number =>
  Object.values(numbers).reduce((sum, value) => sum + value, 0);

/** Entries that happened never are absent. */
const onlyPositive = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));

/** The calls and accesses that a loop consists of. */
function workOf({ workload, threads, initiators, pages, iterations, reads }: Loop): {
  operations: Record<string, number>;
  accesses: number;
} {
  const callers = Math.min(threads, initiators);
  const rounds = callers * iterations;
  const user = threads * iterations * (1 + reads);
  if (workload === "munmap-loop")
    return {
      operations: onlyPositive({ exit: threads, mmap: rounds, munmap: rounds }),
      accesses: user + rounds * pages,
    };
  return {
    operations: onlyPositive({ exit: threads, mmap: callers, mprotect: 2 * rounds }),
    accesses: user + callers * pages + 2 * rounds * pages,
  };
}

function expectSums(one: Loop, result: RunResult): void {
  const { simulated, cycles, tlb, ipis, flushes, latency, faults } = result;
  expect(total(cycles)).toBe(one.cpus * simulated.cycles);
  expect(cycles.walk).toBe(tlb.walkCycles);
  expect(tlb.l1Hits + tlb.stlbHits + tlb.walks).toBe(tlb.accesses);
  expect(simulated.accesses).toBe(tlb.accesses);

  expect(ipis.sent + ipis.coalesced).toBe(ipis.received);
  expect(latency.shootdown?.count ?? 0).toBe(flushes.remote);
  // A shootdown has one target at least, and no more than the other CPUs.
  expect(ipis.received).toBeGreaterThanOrEqual(flushes.remote);
  expect(ipis.received).toBeLessThanOrEqual(flushes.remote * (one.cpus - 1));
  expect(cycles.irq > 0).toBe(ipis.received > 0);
  expect(ipis.wasted).toBeLessThanOrEqual(ipis.received + ipis.sent);

  const work = workOf(one);
  expect(simulated.operations).toEqual(work.operations);
  for (const [name, count] of Object.entries(work.operations)) expect(latency[name]!.count).toBe(count);
  // An access that faults is tried again, and each fault is either settled, or found to be.
  expect(tlb.accesses).toBe(work.accesses + (latency.page_fault?.count ?? 0));
  expect(faults.minor + faults.cow + faults.spurious).toBe(latency.page_fault?.count ?? 0);
}

describe("in every run", () => {
  test("cycles, translations, interrupts and operations add up, and only `never` breaks an invariant", async () => {
    await fc.assert(
      fc.asyncProperty(loop, async (one) => {
        for (const policy of policyNames) {
          const result = await runOf(one, policy);
          expectSums(one, result);
          if (policy !== "never") expect(result.violations).toEqual([]);
          if (policy === "never" || policy === "coherent")
            expect([total({ ...result.ipis }), result.flushes.remote, result.cycles.ipiWait]).toEqual([
              0, 0, 0,
            ]);
        }
      }),
      { seed: 20260827, numRuns: 12 },
    );
  });

  test("flushing each page at once never interrupts less than flushing once for all of a call", async () => {
    const busy = loop.map((one) => ({
      ...one,
      // Enough that it does not matter who happens to be idle when.
      cpus: manyCpus,
      threads: 2 + one.threads,
      initiators: 1 + one.initiators,
      pages: 1 + one.pages,
      iterations: 3 + one.iterations,
    }));
    await fc.assert(
      fc.asyncProperty(busy, async (one) => {
        const [eager, deferred, coherent] = [
          await runOf(one, "eager"),
          await runOf(one, "deferred"),
          await runOf(one, "coherent"),
        ];
        expect(deferred.ipis.received).toBeGreaterThan(0);
        expect(eager.ipis.received).toBeGreaterThanOrEqual(deferred.ipis.received);
        expect(coherent.ipis.received).toBe(0);
        // The same work, whatever it costs.
        expect(eager.simulated.operations).toEqual(deferred.simulated.operations);
        expect(coherent.simulated.operations).toEqual(deferred.simulated.operations);
      }),
      { seed: 20260828, numRuns: 6 },
    );
  });
});
