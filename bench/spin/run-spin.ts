/** Runs SPIN on a model of this folder: translate, compile, search. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface SpinRun {
  readonly verdict: "safe" | "unsafe" | "unknown";
  readonly states: number;
  readonly transitions: number;
  readonly errors: number;
  /** Events up to the violation, when there is one. */
  readonly depth: number;
  readonly compileSeconds: number;
  readonly searchSeconds: number;
}

export interface SpinOptions {
  /** Breadth first: the counterexample is a shortest one. */
  readonly shortest?: boolean;
  /** Partial-order reduction. */
  readonly reduce?: boolean;
  /** Goes on behind an error, to the end of the space. */
  readonly whole?: boolean;
  /** Counts every variable, also one that nobody reads again. */
  readonly everyVariable?: boolean;
  /** Compiles without optimisation, for models that are searched in no time. */
  readonly fastToCompile?: boolean;
}

/** Why SPIN cannot run here, or undefined. */
export function spinMissing(): string | undefined {
  const missing = ["spin", "gcc"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  return missing.length === 0
    ? undefined
    : `${missing.join(" and ")} not installed (apt-get install spin gcc)`;
}

/** `model` is relative to bench/spin. Throws Error when a tool fails or says nothing that can be read. */
export function runSpin(model: string, defines: readonly string[], options: SpinOptions = {}): SpinRun {
  const folder = mkdtempSync(join(tmpdir(), "spin-"));
  try {
    const flags = [options.fastToCompile ? "-O0" : "-O2", "-w", "-DSAFETY"];
    if (options.shortest) flags.push("-DBFS");
    if (!options.reduce) flags.push("-DNOREDUCE");
    const started = performance.now();
    const source = resolve("bench/spin", model);
    const translate = options.everyVariable ? ["-o2", "-a"] : ["-a"];
    execFileSync("spin", [...translate, ...defines.map((name) => `-D${name}`), source], {
      cwd: folder,
      stdio: "pipe",
    });
    execFileSync("gcc", [...flags, "-o", "pan", "pan.c"], { cwd: folder, stdio: "pipe" });
    const compiled = performance.now();
    const { stdout } = spawnSync(join(folder, "pan"), ["-m1000000", ...(options.whole ? ["-c0"] : [])], {
      cwd: folder,
      encoding: "utf8",
    });
    const searched = performance.now();
    return {
      ...read(stdout),
      compileSeconds: (compiled - started) / 1000,
      searchSeconds: (searched - compiled) / 1000,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function read(text: string): Omit<SpinRun, "compileSeconds" | "searchSeconds"> {
  const number = (pattern: RegExp): number | undefined => {
    const found = pattern.exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const states = number(/(\d+) states, stored/);
  const transitions = number(/(\d+) transitions/);
  const errors = number(/errors: (\d+)/);
  if (states === undefined || transitions === undefined || errors === undefined) {
    throw new Error(`SPIN says: ${text}`);
  }
  const isCut = /search depth too small|out of memory|Search not completed/i.test(text) && errors === 0;
  const verdict = errors > 0 ? "unsafe" : isCut ? "unknown" : "safe";
  return { verdict, states, transitions, errors, depth: number(/at depth (\d+)/) ?? 0 };
}
