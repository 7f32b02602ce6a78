import { type Paint, plain } from "./paint.js";

export interface Table {
  /** One text a column; absent for a table without a head. */
  readonly head?: readonly string[];
  /** The first column is flush left, the others flush right. A row may be shorter than the longest. */
  readonly rows: readonly (readonly string[])[];
  /** Columns of text rather than numbers: all flush left. */
  readonly isText?: boolean;
}

const gap = "  ";

/** A table as lines: columns as wide as their widest text, no line ends in blanks, no escape but `paint`'s of the head. */
export function tableLines(table: Table, paint: Paint = plain): string[] {
  const { head = [], rows, isText = false } = table;
  const all = [head, ...rows];
  const columns = Math.max(...all.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const text = row[column] ?? "";
        return column === 0 || isText ? text.padEnd(width) : text.padStart(width);
      })
      .join(gap)
      .trimEnd();
  const body = rows.map(line);
  return head.length === 0 ? body : [paint("bold", line(head)), ...body];
}
