/**
 * A process that tries a file of somebody's own before anybody relies on it: it evaluates the file, assembles every variant of every
 * scenario and every policy's kernel, and says on descriptor 3 what the file declares, or what is wrong with it.
 */

import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { shortPath } from "../dsl/where.js";
import { kernelProgram } from "../kernel/program.js";
import { loadOwnFile, type OwnFile, personsError, summaryOf } from "./load.js";
import type { OwnSummary } from "./summary.js";

export interface WatchOrder {
  readonly file: string;
  readonly milliseconds: number;
}

export type ProbeAnswer =
  | { readonly ok: true; readonly summary: OwnSummary }
  | { readonly ok: false; readonly message: string };

/** Two CPUs and small tables: the rules of the language do not depend on sizes. */
const SMALL = { cpus: 2, radixBits: 2 };

async function answerFor(file: string): Promise<ProbeAnswer> {
  try {
    const own = await loadOwnFile(file);
    assembleAll(own);
    return { ok: true, summary: summaryOf(own) };
  } catch (error) {
    return { ok: false, message: personsError(error, file).message };
  }
}

function assembleAll({ scenarios, policies }: OwnFile): void {
  for (const { variants } of scenarios) for (const { build } of Object.values(variants)) build();
  for (const { slots, scheme } of policies) kernelProgram(slots, { ...SMALL, ...(scheme && { scheme }) });
}

const [file, milliseconds] = [process.argv[2]!, Number(process.argv[3])];
const order: WatchOrder = { file, milliseconds };
const watch = new Worker(new URL("./watch.js", import.meta.url), { workerData: order });
await new Promise((resolve) => watch.once("message", resolve));
const give = (answer: ProbeAnswer): void => {
  writeSync(3, JSON.stringify(answer));
};
// Any other end of the process would wait for the watcher.
process.exit = (code) => {
  give({ ok: false, message: `${shortPath(file)}: it ended the process with code ${code ?? 0}` });
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
};
give(await answerFor(file));
// A process that is still watched waits for its watcher when it ends.
watch.postMessage("enough");
await new Promise((resolve) => watch.once("exit", resolve));
process.kill(process.pid, "SIGKILL");
