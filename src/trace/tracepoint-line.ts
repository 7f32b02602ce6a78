/** One line of a recording of kernel tracepoints, whoever printed it. */
export interface TracepointLine {
  readonly tid: number;
  /** The process of the thread, where the line says so. */
  readonly pid: number | undefined;
  readonly cpu: number;
  /** Microseconds, of whatever clock. */
  readonly time: number;
  /** The tracepoint without its system; those of system calls as sys_enter_NAME and sys_exit_NAME. */
  readonly event: string;
  readonly text: string;
}

/** A line that says nothing of an event: a header, an empty line, a frame of a call chain. */
export interface SilentLine {
  readonly event: undefined;
  /** Events that the recorder had to drop before this line; undefined where it does not say so. */
  readonly lost?: number;
}

export const silent: SilentLine = { event: undefined };

/** Reads one line; undefined when it is none of the format. Takes time in proportion to its length. */
export type LineParser = (text: string) => TracepointLine | SilentLine | undefined;

/** Microseconds of a time that is printed as seconds with six digits or nine. */
export function microseconds(seconds: string, fraction: string): number {
  return Number(seconds) * 1e6 + Number(fraction) / 10 ** (fraction.length - 6);
}
