/** A run of the adversary as columns, a CPU each, time downwards. */
import type { TraceStep, VariantResult } from "../engine/check-result.js";
import { plural } from "./format.js";
import { type Paint, plain } from "./paint.js";
import { wrapped } from "./wrap.js";

export interface TraceView {
  /** Characters across. */
  readonly width: number;
  /** Every step, and none folded. */
  readonly verbose: boolean;
}

/** Runs of this many dull steps, or more, of one CPU in one routine are folded. */
const FOLD_FROM = 2;
const NUMBER_WIDTH = 4;
const GAP = 2;
/** The narrowest that a column may become before the places of the steps move below them. */
const COLUMN_MIN = 24;

type Style = Parameters<Paint>[0];

/** Part of a column: text that may go over several lines, indented. */
interface Piece {
  readonly cpu: number;
  readonly text: string;
  readonly indent: number;
  readonly number?: string;
  readonly place?: string;
  readonly style?: Style;
}

/** The steps as lines, with a head that names the CPUs. Every step has its number in the run, by which the text refers to it. */
export function counterexampleLines(result: VariantResult, view: TraceView, paint: Paint = plain): string[] {
  const steps = result.counterexample;
  if (steps.length === 0) return [];
  const cpus = Math.max(...steps.map(({ cpu }) => cpu)) + 1;
  const places = steps.map(placeOf);
  const folder = commonFolder(steps);
  const placeWidth = Math.max(0, ...places.map((place) => place.length));
  const room = view.width - NUMBER_WIDTH - GAP - placeWidth - cpus * GAP;
  const column = Math.max(COLUMN_MIN, Math.floor(room / cpus));
  const opening = result.threads.map(
    ({ cpu, does }): Piece => ({ cpu, text: does.join("; "), indent: 0, style: "bold" }),
  );
  const pieces = [...opening, ...piecesOf(steps, places, view.verbose)];
  const rows = pieces.flatMap((piece) => rowsOf(piece, cpus, column, paint));
  const head = Array.from({ length: cpus }, (_, cpu) => `CPU ${cpu}`.padEnd(column)).join(" ".repeat(GAP));
  const margin = " ".repeat(NUMBER_WIDTH + GAP);
  const note = folder === "" ? [] : wrapped(`files in ${folder}`, view.width - margin.length);
  return [
    ...note.map((line) => paint("dim", margin + line)),
    paint("bold", (margin + head).trimEnd()),
    ...rows,
  ];
}

/** The steps of a run in the order of time, with the routines that they belong to as headings. */
function piecesOf(steps: readonly TraceStep[], places: readonly string[], verbose: boolean): Piece[] {
  const pieces: Piece[] = [];
  const headings = new Map<number, string>();
  for (let at = 0; at < steps.length; ) {
    const step = steps[at]!;
    const dull = verbose ? 0 : dullRun(steps, at);
    if (dull >= FOLD_FROM) {
      const routines = [...new Set(steps.slice(at, at + dull).map(({ routine }) => routine))];
      const where = routines.length > 3 ? `${routines[0]} ... ${routines.at(-1)}` : routines.join(", ");
      pieces.push({
        cpu: step.cpu,
        text: `... ${plural(dull, "step")} in ${where}`,
        indent: 2,
        style: "dim",
      });
      headings.delete(step.cpu);
      at += dull;
      continue;
    }
    pieces.push(...stepPieces(step, at, places[at]!, headings));
    at++;
  }
  return pieces;
}

/** How many steps from here on are of one CPU and of no interest to the others. */
function dullRun(steps: readonly TraceStep[], from: number): number {
  let to = from;
  while (to < steps.length && steps[to]!.cpu === steps[from]!.cpu && !steps[to]!.matters) to++;
  return to - from;
}

function stepPieces(step: TraceStep, at: number, place: string, headings: Map<number, string>): Piece[] {
  const { cpu, routine, label, detail, marks, windows, begins } = step;
  const number = String(at + 1);
  const inKernel = step.file !== null;
  const heading = inKernel ? step.path.join(" > ") : "";
  const pieces: Piece[] = [];
  if (inKernel && headings.get(cpu) !== heading) pieces.push({ cpu, text: routine, indent: 0, style: "dim" });
  headings.set(cpu, heading);
  const style: Style | undefined = marks.includes("violation") ? "red" : inKernel ? undefined : "bold";
  const indent = inKernel ? 2 : 0;
  const text = marks.includes("violation") ? `>>> ${label}` : label;
  pieces.push({ cpu, text, indent, number, place, ...(style && { style }) });
  const under = indent + 2;
  for (const part of detail.split("; ").filter((one) => one !== ""))
    pieces.push({ cpu, text: part, indent: under });
  for (const mark of marks) {
    const meaning = markTexts[mark];
    pieces.push({ cpu, text: `^ ${meaning}`, indent: under, style: "red" });
  }
  for (const window of windows)
    pieces.push({ cpu, text: `~ window: ${window}`, indent: under, style: "green" });
  for (const begin of begins) pieces.push({ cpu: begin.cpu, text: begin.text, indent: 0, style: "bold" });
  return pieces;
}

const markTexts: Readonly<Record<TraceStep["marks"][number], string>> = {
  made: "made the translation stale",
  broken: "a flush was due before this",
  violation: "VIOLATION",
};

function rowsOf(piece: Piece, cpus: number, column: number, paint: Paint): string[] {
  const { cpu, text, indent, number = "", place = "", style } = piece;
  const before = " ".repeat(NUMBER_WIDTH + GAP + cpu * (column + GAP));
  return wrapped(text, column - indent, column - indent - 2).map((line, at) => {
    const shown = " ".repeat(indent + (at > 0 ? 2 : 0)) + line;
    const start =
      at === 0 && number !== "" ? `${number.padStart(NUMBER_WIDTH)}${before.slice(NUMBER_WIDTH)}` : before;
    const body = style === undefined ? shown : paint(style, shown);
    if (at > 0 || place === "") return `${start}${body}`.trimEnd();
    const after = " ".repeat(Math.max(0, column - shown.length) + (cpus - 1 - cpu) * (column + GAP) + GAP);
    return `${start}${body}${after}${paint("dim", place)}`;
  });
}

/** "tlb.ts:88": the folder stands in the head. */
function placeOf({ file, line }: TraceStep): string {
  return file === null ? "" : `${file.slice(file.lastIndexOf("/") + 1)}:${line}`;
}

/** "src/kernel" when most steps are of files there, and the folders of the others. */
function commonFolder(steps: readonly TraceStep[]): string {
  const folders = steps.flatMap(({ file }) =>
    file?.includes("/") ? [file.slice(0, file.lastIndexOf("/"))] : [],
  );
  return [...new Set(folders)].sort().join(", ");
}
