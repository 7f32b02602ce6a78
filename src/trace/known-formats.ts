/** The formats that are read, and how the beginning of a file tells them. */
import type { BinaryFormat } from "./binary-format.js";
import { champsim, champsimCloudsuite } from "./champsim.js";
import { drmemtrace } from "./drmemtrace-format.js";
import { DrmemtraceViewReader } from "./drmemtrace-view.js";
import type { ReaderOptions, TraceReader } from "./event.js";
import { parseFtraceLine } from "./ftrace.js";
import { LackeyReader } from "./lackey.js";
import type { LineWindow } from "./lines.js";
import { packed } from "./packed.js";
import { parsePerfLine } from "./perf.js";
import { StraceReader } from "./strace.js";
import { parseStraceLine } from "./strace-line.js";
import type { LineParser } from "./tracepoint-line.js";
import { TracepointReader } from "./tracepoints.js";

export interface TraceFormat {
  readonly name: string;
  /** One line for lists. */
  readonly about: string;
  /** Whether the beginning of a file is in this format. */
  readonly fits: (lines: readonly string[]) => boolean;
  readonly reader: (lines: LineWindow, name: string, options: ReaderOptions) => TraceReader;
  /** How its lines are read if they are kernel tracepoints. */
  readonly tracepoints?: LineParser;
}

const lackeyAccess = /^(?:I {2}| [LSM] )[0-9a-f]{8,12},\d+$/;
const valgrindLine = /^(?:==\d+== |--\d+-- {3}SCHED\[|SYSCALL\[\d+,\d+\]\()/;
/** The first line decides, and the reader says where the file stops being one. */
const isLackey = (lines: readonly string[]): boolean =>
  lines.some((line) => lackeyAccess.test(line)) &&
  (lackeyAccess.test(lines[0]!) || valgrindLine.test(lines[0]!));

/** Formats that are told by their first bytes, in the order in which they are tried; before those of lines. */
export const binaryFormats: readonly BinaryFormat[] = [packed, drmemtrace, champsim, champsimCloudsuite];

/** Formats made of lines, in the order in which they are tried. */
export const textFormats: readonly TraceFormat[] = [
  {
    name: "lackey",
    about: "Valgrind lackey --trace-mem=yes, alone or with --trace-syscalls=yes --trace-sched=yes",
    fits: isLackey,
    reader: (lines, name, options) => new LackeyReader(lines, name, options),
  },
  {
    name: "strace",
    about: "strace -f -e trace=%memory,process (system calls only; the pages touched are assumed)",
    fits: (lines) => parseStraceLine(lines[0] ?? "") !== undefined && lines.some(isStraceCall),
    reader: (lines, name, options) => new StraceReader(lines, name, options),
  },
  {
    name: "drmemtrace-view",
    about: "text of DynamoRIO drmemtrace -tool view (the binary files are ten times smaller)",
    fits: (lines) => lines.some((line) => viewRecord.test(line)),
    reader: (lines, name, options) => new DrmemtraceViewReader(lines, name, options),
  },
  {
    name: "perf",
    about: "perf script of tracepoints: system calls, page faults, sched_switch, tlb_flush",
    fits: (lines) => beginsWith(lines, parsePerfLine),
    reader: (lines, name, options) => new TracepointReader(lines, parsePerfLine, name, options),
    tracepoints: parsePerfLine,
  },
  {
    name: "ftrace",
    about: "the kernel's trace file, or trace-cmd report, of the same tracepoints",
    fits: (lines) => beginsWith(lines, parseFtraceLine),
    reader: (lines, name, options) => new TracepointReader(lines, parseFtraceLine, name, options),
    tracepoints: parseFtraceLine,
  },
];

/** The first line that is not silent is an event. */
function beginsWith(lines: readonly string[], parse: LineParser): boolean {
  for (const text of lines) {
    const line = parse(text);
    if (line === undefined) return false;
    if (line.event !== undefined) return true;
  }
  return false;
}

const viewRecord = /^ *\d+ +\d+: +(?:W\d+\.T)?\d+ (?:<marker: |ifetch |read |write )/;

/** All of them, for lists. */
export const formats: readonly { readonly name: string; readonly about: string }[] = [
  ...textFormats,
  ...binaryFormats,
];

function isStraceCall(line: string): boolean {
  const kind = parseStraceLine(line)?.kind;
  return kind === "call" || kind === "begin" || kind === "resume" || kind === "exit";
}
