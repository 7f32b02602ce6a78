import { CALL, type CallEvent, type EventBlock } from "./event.js";

/** Begins threads whose beginning is lost, where parts of a recording are passed over. */
export class ThreadMender {
  readonly #alive = new Set([0]);
  readonly #ended = new Set<number>();

  /** Copy rows, with a beginning before the first row of each thread that has none; `to` has room for twice the rows. */
  mend(from: EventBlock, to: EventBlock): void {
    for (let row = 0; row < from.length; row++) {
      const thread = from.thread[row]!;
      if (this.#ended.has(thread)) continue;
      if (!this.#alive.has(thread) && !this.#begin(thread, to)) continue;
      const event = from.at(row);
      if (from.kind[row] !== CALL)
        to.access(thread, from.kind[row] as 0, from.address[row]!, from.size[row]!);
      else this.#call(event as CallEvent, to);
    }
  }

  #begin(thread: number, to: EventBlock): boolean {
    const [parent] = this.#alive;
    if (parent === undefined) return false;
    to.call({ name: "thread", thread: parent, child: thread });
    this.#alive.add(thread);
    return true;
  }

  #call(call: CallEvent, to: EventBlock): void {
    to.call(call);
    if (call.name === "exit") {
      this.#alive.delete(call.thread);
      this.#ended.add(call.thread);
    }
    if (call.name === "thread" || call.name === "fork") this.#alive.add(call.child);
  }
}
