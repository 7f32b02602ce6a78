import { type LineParser, microseconds, silent } from "./tracepoint-line.js";

/**
 * What stands between the name of the command and the event: [PID/]TID [CPU] SEC.USEC: and a period, if it was printed.
 * A name may hold anything, but it is too short (15 characters) to look like this.
 */
const middle =
  /(?:^|\s)(?:(\d{1,7})\/)?(\d{1,7})\s{1,20}\[(\d{1,5})\]\s{1,8}(\d{1,12})\.(\d{6,9}):\s{1,40}(?:\d{1,20}\s{1,8})?/;
/** system:event: */
const name = /^(?:[\w.-]{1,80}:){0,3}([\w.-]{1,80}):(?:\s|$)/;
/** An address and a symbol: perf record -g. */
const frame = /^\s{1,40}[0-9a-f]{1,16} /;

/**
 * Output of `perf script`, by default or with -F comm,[pid,]tid,cpu,time,event,trace.
 * Source: linux tools/perf/builtin-script.c, perf_sample__fprintf_start().
 */
export const parsePerfLine: LineParser = (text) => {
  if (text.startsWith("#") || text.trim() === "") return silent;
  const head = middle.exec(text);
  if (head === null) return frame.test(text) ? silent : undefined;
  const rest = text.slice(head.index + head[0].length);
  const event = name.exec(rest);
  if (event === null || text.includes("\0")) return undefined;
  return {
    tid: Number(head[2]),
    pid: head[1] === undefined ? undefined : Number(head[1]),
    cpu: Number(head[3]),
    time: microseconds(head[4]!, head[5]!),
    event: event[1]!,
    text: rest.slice(event[0].length).trim(),
  };
};
