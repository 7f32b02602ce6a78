import type { Builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { LoopWorkload, ownPagesMax, type Pen, type Steps, userWork } from "./loop.js";
import { loopParameters } from "./loop-parameters.js";
import { type Parameter, parameterValues } from "./parameters.js";
import { fileWord, PROT_READ, PROT_WRITE, privateWord, watchedForWrites } from "./vma-word.js";

const name = "uffd-fill";
const rights = PROT_READ | PROT_WRITE;
const CONTINUE = 2;
const MADV_PAGEOUT = 21;

const parameters = [
  ...loopParameters,
  choice("op", 0, 2, "0 UFFDIO_COPY, 1 UFFDIO_ZEROPAGE, 2 UFFDIO_CONTINUE"),
  choice("later", 2, 2, "what the thread does with a filled page: 0 nothing, 1 reads it, 2 writes it"),
  choice(
    "wp",
    0,
    1,
    "1: pages are filled write-protected, and the protection is lifted before they are used",
  ),
  choice("pageout", 0, 1, "1: madvise(MADV_PAGEOUT) before the pages are unmapped"),
] as const satisfies readonly Parameter[];

type Values = Readonly<Record<(typeof parameters)[number]["name"], number>>;

function choice<N extends string>(of: N, otherwise: number, max: number, about: string) {
  return { name: of, unit: "count", default: otherwise, min: 0, max, about } as const;
}

export const uffdFill: Builtin = {
  name,
  about: "a monitor that fills pages by userfaultfd operations before their threads use them",
  standsFor:
    "Live migration and snapshots of virtual machines: the monitor of a userfaultfd puts pages into place, and the guest " +
    "reads or writes some of them later, or none. Which of the A and D bits the operation sets beforehand (slot uffd-hint) " +
    "decides who pays: an assist or a copy at the first use, or a flush and a write-back for a page that nobody ever wrote.",
  parameters,
  open(given, cpus) {
    const values = parameterValues(name, parameters, given, cpus);
    return new LoopWorkload({
      ...{
        name,
        threads: values.threads,
        sharedPages: values.shared,
        ownPages: Math.min(values.pages, ownPagesMax),
      },
      thread: (pen) => rounds(pen, values),
    });
  },
};

function* rounds(pen: Pen, values: Values): Steps {
  const { pages, iterations, initiators, reads, compute, op, later, wp, pageout } = values;
  const [start, end] = [pen.ownPage, pen.ownPage + pages];
  const plain = op === CONTINUE ? fileWord(rights, true, pen.task + 1, 0, start) : privateWord(rights);
  const word = wp === 1 ? watchedForWrites(plain) : plain;
  for (let round = 0; round < iterations; round++) {
    if (pen.task < initiators) {
      yield* pen.call("mmap", [start, end, word]);
      yield* pen.call("uffd_fill", [start, end, op, wp]);
      if (wp === 1) yield* pen.call("userfaultfd_writeprotect", [start, end, 0]);
      if (later > 0) yield* pen.sweep(start, pages, later === 1 ? LOAD : STORE);
      if (pageout === 1) yield* pen.call("madvise", [start, end, MADV_PAGEOUT]);
      yield* pen.call("munmap", [start, end]);
    }
    yield* userWork(pen, reads, compute);
  }
}
