import type { PoolProgress } from "../engine/pool.js";
import { count, digits } from "../report/format.js";
import type { ProgressMode } from "./options.js";

const plainEveryMs = 5000;
const clearLine = "\r\u001b[K";

/** Tells a person, or a program, on stderr how far the runs are. */
export class Progress<T> {
  readonly #mode: "line" | "plain" | "json" | "none";
  readonly #text: (state: T, seconds: number) => string;
  readonly #stream: NodeJS.WriteStream;
  readonly #started = performance.now();
  #lastPlain = performance.now();
  #lineShown = false;

  /** auto: one line rewritten on a terminal; elsewhere a plain line every few seconds, none for a short run. */
  constructor(
    mode: ProgressMode,
    text: (state: T, seconds: number) => string,
    stream: NodeJS.WriteStream = process.stderr,
  ) {
    this.#text = text;
    this.#stream = stream;
    this.#mode = mode === "auto" ? (stream.isTTY ? "line" : "plain") : mode;
  }

  update(progress: T): void {
    const seconds = (performance.now() - this.#started) / 1000;
    if (this.#mode === "line") {
      this.#stream.write(
        clearLine + this.#text(progress, seconds).slice(0, (this.#stream.columns || 80) - 1),
      );
      this.#lineShown = true;
    } else if (this.#mode === "json") {
      this.#stream.write(`${JSON.stringify({ ...progress, seconds: Number(seconds.toFixed(3)) })}\n`);
    } else if (this.#mode === "plain" && performance.now() - this.#lastPlain >= plainEveryMs) {
      this.#stream.write(`${this.#text(progress, seconds)}\n`);
      this.#lastPlain = performance.now();
    }
  }

  /** Leaves an empty line for what is printed next. */
  end(): void {
    if (this.#lineShown) this.#stream.write(clearLine);
    this.#lineShown = false;
  }
}

/** "2 of 10 runs, 12,345,678 records, 3.45 M records/s, 12 s". */
export function progressText(progress: PoolProgress, seconds: number): string {
  const rate = seconds > 0 ? digits(progress.records / seconds / 1e6) : "0";
  const { finished, tasks, records } = progress;
  return `${finished} of ${tasks} runs, ${count(records)} records, ${rate} M records/s, ${Math.round(seconds)} s`;
}
