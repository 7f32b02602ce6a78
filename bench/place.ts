/** Where this repository lies, seen from bench/*.ts and from the same modules compiled into build/bench. */
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const isCompiled = import.meta.url.endsWith(".js");
const root = new URL(isCompiled ? "../../../" : "../", import.meta.url);

/** The path of a file of the repository. */
export function placeOf(file: string): string {
  return fileURLToPath(new URL(file, root));
}

/** Compiled modules look for what is built of assembly/ beside themselves, in build/bench/build: puts it there. */
export function placeEngine(): void {
  for (const name of ["release.wasm", "trace.wasm"]) {
    if (isCompiled) cpSync(placeOf(`build/${name}`), placeOf(`build/bench/build/${name}`));
  }
}
