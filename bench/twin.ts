/** hot-path.c, compiled on the spot and run beside the engine in a process of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { MachineNumbers, StructureName } from "../src/machine/preset.js";
import { CACHE_LINES } from "./hot-world.js";
import type { Contestant, Pass } from "./passes.js";
import { placeOf } from "./place.js";
import type { Stream } from "./streams.js";

/** The counts of a pass, in the order in which hot-path.c prints them. */
const COUNTS = ["accesses", "l1Hits", "stlbHits", "walks", "walkReads", "walkCycles", "assists", "cycles"];

/** Tried in turn: not every compiler knows the first one's flag for this very machine. */
const FLAGS = [["-O3", "-march=native"], ["-O3", "-mcpu=native"], ["-O3"]];

/** A program in a folder of its own, which goes with it. */
export interface CompiledTwin {
  readonly folder: string;
  readonly program: string;
  /** As it was called: "cc -O3 -march=native". */
  readonly command: string;
  remove(): void;
}

/** Compiles the twin for a machine. Returns the reason, as a text, where there is no compiler. Throws when the source is wrong. */
export function compileTwin(machine: MachineNumbers): CompiledTwin | string {
  const compiler = process.env.CC ?? "cc";
  if (spawnSync(compiler, ["--version"]).status !== 0)
    return `there is no C compiler: '${compiler}' does not run`;
  const folder = mkdtempSync(join(tmpdir(), "shootdown-bench-"));
  const program = join(folder, "hot-path");
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const source = placeOf("bench/c/hot-path.c");
  let errors = "";
  for (const flags of FLAGS) {
    const defines = Object.entries(definesOf(machine)).map(([name, value]) => `-D${name}=${value}`);
    const result = spawnSync(compiler, [...flags, "-std=gnu11", "-Wall", ...defines, "-o", program, source], {
      encoding: "utf8",
    });
    if (result.status === 0) return { folder, program, command: [compiler, ...flags].join(" "), remove };
    errors ||= result.stderr;
  }
  remove();
  throw new Error(`${compiler} cannot compile ${source}:\n${errors}`);
}

function definesOf({ structures, prices }: MachineNumbers): Record<string, number> {
  const shape = (prefix: string, name: StructureName): Record<string, number> => {
    const { entries, ways } = structures[name];
    return { [`${prefix}_SETS`]: entries / ways, [`${prefix}_WAYS`]: ways };
  };
  return {
    ...shape("L1", "l1d4k"),
    ...shape("STLB", "stlb"),
    ...shape("PDE", "pde"),
    ...shape("PDPTE", "pdpte"),
    ...shape("PML4E", "pml4e"),
    LINES: CACHE_LINES,
    PRICE_ACCESS: prices.access,
    PRICE_STLB_HIT: prices.stlbHit,
    PRICE_MEM_L2: prices.memL2,
    PRICE_MEM_L3: prices.memL3,
    PRICE_ASSIST: prices.assist,
  };
}

/** The twin at work on one stream. */
export class Twin implements Contestant {
  readonly name = "C";
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(compiled: CompiledTwin, stream: Stream) {
    const file = join(compiled.folder, `${stream.name}.bin`);
    writeFileSync(file, fileOf(stream));
    this.#child = spawn(compiled.program, [file], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async pass(): Promise<Pass> {
    this.#child.stdin!.write("\n");
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error("the C twin ended early");
    const [nanoseconds, ...counts] = value.split(" ").map(Number);
    return {
      nanoseconds: nanoseconds!,
      counts: Object.fromEntries(COUNTS.map((name, index) => [name, counts[index]!])),
    };
  }

  close(): void {
    this.#child.stdin!.end();
    this.#lines.close();
  }
}

/** u64 words: pages, records, (page number, frame) of each page, records. */
function fileOf({ pages, records }: Stream): Uint8Array {
  const words = new BigUint64Array(2 + 2 * pages.length + records.length / 2);
  words[0] = BigInt(pages.length);
  words[1] = BigInt(records.length / 2);
  for (const [index, page] of pages.entries()) {
    words[2 + 2 * index] = BigInt(page);
    words[3 + 2 * index] = BigInt(index + 1);
  }
  new Uint32Array(words.buffer).set(records, 4 + 4 * pages.length);
  return new Uint8Array(words.buffer);
}
