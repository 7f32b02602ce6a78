import type { Builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { LoopWorkload, ownPagesMax, type Pen, type Steps, userWork } from "./loop.js";
import { loopParameters } from "./loop-parameters.js";
import { type Parameter, parameterValues } from "./parameters.js";
import { PROT_READ, PROT_WRITE, privateWord } from "./vma-word.js";

const name = "pending-storm";
const readWrite = privateWord(PROT_READ | PROT_WRITE);
const MADV_DONTNEED = 4;
const MADV_PAGEOUT = 21;
/** What holds a flush pending, by the value of `opener`. */
const PAGEOUT = 0;
const MPROTECT = 1;

const parameters = [
  ...loopParameters,
  {
    name: "opener",
    unit: "count",
    default: PAGEOUT,
    min: 0,
    max: 2,
    about: "what thread 0 does over and over: 0 MADV_PAGEOUT, 1 mprotect, 2 MADV_DONTNEED",
  },
  {
    name: "opened",
    unit: "pages",
    default: 64,
    min: 1,
    max: ownPagesMax,
    about: "pages that each of those calls is about; more of them keep the flush pending for longer",
  },
] as const satisfies readonly Parameter[];

type Values = Readonly<Record<(typeof parameters)[number]["name"], number>>;

export const pendingStorm: Builtin = {
  name,
  about: "write faults of many threads while another one keeps a flush pending",
  standsFor:
    "The worry of the thread behind tlb_flush_pending: somebody changes page tables and flushes late, be it for the length of " +
    "a reclaim with its IO, and every write fault of the process has to decide whether to flush first. Threads take copy-on-write " +
    "faults on memory of their own; thread 0 pages out, protects or drops another part of the address space meanwhile. The slot " +
    "pending decides how many of the faults flush.",
  parameters,
  open(given, cpus) {
    const values = parameterValues(name, parameters, given, cpus);
    const ownPages = Math.max(values.pages, values.opened);
    return new LoopWorkload({
      ...{ name, threads: values.threads, sharedPages: values.shared, ownPages },
      thread: (pen) => (pen.task === 0 ? opener(pen, values) : faulter(pen, values)),
    });
  },
};

/** Writes its pages, so that there is something to take away, and takes it away. */
function* opener(pen: Pen, { opened, iterations, opener: kind }: Values): Steps {
  const [start, end] = [pen.ownPage, pen.ownPage + opened];
  yield* pen.call("mmap", [start, end, readWrite]);
  for (let round = 0; round < iterations; round++) {
    yield* pen.sweep(start, opened, STORE);
    if (kind === MPROTECT) {
      yield* pen.call("mprotect", [start, end, PROT_READ]);
      yield* pen.call("mprotect", [start, end, PROT_READ | PROT_WRITE]);
    } else yield* pen.call("madvise", [start, end, kind === PAGEOUT ? MADV_PAGEOUT : MADV_DONTNEED]);
  }
}

/** Reads each page, which maps the page of zeroes, and writes it, which copies that. */
function* faulter(pen: Pen, { pages, iterations, reads, compute }: Values): Steps {
  const [start, end] = [pen.ownPage, pen.ownPage + pages];
  for (let round = 0; round < iterations; round++) {
    yield* pen.call("mmap", [start, end, readWrite]);
    yield* pen.sweep(start, pages, LOAD);
    yield* pen.sweep(start, pages, STORE);
    yield* pen.call("munmap", [start, end]);
    yield* userWork(pen, reads, compute);
  }
}
