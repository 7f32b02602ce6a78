/** The project's documentation as data: files, fenced blocks, tables between markers, code spans. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "..");

/** Folders that hold what was installed, built or recorded. */
const foreign = new Set(["node_modules", "dist", "build", "coverage", ".git"]);

/** Every file that belongs to the project, with forward slashes, relative to the root. */
export function projectFiles(folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return foreign.has(entry.name) ? [] : projectFiles(path);
    return entry.isFile() ? [relative(root, path).replaceAll("\\", "/")] : [];
  });
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

export const markdownFiles: readonly string[] = projectFiles().filter((file) => file.endsWith(".md"));

/** A fenced block: `info` is what stands behind the three backticks, `text` has no last newline. */
export interface Fence {
  readonly file: string;
  readonly info: string;
  readonly text: string;
  /** Index of the text in the file. */
  readonly at: number;
}

export function fencesOf(file: string): Fence[] {
  const fence = /^```([^\n`]*)\n([\s\S]*?)^```$/gm;
  return [...textOf(file).matchAll(fence)].map((match) => {
    const [, info, text] = match as unknown as [string, string, string];
    return { file, info: info.trim(), text: text.replace(/\n$/, ""), at: match.index + 4 + info.length };
  });
}

/** Writes another text into a fenced block, whose file must not have changed since. */
export function replaceFence({ file, info }: Fence, fresh: string): void {
  // Where it stands may have moved: another fence of the file may have been replaced before.
  const now = fencesOf(file).find((fence) => fence.info === info)!;
  const whole = textOf(file);
  const behind = whole.slice(now.text === "" ? now.at : now.at + now.text.length + 1);
  writeFileSync(join(root, file), `${whole.slice(0, now.at)}${fresh}\n${behind}`);
}

/** Text of a file without its fenced blocks. */
export function proseOf(file: string): string {
  return textOf(file).replace(/^```[^\n`]*\n[\s\S]*?^```$/gm, "");
}

/** What stands in single backticks, outside of fenced blocks; a span may go over the end of a line. */
export function codeSpansOf(file: string): string[] {
  return [...proseOf(file).matchAll(/`([^`]+)`/g)].map((match) => match[1]!.replace(/\s+/g, " "));
}

/** Rows of all tables between `<!-- NAME: begin -->` and its end, cell by cell, without their heads. */
export function tableRows(file: string, name: string): string[][] {
  const between = new RegExp(`<!-- ${name}: begin -->([\\s\\S]*?)<!-- ${name}: end -->`).exec(textOf(file));
  if (between === null) throw new Error(`${file} has no part '${name}'`);
  return between[1]!
    .split(/\n(?!\|)/)
    .flatMap((table) =>
      table
        .split("\n")
        .filter((line) => line.startsWith("|"))
        .slice(2),
    )
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The first code span of the first cell of each row. */
export function namesInTable(file: string, name: string): string[] {
  return tableRows(file, name).map(([first]) => /`([^`]+)`/.exec(first!)?.[1] ?? first!);
}
