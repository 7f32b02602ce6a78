/** Where this repository lies, seen from bench/*.ts and from the same modules compiled into build/bench. */
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const isCompiled = import.meta.url.endsWith(".js");
const root = new URL(isCompiled ? "../../../" : "../", import.meta.url);

/** The path of a file of the repository. */
export function placeOf(file: string): string {
  return fileURLToPath(new URL(file, root));
}

/** Compiled modules look for the engine beside themselves, in build/bench/build: puts the built one there. */
export function placeEngine(): void {
  if (isCompiled) cpSync(placeOf("build/release.wasm"), placeOf("build/bench/build/release.wasm"));
}
