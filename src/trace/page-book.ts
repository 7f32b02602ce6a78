const none = -1;

/**
 * Who accessed which page last, for the calls that must come after it.
 *
 * Shape: an entry for each (page, thread) accessed since the last call that took the page away; `position[entry]` is
 * kept by the caller. Memory is bounded by pages and threads, not by accesses.
 */
export class PageBook {
  position = new Float64Array(1024);
  #thread = new Int32Array(1024);
  #next = new Int32Array(1024);
  #free = none;
  #used = 0;
  /** First entry of each page. */
  readonly #pages = new Map<number, number>();

  /** The entry of a page and a thread, made if needed. It is valid until the page is taken. */
  entry(page: number, thread: number): number {
    const first = this.#pages.get(page) ?? none;
    for (let entry = first; entry !== none; entry = this.#next[entry]!) {
      if (this.#thread[entry] === thread) return entry;
    }
    const entry = this.#allocate();
    this.#thread[entry] = thread;
    this.#next[entry] = first;
    this.#pages.set(page, entry);
    return entry;
  }

  /** Forget the pages start to end - 1; returns the latest position at which each thread accessed one of them. */
  take(start: number, end: number): Map<number, number> {
    const latest = new Map<number, number>();
    if (end - start <= this.#pages.size) {
      for (let page = start; page < end; page++) this.#takePage(page, latest);
    } else {
      for (const page of this.#pages.keys()) if (page >= start && page < end) this.#takePage(page, latest);
    }
    return latest;
  }

  #takePage(page: number, latest: Map<number, number>): void {
    let entry = this.#pages.get(page) ?? none;
    if (entry === none) return;
    this.#pages.delete(page);
    while (entry !== none) {
      const thread = this.#thread[entry]!;
      latest.set(thread, Math.max(latest.get(thread) ?? 0, this.position[entry]!));
      const next = this.#next[entry]!;
      this.#next[entry] = this.#free;
      this.#free = entry;
      entry = next;
    }
  }

  #allocate(): number {
    const reused = this.#free;
    if (reused !== none) {
      this.#free = this.#next[reused]!;
      return reused;
    }
    if (this.#used === this.position.length) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const size = 2 * this.position.length;
    const [position, thread, next] = [new Float64Array(size), new Int32Array(size), new Int32Array(size)];
    position.set(this.position);
    thread.set(this.#thread);
    next.set(this.#next);
    [this.position, this.#thread, this.#next] = [position, thread, next];
  }
}
