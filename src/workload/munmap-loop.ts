import type { Builtin } from "./builtin.js";
import { STORE } from "./feed.js";
import { LoopWorkload, type Pen, type Steps, userWork } from "./loop.js";
import { type LoopValues, loopParameters } from "./loop-parameters.js";
import { parameterValues } from "./parameters.js";
import { PROT_READ, PROT_WRITE, privateWord } from "./vma-word.js";

const name = "munmap-loop";
const readWrite = privateWord(PROT_READ | PROT_WRITE);

export const munmapLoop: Builtin = {
  name,
  about: "threads that map, write and unmap memory of their own, over and over",
  standsFor:
    "The micro-benchmark behind most work on TLB shootdowns (the mmap tests of will-it-scale, the munmap benchmark of " +
    "LATR), and servers that map a file or a buffer for each request. Every munmap must take the translations of its " +
    "pages from the CPUs that may hold them. No other thread ever touched these pages, but the kernel knows only that " +
    "the CPUs run the same process, so it interrupts all of them: the cost is in the calls and grows with the CPUs. " +
    "The next mmap gets the same addresses, so the thread itself runs into a flush that was left out.",
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
  for (let round = 0; round < iterations; round++) {
    if (isInitiator) {
      yield* pen.call("mmap", [start, end, readWrite]);
      yield* pen.sweep(start, pages, STORE);
      yield* pen.call("munmap", [start, end]);
    }
    yield* userWork(pen, reads, compute);
  }
}
