/** One line of strace's output. `pid` is the thread's id, undefined on lines without one. */
export type StraceLine =
  | {
      readonly kind: "call";
      readonly pid: Pid;
      readonly name: string;
      readonly args: string;
      readonly value: Value;
    }
  /** The first half of a call; `movedTo` is the id that the thread takes on (an execve of a thread). */
  | {
      readonly kind: "begin";
      readonly pid: Pid;
      readonly name: string;
      readonly args: string;
      readonly movedTo?: number;
    }
  /** The second half: the rest of the arguments and the result. */
  | {
      readonly kind: "resume";
      readonly pid: Pid;
      readonly name: string;
      readonly args: string;
      readonly value: Value;
    }
  | { readonly kind: "exit"; readonly pid: Pid }
  /** strace's message that it follows a new thread; `before` is the unfinished line that the message cut. */
  | { readonly kind: "attached"; readonly child: number; readonly before: string }
  /** Signals, messages. */
  | { readonly kind: "other" };

type Pid = number | undefined;
/** Result of a call, undefined when strace prints "?". */
type Value = number | undefined;

const attached = /^(.*?)(?:strace: )?Process (\d+)(?:<[^>]*>)? attached(?: with \d+ threads?)?$/;
/** [pid N] or N, each with an optional command name; time of -t -tt -ttt -r; number of -n, address of -i. */
const prefix =
  /^(?:\[pid\s+(\d+)(?:<[^>]*>)?\]\s+|(\d+)(?:<[^>]*>)?\s+)?\s*(?:[\d:]+(?:\.\d+)?\s+(?:\(\+\s+[\d.]+\)\s+)?)?(?:\[[\s0-9a-f]+\]\s+)*(.*)$/;
const message = /^(?:strace: .*|(?:strace: )?\[ Process PID=.*\]|--- .* ---)$/;
const ended = /^\+\+\+ (?:exited with|killed by) .*\+\+\+$/;
const superseded = /^\+\+\+ superseded by .*\+\+\+$/;
const opening = /^(\w+)\((.*)$/;
const resumed = /^<\.\.\. (\w+) resumed>(.*)$/;
/** The last ") = value" of the line: arguments may hold the same text inside a string. */
const closing = /^(.*)\)\s+= (\?|-?(?:0x[0-9a-f]+|\d+))(?:[\s<].*)?$/;
const cut = /^(.*?)\s*<(?:unfinished|detached|pid changed to (\d+)) \.\.\.>$/;
/** Larger than any id that Linux gives (PID_MAX_LIMIT): it is a time in whole seconds. */
const pidMax = 4_194_304;

/** Undefined when the text is no line of strace. */
export function parseStraceLine(text: string): StraceLine | undefined {
  if (text.includes("\0")) return undefined;
  if (text.trim() === "") return { kind: "other" };
  const follows = text.endsWith("attached") || text.endsWith("threads") ? attached.exec(text) : null;
  if (follows !== null) return { kind: "attached", child: Number(follows[2]), before: follows[1]! };
  const parts = prefix.exec(text);
  if (parts === null) return undefined;
  const number = Number(parts[1] ?? parts[2] ?? Number.NaN);
  const pid = number <= pidMax ? number : undefined;
  return parseRest(pid, parts[3]!);
}

function parseRest(pid: Pid, text: string): StraceLine | undefined {
  if (text.startsWith("+++")) {
    if (ended.test(text)) return { kind: "exit", pid };
    return superseded.test(text) ? { kind: "other" } : undefined;
  }
  const second = resumed.exec(text);
  if (second !== null) return finished("resume", pid, second[1]!, second[2]!);
  const call = opening.exec(text);
  if (call === null) return message.test(text) ? { kind: "other" } : undefined;
  const [, name, body] = call as unknown as [string, string, string];
  const first = body.endsWith(" ...>") ? cut.exec(body) : null;
  if (first === null) return finished("call", pid, name, body);
  const movedTo = first[2] === undefined ? {} : { movedTo: Number(first[2]) };
  return { kind: "begin", pid, name, args: first[1]!, ...movedTo };
}

function finished(kind: "call" | "resume", pid: Pid, name: string, body: string): StraceLine | undefined {
  const match = closing.exec(body);
  if (match === null) return undefined;
  const value = match[2] === "?" ? undefined : Number(match[2]);
  return { kind, pid, name, args: match[1]!, value };
}
