import { pageBytes } from "../workload/feed.js";
import { fileWord, moved, privateWord, rightsOf, sharedWord, type VmaWord } from "../workload/vma-word.js";
import { InputError } from "./errors.js";
import type { CallEvent } from "./event.js";
import type { Thread } from "./process.js";
import type { RecordWriter, Writing } from "./record-writer.js";

type Event<N extends CallEvent["name"]> = Extract<CallEvent, { name: N }>;

const pagesMax = 2 ** 47 / pageBytes;
const readWrite = 3;
/** Advice to madvise(2) that frees pages: DONTNEED and FREE. */
const advicesThatFree: ReadonlySet<number> = new Set([4, 8]);
/** File ids for shared memory without a file begin here; descriptors are small numbers. */
const anonymousFiles = 0x800;

/** Writes the recorded calls as calls of kernel entries, and keeps the map of what they have done. */
export class CallWriter {
  readonly #file: string;
  readonly #records: RecordWriter;
  /** Most pages touched where a call gives or takes memory. */
  readonly #touch: number;
  #sharedFiles = 0;

  constructor(file: string, records: RecordWriter, touch: number) {
    this.#file = file;
    this.#records = records;
    this.#touch = touch;
  }

  /** A call that neither makes nor ends a thread. */
  *memoryCall(thread: Thread, event: CallEvent): Writing {
    switch (event.name) {
      case "mmap":
        return yield* this.#mmap(thread, event);
      case "munmap":
        return yield* this.#munmap(thread, ...this.#pages(event.start, event.length));
      case "mprotect":
        return yield* this.#mprotect(thread, event);
      case "madvise":
        return yield* this.#madvise(thread, event);
      case "brk":
        return yield* this.#brk(thread, event.end);
      case "mremap":
        return yield* this.#mremap(thread, event);
      case "exec":
        return yield* this.#exec(thread);
      default:
        return;
    }
  }

  /** The copy is of everything, so every call before it is done, and no later call of the parent's overtakes it. */
  *fork(parent: Thread, child: Thread): Writing {
    const { process } = parent;
    yield* this.#records.waitCalls(parent, process.lastRank);
    process.barrierRank = yield* this.#records.call(parent, "fork", [
      { mm: child.process.mm },
      { task: child.task },
    ]);
    process.barrierCaller = parent.number;
    yield* this.#records.start(parent, child, true);
  }

  *#mmap(thread: Thread, event: Event<"mmap">): Writing {
    const [start, end] = this.#pages(event.start, event.length);
    yield* this.#map(thread, start, end, this.#word(event, start));
  }

  *#munmap(thread: Thread, start: number, end: number): Writing {
    yield* this.#records.touch(thread, start, end, this.#touch);
    const rank = yield* this.#records.change(thread, "munmap", start, end, [{ page: start }, { page: end }]);
    thread.process.space.set(start, end, 0n, rank, thread.number);
  }

  *#mprotect(thread: Thread, event: Event<"mprotect">): Writing {
    if (event.length === 0) return;
    const [start, end] = this.#pages(event.start, event.length);
    yield* this.#records.imageOver(thread, start, end);
    const args = [{ page: start }, { page: end }, rightsOf(event.prot)];
    const rank = yield* this.#records.change(thread, "mprotect", start, end, args);
    thread.process.space.protect(start, end, event.prot, rank, thread.number);
    yield* this.#records.touch(thread, start, end, this.#touch);
  }

  *#madvise(thread: Thread, event: Event<"madvise">): Writing {
    if (event.length === 0) return;
    const [start, end] = this.#pages(event.start, event.length);
    const args = [{ page: start }, { page: end }, event.advice];
    yield* this.#records.imageOver(thread, start, end);
    if (!advicesThatFree.has(event.advice)) {
      yield* this.#records.call(thread, "madvise", args);
      return;
    }
    yield* this.#records.touch(thread, start, end, this.#touch);
    const rank = yield* this.#records.change(thread, "madvise", start, end, args);
    thread.process.space.touch(start, end, rank, thread.number);
  }

  /** The first call only tells where the heap ends: it is a query. */
  *#brk(thread: Thread, endByte: number): Writing {
    const { process } = thread;
    const old = Math.ceil((process.heapEnd ?? endByte) / pageBytes);
    const end = Math.ceil(endByte / pageBytes);
    process.heapEnd = endByte;
    if (end === old) return;
    const [low, high] = this.#pages(Math.min(old, end) * pageBytes, Math.abs(end - old) * pageBytes);
    if (end < old) yield* this.#records.touch(thread, low, high, this.#touch);
    // What a window of the image has taken of the heap, before the heap's place was known, is mapped already.
    const from = end > old ? (process.space.holes(low, high)[0]?.start ?? high) : low;
    if (from === high) return;
    const rank = yield* this.#records.change(thread, "brk", low, high, [
      { page: end > old ? from : old },
      { page: end },
    ]);
    process.space.set(low, high, end > old ? privateWord(readWrite) : 0n, rank, thread.number);
    if (end > old) yield* this.#records.touch(thread, low, high, this.#touch);
  }

  /** The pages move along, as far as they are one mapping to somewhere else; what is gained is mapped, and what is left unmapped. */
  *#mremap(thread: Thread, event: Event<"mremap">): Writing {
    const [oldStart, oldEnd] = this.#pages(event.start, event.length);
    const [start, end] = this.#pages(event.newStart, event.newLength);
    const { space } = thread.process;
    yield* this.#records.imageOver(thread, oldStart, oldEnd);
    const word = moved(space.find(oldStart)!.word, start - oldStart);
    const isApart = start >= oldEnd || end <= oldStart;
    if (isApart && space.overlapping(oldStart, oldEnd).length === 1) {
      yield* this.#move(thread, [oldStart, oldEnd], [start, end], word);
    } else if (start !== oldStart) {
      yield* this.#map(thread, start, end, word);
      yield* this.#munmap(thread, oldStart, oldEnd);
    } else if (end > oldEnd) yield* this.#map(thread, oldEnd, end, word);
    else if (end < oldEnd) yield* this.#munmap(thread, end, oldEnd);
  }

  *#move(
    thread: Thread,
    [oldStart, oldEnd]: readonly [number, number],
    [start, end]: readonly [number, number],
    word: VmaWord,
  ): Writing {
    const { space } = thread.process;
    yield* this.#records.touch(thread, oldStart, oldEnd, this.#touch);
    yield* this.#records.settle(thread, oldStart, oldEnd);
    const args = [{ apart: oldStart }, oldEnd - oldStart, { apart: start }, end - start];
    const rank = yield* this.#records.change(thread, "mremap", start, end, args);
    space.set(oldStart, oldEnd, 0n, rank, thread.number);
    space.set(start, end, word, rank, thread.number);
    yield* this.#records.touch(thread, start, end, this.#touch);
  }

  *#map(thread: Thread, start: number, end: number, word: VmaWord): Writing {
    const args = [{ page: start }, { page: end }, { word }];
    const rank = yield* this.#records.change(thread, "mmap", start, end, args);
    thread.process.space.set(start, end, word, rank, thread.number);
    yield* this.#records.touch(thread, start, end, this.#touch);
  }

  *#exec(thread: Thread): Writing {
    const { process } = thread;
    process.heapEnd = undefined;
    if (process.space.isEmpty) return;
    yield* this.#records.waitCalls(thread, process.lastRank);
    yield* this.#records.change(thread, "exec", 0, pagesMax, []);
    process.space.clear();
  }

  /** Page range of an address and a length in bytes, as the kernel rounds them; every copy has a place for it. */
  #pages(start: number, length: number): [start: number, end: number] {
    const [first, end] = [Math.floor(start / pageBytes), Math.ceil((start + length) / pageBytes)];
    if (end <= first || end > pagesMax) {
      const saw = `${length} bytes at 0x${start.toString(16)}`;
      throw new InputError({ file: this.#file }, "ranges of at least a byte, below 2^47", saw);
    }
    this.#records.relocation.cover(first, end);
    return [first, end];
  }

  #word({ prot, shared, fd, offset }: Event<"mmap">, start: number): VmaWord {
    if (fd >= 0) return fileWord(prot, shared, fd, Math.floor(offset / pageBytes), start);
    if (!shared) return privateWord(prot);
    return sharedWord(prot, anonymousFiles | (this.#sharedFiles++ % anonymousFiles), start);
  }
}
