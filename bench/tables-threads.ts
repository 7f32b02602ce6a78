/** Tables of many CPUs and of two threads. */
import { digits, times } from "../src/report/format.js";
import type { Table } from "../src/report/table.js";
import { timing, verdict } from "./tables.js";
import type { FlatRow, MeetingRow, ThreadsRow } from "./threads.js";

/** Time of an access with the most CPUs over that with one, by the quantum in cycles. */
const FLAT: Readonly<Record<number, number>> = { 1000: 1.5, 10000: 1.25, 50000: 1.12 };
/** Gain of a second thread: with few CPUs, and with many. */
const GAIN = { few: 1.7, many: 1.8 } as const;
const MANY_CPUS = 64;
const BYTES_PER_CPU = 18 * 1024;
const MEETING = { spinning: 300, sleeping: 8000, startMs: 80 } as const;

export function flatnessTable(rows: readonly FlatRow[]): Table {
  const most = Math.max(...rows.map(({ cpus }) => cpus));
  return {
    head: [
      "many CPUs",
      "ns/access",
      "median",
      "/ 1 CPU",
      "bar: 1.50x, 1.25x, 1.12x",
      "KiB/CPU",
      "touched",
      `bar: ${BYTES_PER_CPU / 1024}`,
    ],
    rows: rows.map(({ quantum, cpus, access, ratio, bytesPerCpu, touchedPerCpu }) => [
      `${cpus} CPUs, quantum ${quantum}`,
      ...timing(access),
      times(ratio),
      cpus === most && cpus > 1 ? verdict(ratio <= (FLAT[quantum] ?? 0)) : "-",
      digits(bytesPerCpu / 1024),
      digits(touchedPerCpu / 1024),
      verdict(bytesPerCpu <= BYTES_PER_CPU),
    ]),
  };
}

export function threadsTable(rows: readonly ThreadsRow[]): Table {
  const skipped = "skipped: cores in use";
  return {
    head: [
      "two threads",
      "1: ns",
      "median",
      "2: ns",
      "median",
      "gain",
      `bar: ${GAIN.few}x, from ${MANY_CPUS} CPUs ${GAIN.many}x`,
    ],
    rows: rows.map(({ cpus, quantum, one, two }) => {
      const what = `${cpus} CPUs, quantum ${quantum}`;
      if (one === undefined || two === undefined) return [what, "-", "-", "-", "-", "-", skipped];
      const gain = one.best / two.best;
      const bar = cpus < MANY_CPUS ? GAIN.few : GAIN.many;
      return [what, ...timing(one), ...timing(two), times(gain), verdict(gain >= bar)];
    }),
  };
}

export function meetingTable({ spinning, sleeping, startMs, isQuiet }: MeetingRow): Table {
  const judged = (isMet: boolean): string => (isQuiet ? verdict(isMet) : "skipped: cores in use");
  return {
    head: ["a meeting of two threads", "measured", "bar", ""],
    rows: [
      [
        "both awake",
        `${digits(spinning)} ns`,
        `${MEETING.spinning} ns`,
        judged(spinning <= MEETING.spinning),
      ],
      [
        "one asleep",
        `${digits(sleeping)} ns`,
        `${MEETING.sleeping} ns`,
        judged(sleeping <= MEETING.sleeping),
      ],
      ["ready after", `${digits(startMs)} ms`, `${MEETING.startMs} ms`, judged(startMs <= MEETING.startMs)],
    ],
  };
}
