import { builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { loopParameters, loopPlan, parameter, userWork } from "./loop.js";
import type { Step } from "./plan.js";
import { call, MADV_PAGEOUT, mmap, repeat, sweep } from "./steps.js";

const CONTINUE = 2;

export const uffdFill = builtin({
  name: "uffd-fill",
  about: "a monitor that fills pages by userfaultfd operations before their threads use them",
  standsFor:
    "Live migration and snapshots of virtual machines: the monitor of a userfaultfd puts pages into place, and the guest " +
    "reads or writes some of them later, or none. Which of the A and D bits the operation sets beforehand (slot uffd-hint) " +
    "decides who pays: an assist or a copy at the first use, or a flush and a write-back for a page that nobody ever wrote.",
  parameters: [
    ...loopParameters,
    parameter("op", "count", 0, [0, 2], "0 UFFDIO_COPY, 1 UFFDIO_ZEROPAGE, 2 UFFDIO_CONTINUE"),
    parameter(
      "later",
      "count",
      2,
      [0, 2],
      "what the thread does with a filled page: 0 nothing, 1 reads it, 2 writes it",
    ),
    parameter(
      "wp",
      "count",
      0,
      [0, 1],
      "1: pages are filled write-protected, and the protection is lifted before they are used",
    ),
    parameter("pageout", "count", 0, [0, 1], "1: madvise(MADV_PAGEOUT) before the pages are unmapped"),
  ],
  plan(values) {
    const { iterations, op, later, wp, pageout } = values;
    const use: Step[] = later === 0 ? [] : [sweep("own", later === 1 ? LOAD : STORE)];
    const steps = [
      mmap("own"),
      call("uffd_fill", "own", op, wp),
      ...(wp === 1 ? [call("userfaultfd_writeprotect", "own", 0)] : []),
      ...use,
      ...(pageout === 1 ? [call("madvise", "own", MADV_PAGEOUT)] : []),
      call("munmap", "own"),
    ];
    // What UFFDIO_CONTINUE maps is in the page cache: shared memory.
    const own = { shared: op === CONTINUE, watched: wp === 1 };
    return loopPlan(values, [repeat(iterations, ...steps, ...userWork(values))], own);
  },
});
