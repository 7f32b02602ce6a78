import { InputError, type Place } from "./errors.js";
import type { Lines, LineWindow } from "./lines.js";
import { actsAtItsStart } from "./strace-call.js";

/** Time of -t, -tt (since midnight) or -ttt (since 1970), the name of a call, and its duration of -T. */
const timed = /^(?:(\d+):(\d+):(\d+(?:\.\d+)?)|(\d+\.\d+)) (?:(\w+)\()?(?:.*<(\d+\.\d+)>)?/;

interface Head {
  readonly lines: LineWindow;
  readonly prefix: Buffer;
  text: Buffer;
  /** Seconds. */
  time: number;
  place: Place;
}

interface Merged {
  readonly text: Buffer;
  readonly place: Place;
}

/**
 * The files of `strace -ff`, one for each thread, as one output of `strace -f`: lines in the order of their times, each
 * with the id of its thread, which is the end of the file's name.
 *
 * A line stands where its call took effect: see EffectOrder, which does the same for calls in two halves.
 */
export class MergedLines implements Lines {
  readonly file: string;
  line = 0;
  position = 0;
  place: Place;
  readonly #all: readonly LineWindow[];
  /** Files with their next line, or undefined before the first. */
  #heads: Head[] | undefined;
  readonly #tids: readonly number[];
  #merged: Merged[] = [];

  constructor(name: string, files: readonly LineWindow[], tids: readonly number[]) {
    this.file = name;
    this.place = { file: name };
    this.#all = files;
    this.#tids = tids;
  }

  get end(): number {
    return this.#merged.length;
  }

  /** Throws: InputError for a line without a time of day, and as LineWindow does. */
  async more(): Promise<boolean> {
    this.#heads ??= await this.#firstHeads();
    this.position = 0;
    this.#merged = [];
    while (this.#heads.length > 0) {
      const first = this.#heads.reduce((best, head) => (head.time < best.time ? head : best));
      this.#merged.push({ text: Buffer.concat([first.prefix, first.text]), place: first.place });
      if (first.lines.position < first.lines.end) {
        advance(first);
        continue;
      }
      if (await first.lines.more()) advance(first);
      else this.#heads.splice(this.#heads.indexOf(first), 1);
      break;
    }
    return this.#merged.length > 0;
  }

  take(): Buffer {
    const { text, place } = this.#merged[this.position++]!;
    this.line++;
    this.place = place;
    return text;
  }

  close(): void {
    for (const lines of this.#all) lines.close();
  }

  async #firstHeads(): Promise<Head[]> {
    const heads: Head[] = [];
    for (const [index, lines] of this.#all.entries()) {
      if (lines.position === lines.end && !(await lines.more())) continue;
      const prefix = Buffer.from(`${this.#tids[index]} `);
      const head = { lines, prefix, text: Buffer.alloc(0), time: 0, place: lines.place };
      advance(head);
      heads.push(head);
    }
    return heads;
  }
}

function advance(head: Head): void {
  head.text = head.lines.take();
  head.place = head.lines.place;
  const match = timed.exec(head.text.toString("latin1"));
  if (match === null) {
    const expected = "a time (strace -ttt), to put the files of strace -ff in order";
    throw new InputError(head.place, expected, "a line without");
  }
  const [, hours, minutes, seconds, since, name, duration] = match;
  const start =
    since === undefined ? Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) : Number(since);
  const isLate = name !== undefined && !actsAtItsStart(name);
  // Never before the line above, whatever the clock did: a thread's own order is certain.
  head.time = Math.max(head.time, start + (isLate ? Number(duration ?? 0) : 0));
}
