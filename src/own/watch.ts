/**
 * A thread that watches the main thread evaluate a file of somebody's own. When the time is up it stops the main thread where it stands,
 * says at which line of the file that is, and ends the process.
 */

import { writeSync } from "node:fs";
import { Session as Inspector } from "node:inspector";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { shortPath } from "../dsl/where.js";
import type { WatchOrder } from "./probe.js";

const { file, milliseconds } = workerData as WatchOrder;

interface CallFrame {
  readonly location: { readonly scriptId: string; readonly lineNumber: number };
}

const inspector = new Inspector();
inspector.connectToMainThread();
/** Frames of another thread name their script by number alone. */
const scripts = new Set<string>();
inspector.on("Debugger.scriptParsed", ({ params: { url, scriptId } }) => {
  if (url.startsWith("file:") && fileURLToPath(url) === file) scripts.add(scriptId);
});
inspector.on("Debugger.paused", ({ params }) => {
  const frames = params.callFrames as unknown as CallFrame[];
  const own = frames.find(({ location }) => scripts.has(location.scriptId));
  const where = own === undefined ? shortPath(file) : `${shortPath(file)}:${own.location.lineNumber + 1}`;
  give(`${where}: it has not ended after ${milliseconds / 1000} s; is there an endless loop?`);
});
inspector.post("Debugger.enable", () => parentPort?.postMessage("watching"));
/** A thread that waits for something that never comes uses no processor; one on a busy machine uses some. */
const IDLE_MS = 5000;
const EVERY_MS = 250;
/** Processor time that counts as none, between two looks. */
const NOTHING_MS = 20;

let idleMs = 0;
let usedMs = processorMs();
const ticker = setInterval(() => {
  const now = processorMs();
  idleMs = now - usedMs < NOTHING_MS ? idleMs + EVERY_MS : 0;
  usedMs = now;
  if (idleMs >= IDLE_MS) give(`${shortPath(file)}: it waits for something that does not come`);
  if (now < milliseconds) return;
  clearInterval(ticker);
  inspector.post("Debugger.pause");
  // A thread that sits in native code cannot be stopped.
  setTimeout(() => give(`${shortPath(file)}: it has not ended after ${milliseconds / 1000} s`), 5000);
}, EVERY_MS);

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

parentPort?.once("message", () => {
  inspector.disconnect();
  process.exit();
});

/** The main thread is stopped, so its channel to the parent is of no use: the message goes to the agreed descriptor. */
function give(message: string): void {
  writeSync(3, JSON.stringify({ ok: false, message }));
  process.kill(process.pid, "SIGKILL");
}
