/** What ran: without it a figure means nothing. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { placeOf } from "./place.js";

export interface Host {
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly cpus: number;
  /** Processes that wanted a core in the minute before. */
  readonly load: number;
  /** The compiled engine, by the first digits of its SHA-256. */
  readonly engine: string;
  /** "+" behind it when files differ from it; absent outside a repository. */
  readonly commit?: string;
  /** How the C twin was compiled; absent when it was not. */
  readonly compiler?: string;
}

export function describeHost(compiler: string | undefined): Host {
  const commit = commitOf();
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cpus: cpus().length,
    load: loadavg()[0]!,
    engine: shortHash(readFileSync(placeOf("build/release.wasm"))),
    ...(commit !== undefined && { commit }),
    ...(compiler !== undefined && { compiler }),
  };
}

/** Equal inputs, equal digits. */
export function shortHash(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 12);
}

function commitOf(): string | undefined {
  const git = (...args: string[]) => spawnSync("git", ["-C", placeOf("."), ...args], { encoding: "utf8" });
  const head = git("rev-parse", "--short", "HEAD");
  if (head.status !== 0) return undefined;
  return head.stdout.trim() + (git("status", "--porcelain").stdout === "" ? "" : "+");
}
