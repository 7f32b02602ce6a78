import { AddressSpace } from "./address-space.js";
import { PageBook } from "./page-book.js";

/** One address space of a recording, as far as the recording has been read. */
export class Process {
  readonly mm: number;
  readonly space: AddressSpace;
  readonly book = new PageBook();
  /** End of the heap in bytes, undefined until a call has told it. */
  heapEnd: number | undefined;
  /** Threads that were ever in it: while there is only one, nobody has to wait. */
  threads = 1;
  /** Rank of the last call in this address space. */
  lastRank = 0;
  /** A call that later calls of other threads must follow wherever they act: a fork copies everything. */
  barrierRank = 0;
  barrierCaller = -1;

  constructor(mm: number, space = new AddressSpace()) {
    this.mm = mm;
    this.space = space;
  }

  fork(mm: number): Process {
    const child = new Process(mm, this.space.fork());
    child.heapEnd = this.heapEnd;
    return child;
  }
}

/** One thread of a recording. Its copies have consecutive task ids. */
export interface Thread {
  readonly number: number;
  readonly task: number;
  readonly process: Process;
  isAlive: boolean;
  /** Calls below this rank are done before the thread's next record. */
  waitedRank: number;
}
