import type { Builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { LoopWorkload, type Pen, type Steps, userWork } from "./loop.js";
import { type LoopValues, loopParameters } from "./loop-parameters.js";
import { parameterValues } from "./parameters.js";
import { PROT_READ, PROT_WRITE, privateWord } from "./vma-word.js";

const name = "mprotect-loop";

export const mprotectLoop: Builtin = {
  name,
  about: "threads that make memory of their own read-only and writable again, over and over",
  standsFor:
    "Programs that use page protection as a tool: garbage collectors with write barriers in the MMU, just-in-time " +
    "compilers that switch code between writable and executable, snapshots and incremental checkpoints. Taking the " +
    "write permission away needs a flush before the call may return; giving it back needs none, because a CPU that " +
    "still holds the old translation only takes a spurious fault. The pages stay mapped, so neither frames nor page " +
    "tables are freed: this is the cost of the flush alone.",
  parameters: loopParameters,
  open(given, cpus) {
    const values = parameterValues(name, loopParameters, given, cpus);
    return new LoopWorkload({
      ...{ name, threads: values.threads, sharedPages: values.shared, ownPages: values.pages },
      thread: (pen) => rounds(pen, values),
    });
  },
};

function* rounds(pen: Pen, { pages, iterations, initiators, reads, compute }: LoopValues): Steps {
  const [start, end] = [pen.ownPage, pen.ownPage + pages];
  const isInitiator = pen.task < initiators;
  if (isInitiator) {
    yield* pen.call("mmap", [start, end, privateWord(PROT_READ | PROT_WRITE)]);
    yield* pen.sweep(start, pages, STORE);
  }
  for (let round = 0; round < iterations; round++) {
    if (isInitiator) {
      yield* pen.call("mprotect", [start, end, PROT_READ]);
      yield* pen.sweep(start, pages, LOAD);
      yield* pen.call("mprotect", [start, end, PROT_READ | PROT_WRITE]);
      yield* pen.sweep(start, pages, STORE);
    }
    yield* userWork(pen, reads, compute);
  }
}
