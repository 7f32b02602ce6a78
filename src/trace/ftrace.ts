import { type LineParser, microseconds, silent, type TracepointLine } from "./tracepoint-line.js";

/**
 * -PID [(TGID)] [CPU] [FLAGS] SEC.USEC: behind the name of the command, which may hold anything. Flags are absent in the output
 * of some versions of trace-cmd.
 */
const middle =
  /-(\d{1,7})\s{1,20}(?:\(\s{0,8}(\d{1,7}|-{1,7})\)\s{1,8})?\[(\d{1,5})\]\s{1,8}(?:[^\s:]{3,8}\s{1,8})?(\d{1,12})\.(\d{6,9}):\s{1,8}/;
const named = /^([\w.-]{1,80}):(?:\s|$)/;
/** sys_munmap(addr: 0x7f0000000000, len: 0x1000) and sys_munmap -> 0x0 */
const entered = /^sys_(\w{1,80})\((.*)\)$/;
const returned = /^sys_(\w{1,80}) -> (\S{1,40})$/;
const lost = /^CPU:\d{1,5} \[LOST (?:(\d{1,9}) )?EVENTS\]$/;
/** What trace-cmd says before the first event. */
const preamble = /^(?:cpus=\d{1,5}|version = .{0,80}|CPU \d{1,5} is empty|trace-cmd .{0,200})$/;

/**
 * The kernel's `trace` and `trace_pipe` files, and `trace-cmd report`.
 * Source: linux kernel/trace/trace_output.c, trace_print_context(); kernel/trace/trace_syscalls.c, print_syscall_enter().
 */
export const parseFtraceLine: LineParser = (text) => {
  if (text.startsWith("#") || text.trim() === "") return silent;
  const head = middle.exec(text);
  if (head === null) return withoutEvent(text);
  if (text.includes("\0")) return undefined;
  const what = eventOf(text.slice(head.index + head[0].length).trim());
  if (what === undefined) return undefined;
  return {
    tid: Number(head[1]),
    pid: head[2] === undefined || head[2].startsWith("-") ? undefined : Number(head[2]),
    cpu: Number(head[3]),
    time: microseconds(head[4]!, head[5]!),
    ...what,
  };
};

function withoutEvent(text: string): ReturnType<LineParser> {
  const dropped = lost.exec(text);
  if (dropped !== null) return { ...silent, lost: Number(dropped[1] ?? 1) };
  return preamble.test(text) ? silent : undefined;
}

function eventOf(text: string): Pick<TracepointLine, "event" | "text"> | undefined {
  const tracepoint = named.exec(text);
  if (tracepoint !== null) return { event: tracepoint[1]!, text: text.slice(tracepoint[0].length).trim() };
  const enter = entered.exec(text);
  if (enter !== null) return { event: `sys_enter_${enter[1]}`, text: enter[2]! };
  const exit = returned.exec(text);
  return exit === null ? undefined : { event: `sys_exit_${exit[1]}`, text: exit[2]! };
}
