import type { RecordedFlushes } from "../engine/result.js";
import { count, plural, share, times } from "./format.js";
import type { Paint } from "./paint.js";
import { tableLines } from "./table.js";

type Row = RecordedFlushes["rows"][number];
type Kinds = Row["recorded"];

/** Calls first, those that flush most first. */
const order = ["munmap", "mprotect", "pkey_mprotect", "madvise", "mremap", "brk", "mmap"];
const disagreementsMost = 5;

/** What the kernel of a recording flushed beside what the simulated one flushes. */
export function recordedLines(recording: RecordedFlushes, paint: Paint): string[] {
  const { file, rows, remoteShootdowns, interrupts, lost, violations } = recording;
  const calls = order.flatMap((name) => rows.find((row) => row.name === name) ?? []);
  const others = rows.filter(({ name }) => !order.includes(name));
  const table = [...calls.map(line), ...(calls.length > 1 ? [line(sum(calls))] : []), ...others.map(line)];
  const head = [
    "",
    "count",
    "recorded: none",
    "ranged",
    "full",
    "predicted: none",
    "ranged",
    "full",
    "agree",
    "",
  ];
  const pairs = [
    pair("remote shootdowns executed", remoteShootdowns),
    pair("interrupts received", interrupts),
  ];
  return [
    paint("bold", `Flushes of the recorded kernel and of the simulated one (deferred), ${file}`),
    "",
    ...tableLines({ head, rows: table }, paint),
    "",
    ...tableLines({ head: ["", "recorded", "predicted", "ratio"], rows: pairs }, paint),
    ...disagreementLines(recording),
    ...(lost > 0
      ? [`The recorder dropped ${plural(lost, "event")}: what is around them may not agree.`]
      : []),
    ...(violations > 0 ? [paint("red", `The oracle saw ${plural(violations, "violation")}.`)] : []),
  ];
}

function line({ name, count: calls, recorded, predicted, agreeing }: Row): string[] {
  const kinds = ({ none, ranged, full }: Kinds): string[] => [none, ranged, full].map(count);
  return [
    name,
    count(calls),
    ...kinds(recorded),
    ...kinds(predicted),
    count(agreeing),
    share(calls === 0 ? 0 : agreeing / calls),
  ];
}

function sum(rows: readonly Row[]): Row {
  const total = (of: (row: Row) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const kinds = (of: (row: Row) => Kinds): Kinds => ({
    none: total((row) => of(row).none),
    ranged: total((row) => of(row).ranged),
    full: total((row) => of(row).full),
  });
  return {
    name: "all these calls",
    count: total((row) => row.count),
    recorded: kinds((row) => row.recorded),
    predicted: kinds((row) => row.predicted),
    agreeing: total((row) => row.agreeing),
  };
}

function pair(title: string, { recorded, predicted }: { recorded: number; predicted: number }): string[] {
  return [title, count(recorded), count(predicted), recorded === 0 ? "-" : times(predicted / recorded)];
}

function disagreementLines({ rows, disagreements }: RecordedFlushes): string[] {
  const all = rows.reduce((total, row) => total + row.count - row.agreeing, 0);
  if (all === 0) return ["", "Every call and every fault agrees: whether, and how many pages."];
  const shown = disagreements.slice(0, disagreementsMost);
  return [
    "",
    `${plural(all, "disagreement")}${all > shown.length ? `, the first ${shown.length}` : ""}:`,
    ...shown.map(
      (each) => `  line ${each.line}, ${each.name}: recorded ${each.recorded}, predicted ${each.predicted}`,
    ),
  ];
}
