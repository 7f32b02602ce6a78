/** Module hooks for files of one's own: TypeScript without its types, and the package's doors from wherever the file lies. */

import { readFile } from "node:fs/promises";
import type { LoadHook, ResolveHook } from "node:module";
import { fileURLToPath } from "node:url";
import { shortPath } from "../dsl/where.js";

const compiled = new URL("../", import.meta.url).href;
const doors = ["dsl", "kernel", "policy", "scenario"];

export const resolve: ResolveHook = async (specifier, context, next) => {
  const door = /^shootdown(?:\/(.*))?$/.exec(specifier);
  if (door !== null) {
    if (!doors.includes(door[1] ?? "")) {
      const known = doors.map((name) => `shootdown/${name}`).join(", ");
      throw new Error(`there is no '${specifier}' to import; there are ${known}`);
    }
    return { url: `${compiled}${door[1]}/index.js`, shortCircuit: true };
  }
  try {
    return await next(specifier, context);
  } catch (error) {
    // As the compiler does it: "./other.js" may be written for "./other.ts".
    if (!/^\.{1,2}\/.*\.js$/.test(specifier)) throw error;
    return next(specifier.replace(/\.js$/, ".ts"), context);
  }
};

export const load: LoadHook = async (url, context, next) => {
  const isOwn = url.startsWith("file:") && !url.startsWith(compiled) && !url.includes("/node_modules/");
  if (!isOwn || !/\.[mc]?[jt]s$/.test(url)) return next(url, context);
  const text = await readFile(fileURLToPath(url), "utf8");
  return { format: "module", source: await withoutTypes(text, url), shortCircuit: true };
};

/** What the library throws is no Error. */
interface Complaint {
  readonly message: string;
  readonly startLine?: number;
}

/** Types become blanks, so that lines and columns stay. JavaScript goes through it too: Node names no line for a syntax error. */
async function withoutTypes(text: string, url: string): Promise<string> {
  const { transformSync } = await import("@swc/wasm-typescript");
  try {
    return transformSync(text, { mode: "strip-only" }).code;
  } catch (error) {
    const { message, startLine = 1 } = error as Complaint;
    throw new SyntaxError(`${shortPath(fileURLToPath(url))}:${startLine}: ${message}`);
  }
}
