/** From the engine's counters to a RunResult. */
import type { Program } from "../dsl/program.js";
import type { LatencyCollector } from "./histograms.js";
import type { RunResult } from "./result.js";
import { readViolations } from "./violations.js";
import type { World } from "./world.js";

/** Entries that are no calls of a program: they have a latency, but are no operations. */
const EVENTS = new Set(["page_fault", "context_switch", "call_function_interrupt", "image"]);

export type Measured = Pick<
  RunResult,
  "simulated" | "tlb" | "flushes" | "ipis" | "faults" | "memory" | "latency" | "cycles" | "violations"
>;

/** Reads everything that a finished, or stopped, world has counted. `cycles` is the time that all clocks agree on. */
export function collect(world: World, latencies: LatencyCollector, cycles: number, ghz: number): Measured {
  const tally = (name: string): number => sum(world, world.value("ST_TLB") + world.value(name) * 8);
  const kind = (name: string): number =>
    sum(world, world.value("ST_CYCLES") + world.value(`CYCLES_${name}`) * 8);
  const named = namedCounters(world);
  const counter = (name: string): number => named.get(name) ?? 0;
  return {
    simulated: {
      cycles,
      seconds: cycles / ghz / 1e9,
      accesses: tally("TLB_ACCESSES"),
      operations: operations(world.program, latencies),
    },
    tlb: {
      accesses: tally("TLB_ACCESSES"),
      l1Hits: tally("TLB_L1_HITS"),
      stlbHits: tally("TLB_STLB_HITS"),
      walks: tally("TLB_WALKS"),
      walkCycles: tally("TLB_WALK_CYCLES"),
      walkMemoryReads: tally("TLB_WALK_READS"),
      assists: tally("TLB_ASSISTS"),
    },
    flushes: {
      local: counter("flushes.local"),
      remote: counter("flushes.remote"),
      full: counter("flushes.full"),
      ranged: counter("flushes.ranged"),
      pages: counter("flushes.pages"),
      secondary: counter("flushes.secondary"),
      taskSwitch: counter("flushes.taskSwitch"),
      onWriteFault: counter("flushes.onWriteFault"),
      avoided: startingWith(named, "flushes.avoided."),
    },
    ipis: {
      sent: tally("IPI_RAISED"),
      received: tally("IPI_HANDLED"),
      coalesced: counter("ipis.coalesced"),
      skippedLazy: counter("ipis.skippedLazy"),
      wasted: counter("ipis.wasted"),
    },
    faults: {
      minor: counter("faults.minor"),
      cow: counter("faults.cow"),
      spurious: counter("faults.spurious"),
      uffd: counter("faults.uffd"),
      retried: tally("FAULTS_RETRIED"),
      segv: tally("SKIPPED_ACCESSES"),
    },
    memory: { nodes: world.size.nodes ?? 1, remote: tally("FAR_FRAMES") },
    latency: latencyRows(world, latencies),
    cycles: {
      user: kind("USER"),
      walk: kind("WALK"),
      kernel: kind("KERNEL"),
      lockWait: kind("LOCK_WAIT"),
      ipiWait: kind("IPI_WAIT"),
      irq: kind("IRQ"),
      idle: kind("IDLE"),
    },
    violations: readViolations(world),
  };
}

/** A statistic at an offset within st[cpu], over all CPUs. */
export function sum(world: World, offset: number): number {
  const base = world.value("stBase");
  const stride = world.value("stStride");
  let total = 0;
  for (let cpu = 0; cpu < world.size.cpus; cpu++)
    total += Number(world.u64[(base + cpu * stride + offset) / 8]!);
  return total;
}

/** The counters that mechanisms named, over all CPUs. */
export function namedCounters(world: World): ReadonlyMap<string, number> {
  const base = world.value("ST_COUNTERS");
  return new Map(world.program.counters.map((name, index) => [name, sum(world, base + index * 8)]));
}

function startingWith(counters: ReadonlyMap<string, number>, prefix: string): Record<string, number> {
  const found = [...counters].filter(([name, value]) => name.startsWith(prefix) && value > 0);
  return Object.fromEntries(
    found.map(([name, value]) => [name.slice(prefix.length), value] as const).sort(byName),
  );
}

function operations(program: Program, latencies: LatencyCollector): Record<string, number> {
  const counts = program.entries.map((entry, index) => [entry.name, latencies.count(index)] as const);
  return Object.fromEntries(counts.filter(([name, count]) => count > 0 && !EVENTS.has(name)).sort(byName));
}

function latencyRows(world: World, latencies: LatencyCollector): RunResult["latency"] {
  const rows = world.program.entries.map((entry, index) => [entry.name, latencies.row(index)] as const);
  rows.push(["flush", latencies.row(world.value("SAMPLE_FLUSH"))]);
  rows.push(["shootdown", latencies.row(world.value("SAMPLE_SHOOTDOWN"))]);
  return Object.fromEntries(
    rows.filter(([name, row]) => row !== undefined && name !== "image").sort(byName),
  ) as RunResult["latency"];
}

/** Independent of any locale: the same bytes everywhere. */
function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}
