import { builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { anonymous, groups, loopParameters, parameter, readWrite, threads, userWork } from "./loop.js";
import type { Step } from "./plan.js";
import { ownPagesMax } from "./plan-layout.js";
import { call, MADV_DONTNEED, MADV_PAGEOUT, mmap, repeat, sweep } from "./steps.js";
import { PROT_READ } from "./vma-word.js";

/** What holds a flush pending, by the value of `opener`. */
const openers: readonly (readonly Step[])[] = [
  [call("madvise", "opened", MADV_PAGEOUT)],
  [call("mprotect", "opened", PROT_READ), call("mprotect", "opened", readWrite)],
  [call("madvise", "opened", MADV_DONTNEED)],
];

export const pendingStorm = builtin({
  name: "pending-storm",
  about: "write faults of many threads while another one keeps a flush pending",
  standsFor:
    "The worry of the thread behind tlb_flush_pending: somebody changes page tables and flushes late, be it for the length of " +
    "a reclaim with its IO, and every write fault of the process has to decide whether to flush first. Threads take copy-on-write " +
    "faults on memory of their own; thread 0 pages out, protects or drops another part of the address space meanwhile. The slot " +
    "pending decides how many of the faults flush.",
  parameters: [
    ...loopParameters,
    parameter(
      "opener",
      "count",
      0,
      [0, 2],
      "what thread 0 does over and over: 0 MADV_PAGEOUT, 1 mprotect, 2 MADV_DONTNEED",
    ),
    parameter(
      "opened",
      "pages",
      64,
      [1, ownPagesMax],
      "pages that each of those calls is about; more of them keep the flush pending for longer",
    ),
  ],
  plan(values) {
    const { opened, opener, iterations } = values;
    // Thread 0 writes its pages, so that there is something to take away, and takes it away.
    const open = [mmap("opened"), repeat(iterations, sweep("opened", STORE), ...openers[opener]!)];
    // The others read each page, which maps the page of zeroes, and write it, which copies that.
    const faults = [mmap("own"), sweep("own", LOAD), sweep("own", STORE), call("munmap", "own")];
    return {
      regions: {
        shared: anonymous(values.shared, "process"),
        opened: anonymous(opened, "thread"),
        own: anonymous(values.pages, "thread"),
      },
      groups: groups(
        threads("opener", 1, open),
        threads("faulter", values.threads - 1, [repeat(iterations, ...faults, ...userWork(values))]),
      ),
    };
  },
});
