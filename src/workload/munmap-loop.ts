import { builtin } from "./builtin.js";
import { STORE } from "./feed.js";
import { loopParameters, loopPlan, userWork } from "./loop.js";
import { call, mmap, repeat, sweep } from "./steps.js";

export const munmapLoop = builtin({
  name: "munmap-loop",
  about: "threads that map, write and unmap memory of their own, over and over",
  standsFor:
    "The micro-benchmark behind most work on TLB shootdowns (the mmap tests of will-it-scale, the munmap benchmark of " +
    "LATR), and servers that map a file or a buffer for each request. Every munmap must take the translations of its " +
    "pages from the CPUs that may hold them. No other thread ever touched these pages, but the kernel knows only that " +
    "the CPUs run the same process, so it interrupts all of them: the cost is in the calls and grows with the CPUs. " +
    "The next mmap gets the same addresses, so the thread itself runs into a flush that was left out.",
  parameters: loopParameters,
  plan: (values) =>
    loopPlan(values, [
      repeat(values.iterations, mmap("own"), sweep("own", STORE), call("munmap", "own"), ...userWork(values)),
    ]),
});
