import { builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { loopParameters, loopPlan, readWrite, userWork } from "./loop.js";
import { call, mmap, repeat, sweep } from "./steps.js";
import { PROT_READ } from "./vma-word.js";

export const mprotectLoop = builtin({
  name: "mprotect-loop",
  about: "threads that make memory of their own read-only and writable again, over and over",
  standsFor:
    "Programs that use page protection as a tool: garbage collectors with write barriers in the MMU, just-in-time " +
    "compilers that switch code between writable and executable, snapshots and incremental checkpoints. Taking the " +
    "write permission away needs a flush before the call may return; giving it back needs none, because a CPU that " +
    "still holds the old translation only takes a spurious fault, but Linux on x86 flushes then, too (slot " +
    "need-flush). The pages stay mapped, so neither frames nor page tables are freed: this is the cost of the flush " +
    "alone.",
  parameters: loopParameters,
  plan: (values) =>
    loopPlan(values, [
      mmap("own"),
      sweep("own", STORE),
      repeat(
        values.iterations,
        call("mprotect", "own", PROT_READ),
        sweep("own", LOAD),
        call("mprotect", "own", readWrite),
        sweep("own", STORE),
        ...userWork(values),
      ),
    ]),
});
