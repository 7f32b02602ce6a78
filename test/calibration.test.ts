/**
 * The row that the presets are fitted on, simulated: MADV_DONTNEED of one page and a touch, over and over, while other
 * threads of the process are busy on 0, 1 and 3 CPUs of the same socket. Published: 661, 1436 and 1571 ns.
 * Source: N. Amit, https://lore.kernel.org/r/20190531063645.4697-1-namit@vmware.com, baseline column.
 */
import { expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { type MachinePreset, machineNumbers } from "../src/machine/preset.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { zen4 } from "../src/machine/zen4.js";
import { type Feed, type FeedSink, STORE, type Workload } from "../src/workload/feed.js";
import { privateWord } from "../src/workload/vma-word.js";

const firstPage = 0x10000;
const rounds = 300;
/** Long enough to be busy until the measured thread ends. */
const busyRounds = 8000;
const MADV_DONTNEED = 4;
const readWrite = privateWord(3);
/** A thread to a core: CPUs 2n and 2n + 1 are siblings. */
const siblings = 2;
const cpus = 8;

/** The measured thread on CPU 0, and `remotes` busy ones on cores of their own. */
function madviseLoop(remotes: number): Workload {
  const tasks = Array.from({ length: remotes + 1 }, (_, index) => index * siblings);
  return {
    name: "madvise-loop",
    tasks: tasks.at(-1)! + 1,
    mms: 1,
    starters: tasks.map((task) => ({ task, mm: 0 })),
    pages: 1024,
    open: () => new MadviseFeed(),
  };
}

class MadviseFeed implements Feed {
  readonly #done = new Map<number, number>();
  readonly #ended = new Set<number>();

  refill(task: number, sink: FeedSink): void {
    if (this.#ended.has(task)) return;
    const total = task === 0 ? rounds : busyRounds;
    let round = this.#done.get(task) ?? 0;
    // Whoever runs dry first: the mapping is call 0, and everybody else waits for it.
    if (sink.callRank() === 0) sink.call(0, "image", [firstPage, firstPage + 1024, readWrite]);
    if (round === 0 && task !== 0) sink.waitCalls(task, 1);
    for (; round < total && sink.room(task) > 64; round++) {
      sink.access(task, (firstPage + 8 * task) * 4096, STORE);
      if (task === 0) sink.call(task, "madvise", [firstPage, firstPage + 1, MADV_DONTNEED]);
      else sink.compute(task, 500);
    }
    this.#done.set(task, round);
    if (round < total || sink.room(task) < 64) return;
    sink.call(task, "exit", []);
    sink.end(task);
    this.#ended.add(task);
  }
}

/** Median nanoseconds of the call; a few at the beginning meet threads that are not awake yet. */
async function madviseNs(machine: MachinePreset, remotes: number): Promise<number> {
  const workload = madviseLoop(remotes);
  const request = { machine, policy: "deferred", cpus, seed: 1, workload, workloadName: workload.name };
  const { latency, flushes, ipis } = await runSimulation(request);
  expect(flushes.remote).toBeGreaterThanOrEqual(remotes === 0 ? 0 : 0.9 * rounds);
  expect(ipis.received).toBeGreaterThanOrEqual(0.9 * remotes * rounds);
  return latency.madvise!.p50 / machine.ghz.value;
}

/** The part that the measured kernel did before it asked the others, and that the simulated one does meanwhile. */
function localFlushNs(machine: MachinePreset): number {
  const { prices } = machineNumbers(machine);
  return (prices.invlpg + 2 * prices.irqToggle + 10 * prices.memL1) / machine.ghz.value;
}

test.each([skylakeSp, zen4].map((machine) => [machine.name, machine] as const))(
  "%s: the first target costs what was measured, and the next ones what lines cost",
  async (_, machine) => {
    const [none, one, three] = [
      await madviseNs(machine, 0),
      await madviseNs(machine, 1),
      await madviseNs(machine, 3),
    ];
    const first = one - none + localFlushNs(machine);
    const perTarget = (three - one) / 2;
    // A word of one CPU that shares its line with a word of another costs a line more than in Linux, which keeps them
    // apart: which do depends on the number of CPUs. So the tolerance is wide.
    expect(first, `first target, ${first.toFixed(0)} ns for 775`).toBeGreaterThan(775 * 0.8);
    expect(first, `first target, ${first.toFixed(0)} ns for 775`).toBeLessThan(775 * 1.2);
    // Nor does the model overlap the lines of two targets as a real CPU does.
    expect(perTarget, `a further target, ${perTarget.toFixed(0)} ns for 67.5`).toBeGreaterThan(67.5 * 0.75);
    expect(perTarget, `a further target, ${perTarget.toFixed(0)} ns for 67.5`).toBeLessThan(67.5 * 3);
  },
);
