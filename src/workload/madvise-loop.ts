import { builtin } from "./builtin.js";
import { STORE } from "./feed.js";
import { loopParameters, loopPlan, parameter, userWork } from "./loop.js";
import { call, MADV_DONTNEED, MADV_FREE, mmap, repeat, sweep } from "./steps.js";

export const madviseLoop = builtin({
  name: "madvise-loop",
  about: "threads that write memory of their own and give its pages back with madvise, over and over",
  standsFor:
    "Memory allocators that return pages which their programs have freed: jemalloc when dirty pages decay, the scavenger of " +
    "Go, tcmalloc and glibc's malloc_trim. The mapping stays, so no call takes mmap_lock for writing and threads do not wait " +
    "for each other there; what is left is the flush and the page faults of the next round. With MADV_FREE the pages stay " +
    "until memory is short, but each loses its accessed and dirty bits, and that takes a flush as well.",
  parameters: [...loopParameters, parameter("advice", "count", 0, [0, 1], "0 MADV_DONTNEED, 1 MADV_FREE")],
  plan: (values) =>
    loopPlan(values, [
      mmap("own"),
      repeat(
        values.iterations,
        sweep("own", STORE),
        call("madvise", "own", values.advice === 0 ? MADV_DONTNEED : MADV_FREE),
        ...userWork(values),
      ),
    ]),
});
