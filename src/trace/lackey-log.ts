import { type AccessKind, FETCH, LOAD, MODIFY, STORE } from "../workload/feed.js";
import { CLONE_VFORK, CLONE_VM, type EventBlock, type ReaderCounts } from "./event.js";
import { addressEnd, mmCall, mmCallNames, rangeProblem } from "./mm-call.js";

/** An access that the reader has not taken: one that follows a result on the same line. */
const access = /^(I {2}| [LSM] )([0-9a-f]{8,12}),(\d{1,5})$/;
const kinds: Readonly<Record<string, AccessKind>> = {
  "I  ": FETCH,
  " L ": LOAD,
  " S ": STORE,
  " M ": MODIFY,
};
const banner = /^(==|--|\*\*)(\d+)(?::\d+(?::\w+)?)?\1/;
const scheduler = /^\s+SCHED\[(\d+)\]:\s+(.*)$/;
const longJump = /^SCHEDSETJMP\(line \d+\) tid \d+, jumped=\d+$/;
const systemCall = /^SYSCALL\[(\d+),(\d+)\]\(\s*\d+\) (.*)$/;
const header = /^(?:sys_)?(\w+)(?:\[[^\]]*\])?\s*\(([^)]*)\)/;
/** Where the result begins: "[sync] --> ", " --> [pre-success] ", " --> [pre-fail] ", " --> [async] ... ". */
const resultMark = /(\[sync\] -->|--> \[pre-(?:success|fail)\]|--> \[async\]) (.*)$/;
const outcome = /^(?:Success\(0x([0-9a-f]+)(?::0x[0-9a-f]+)?\)|Failure\(0x[0-9a-f]+\)|NoWriteResult) ?(.*)$/;

const anyLine = "a line of Valgrind's lackey (an access, SYSCALL, SCHED or ==PID== line)";

interface OpenCall {
  readonly name: string;
  readonly args: readonly string[];
}

/**
 * Every line of a lackey log but the accesses: system calls, thread switches, and what Valgrind says about itself.
 *
 * Without SCHED lines the thread is that of the last system call.
 */
export class LackeyLog {
  /** The thread that runs now. */
  thread = 0;
  readonly #counts: ReaderCounts;
  /** Process id, once seen. */
  #pid: string | undefined;
  /** Our numbers of Valgrind's thread ids, which it uses again after a thread has ended. */
  readonly #threads = new Map<string, number>();
  /** Threads that have cloned a thread that did not run yet, oldest first. */
  readonly #cloners: number[] = [];
  /** By thread id: a call whose result has not been seen. */
  readonly #open = new Map<string, OpenCall>();
  #lastCaller = "";
  #hasSchedule = false;
  #hasMain = false;
  #awaitsResult = false;

  constructor(counts: ReaderCounts) {
    this.#counts = counts;
  }

  /** Whether the last line was a call without its result. */
  get awaitsResult(): boolean {
    return this.#awaitsResult;
  }

  /** Read one line into the block. Returns what was expected instead, when the line cannot be read. */
  line(text: string, block: EventBlock): string | undefined {
    this.#awaitsResult = false;
    if (text.includes("\0")) return anyLine;
    if (text.trim() === "") return undefined;
    if (text.startsWith("SYSCALL[")) return this.#systemCall(text, block);
    const said = banner.exec(text);
    if (said !== null) return this.#banner(said[2]!, text.slice(said[0].length), block);
    if (longJump.test(text) || this.#access(text, block)) return undefined;
    const result = resultMark.exec(text);
    // A message of Valgrind in the middle of a call leaves the result alone on its line.
    if (result !== null && result.index <= 1) return this.#result(this.#lastCaller, result, block);
    return anyLine;
  }

  #access(text: string, block: EventBlock): boolean {
    const match = access.exec(text);
    if (match === null) return false;
    const [, letter, address, size] = match as unknown as [string, string, string, string];
    const [from, bytes] = [Number.parseInt(address, 16), Number(size)];
    if (from + bytes > addressEnd || bytes === 0) return false;
    block.access(this.thread, kinds[letter]!, from, bytes);
    return true;
  }

  #banner(pid: string, text: string, block: EventBlock): string | undefined {
    const problem = this.#checkPid(pid);
    if (problem !== undefined) return problem;
    const match = scheduler.exec(text);
    if (match === null) return undefined;
    this.#hasSchedule = true;
    const [, tid, what] = match as unknown as [string, string, string];
    if (what.startsWith("acquired lock")) {
      if (what.includes("starting new thread")) this.#threads.delete(tid);
      this.thread = this.#threadOf(tid, block);
    } else if (what.includes("VG_(exit_thread)")) {
      block.call({ name: "exit", thread: this.#threadOf(tid, block) });
      this.#threads.delete(tid);
    }
    return undefined;
  }

  #systemCall(text: string, block: EventBlock): string | undefined {
    const match = systemCall.exec(text);
    if (match === null) return "SYSCALL[pid,tid](number) and a call";
    const [, pid, tid, rest] = match as unknown as [string, string, string, string];
    const problem = this.#checkPid(pid);
    if (problem !== undefined) return problem;
    if (!this.#hasSchedule) this.thread = this.#threadOf(tid, block);
    this.#lastCaller = tid;
    if (rest.startsWith("... [async] --> ")) return this.#finish(tid, rest.slice(16), block);
    const call = this.#header(rest);
    if (call === undefined) return "the name and the arguments of a system call";
    this.#counts.call(call.name);
    this.#open.set(tid, call);
    const result = resultMark.exec(rest);
    if (result !== null) return this.#result(tid, result, block);
    // It follows on a line of its own, behind a message.
    this.#awaitsResult = true;
    return undefined;
  }

  #header(text: string): OpenCall | undefined {
    if (text.startsWith("unimplemented ")) return { name: "ni_syscall", args: [] };
    const match = header.exec(text);
    if (match === null) return undefined;
    return { name: match[1]!, args: match[2]!.split(",").map((part) => part.trim()) };
  }

  #result(tid: string, match: RegExpExecArray, block: EventBlock): string | undefined {
    const [, mark, rest] = match as unknown as [string, string, string];
    if (mark !== "--> [async]") return this.#finish(tid, rest, block);
    this.#counts.joined++;
    return rest.startsWith("...") ? undefined : "'...' after [async]";
  }

  /** The outcome of a call; another line may follow it without a newline. */
  #finish(tid: string, text: string, block: EventBlock): string | undefined {
    const match = outcome.exec(text);
    if (match === null) return "Success(0x...) or Failure(0x...)";
    const call = this.#open.get(tid);
    this.#open.delete(tid);
    // In the child of a fork the call returns a second time, with 0.
    if (call !== undefined) {
      if (match[1] !== undefined) {
        const problem = this.#effect(call, Number.parseInt(match[1], 16), this.#threadOf(tid, block), block);
        if (problem !== undefined) return problem;
      } else if (effects.has(call.name)) this.#counts.failed++;
    }
    const more = match[2]!;
    return more === "" ? undefined : this.line(more, block);
  }

  #effect(call: OpenCall, value: number, thread: number, block: EventBlock): string | undefined {
    if (!effects.has(call.name)) return undefined;
    const problem = `numbers as the arguments of ${call.name}`;
    if (clones.has(call.name)) {
      const flags = call.name === "clone" ? Number.parseInt(call.args[0]!, 16) : 0;
      if (Number.isNaN(flags)) return problem;
      if ((flags & CLONE_VM) !== 0 && (flags & CLONE_VFORK) === 0) this.#cloners.push(thread);
      else this.#fork(thread, block);
      return undefined;
    }
    const event = mmCall(call.name, call.args.map(Number), value, thread);
    if (event === undefined) return problem;
    const wrong = rangeProblem(event);
    if (wrong === undefined) block.call(event);
    return wrong;
  }

  /** The child's accesses are not in this file, or cannot be told apart: it ends at once. */
  #fork(thread: number, block: EventBlock): void {
    const child = this.#counts.threads++;
    block.call({ name: "fork", thread, child });
    block.call({ name: "exit", thread: child });
  }

  /** The number of a thread, which begins here if it is new. */
  #threadOf(tid: string, block: EventBlock): number {
    const known = this.#threads.get(tid);
    if (known !== undefined) return known;
    const isFirst = !this.#hasMain;
    this.#hasMain = true;
    const thread = isFirst ? 0 : this.#counts.threads++;
    this.#threads.set(tid, thread);
    if (!isFirst) block.call({ name: "thread", thread: this.#cloners.shift() ?? this.thread, child: thread });
    return thread;
  }

  #checkPid(pid: string): string | undefined {
    this.#pid ??= pid;
    if (pid === this.#pid) return undefined;
    return `lines of process ${this.#pid} only (record with --trace-children=no --child-silent-after-fork=yes)`;
  }
}

const clones: ReadonlySet<string> = new Set(["clone", "fork", "vfork"]);
const effects: ReadonlySet<string> = new Set([...clones, ...mmCallNames]);
