import { builtin } from "./builtin.js";
import { STORE } from "./feed.js";
import {
  anonymous,
  groups,
  kernelThreads,
  parameter,
  threads,
  threadsParameter,
  userWork,
  workParameters,
} from "./loop.js";
import type { Step, ThreadGroup } from "./plan.js";
import { barrier, call, compute, mmap, repeat, sweep, useStack } from "./steps.js";

export const idleMix = builtin({
  name: "idle-mix",
  about: "one thread unmaps while others sleep, and other processes and kernel threads take their CPUs",
  standsFor:
    "A machine as it is most of the time: a server with a thread for each CPU, most of which wait for work. A CPU whose thread " +
    "sleeps idles, or runs a kernel thread, with the server's page table still loaded, and need not be interrupted: it is lazy, " +
    "and catches up when it comes back. A CPU that runs another process meanwhile has switched away, and finds out by the " +
    "generation of the address space. How many flushes that saves, and what the switches cost, is what this shows; programs " +
    "that keep all CPUs busy show none of it.",
  parameters: [
    parameter("pages", "pages", 16, [1, 65_536], "pages that each munmap takes away"),
    parameter("iterations", "count", 400, [1, 1_000_000_000], "rounds of the thread that unmaps"),
    parameter("beats", "count", 40, [0, 1_000_000_000], "times that the sleeping threads are woken up"),
    parameter("pause", "cycles", 100_000, [1, 1_000_000_000], "how long they sleep each time, on average"),
    threadsParameter,
    parameter("others", "count", 2, [0, 4096], "threads of another process, which sleep and wake up too"),
    parameter("kthreads", "count", 2, [0, 4096], "kernel threads that do so"),
    ...workParameters,
  ],
  plan(values) {
    const { iterations, beats, pause, others, kthreads, pages } = values;
    const unmap = [mmap("own"), sweep("own", STORE), call("munmap", "own"), ...userWork(values)];
    // Whoever paces a group sleeps longest, and so decides how long all of it do.
    const pace = repeat(beats, useStack, compute(pause), barrier("beat"));
    const sleep = repeat(beats, ...userWork(values), barrier("beat"));
    const tick = (cycles: number): Step => repeat(beats, compute(cycles), barrier("tick"));
    /** Beside the sleepers, not beside the caller and the pacer. */
    const beside = (cpu: number, ...all: readonly ThreadGroup[]): ThreadGroup[] =>
      groups(...all).map((group) => ({ ...group, cpu: cpu + (group.name.startsWith("pacer") ? 0 : 1) }));
    const workers = values.threads - 1;
    return {
      regions: { shared: anonymous(values.shared, "process"), own: anonymous(pages, "thread") },
      groups: [
        ...groups(
          threads("caller", 1, [repeat(iterations, ...unmap)]),
          threads("pacer", Math.min(1, workers), [pace]),
          threads("sleeper", Math.max(0, workers - 1), [sleep]),
        ),
        ...beside(
          2,
          threads("pacer of others", Math.min(1, others), [pace], "other"),
          threads("other", Math.max(0, others - 1), [sleep], "other"),
        ),
        ...beside(
          2 + others,
          kernelThreads("pacer of kernel threads", Math.min(1, kthreads), [tick(pause)]),
          kernelThreads("kernel thread", Math.max(0, kthreads - 1), [tick(values.compute)]),
        ),
      ],
    };
  },
});
