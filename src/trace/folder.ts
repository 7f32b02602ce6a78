import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isThreadFile } from "./drmemtrace-format.js";
import { InputError } from "./errors.js";

/**
 * The files that a list of files and folders stands for: a folder is that of a drmemtrace recording, or the one that
 * DynamoRIO has put it into, with its files in trace/.
 *
 * Throws: InputError for a folder without such files. What does not exist is left for the reader to refuse.
 */
export async function filesOf(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) {
    const isFolder = (await stat(name).catch(() => undefined))?.isDirectory() ?? false;
    files.push(...(isFolder ? await threadFiles(name) : [name]));
  }
  return files;
}

async function threadFiles(folder: string): Promise<string[]> {
  for (const place of [folder, join(folder, "trace")]) {
    const names = (await readdir(place).catch(() => [])).filter(isThreadFile);
    if (names.length > 0) return names.sort().map((name) => join(place, name));
  }
  const expected =
    "a recording, or a folder with the files of a drmemtrace recording (*.trace, *.trace.gz, *.trace.zip)";
  throw new InputError({ file: folder }, expected, "a directory without");
}
