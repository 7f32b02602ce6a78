/** Which bytes of a world make two states of a search different, as pieces of 16 bytes in groups: see assembly/pieces.ts and snapshot.ts. */

import { RECORD_KINDS } from "../dsl/program.js";
import type { World } from "./world.js";

export interface Piece {
  readonly address: number;
  /** What of its two words is part of a state. */
  readonly masks: readonly [bigint, bigint];
}

/** Pieces that follow each other without a gap. */
export interface Run {
  readonly pieces: readonly Piece[];
}

/** Registers that a CPU's contexts can use: the first `task` ones, and the first `handler` ones. */
export interface RegisterUse {
  readonly task: number;
  readonly handler: number;
}

const PIECE = 16;
/** Bytes of a broadcast: three words, and a mask of up to 64 CPUs. */
const BROADCAST = 32;
const WORD = 0xffffffffffffffffn;

/** Groups by number. */
export function piecesOf(world: World, registers: readonly RegisterUse[]): Run[][] {
  const pieces = new Pieces(world);
  const groups: Run[][] = [];
  RECORD_KINDS.forEach((kind, number) => {
    groups[number] = pieces.records(kind);
  });
  groups[world.value("GROUP_TABLES")] = pieces.tables();
  groups[world.value("GROUP_FRAMES")] = pieces.frames();
  groups[world.value("GROUP_RANGES")] = pieces.plain("ranges", world.size.mms * world.value("rangesStride"));
  groups[world.value("GROUP_CACHE")] = pieces.plain("pageCache", world.size.cache * 16);
  groups[world.value("GROUP_HOLDERS")] = pieces.plain("holders", world.size.tables * 8);
  groups[world.value("GROUP_BOUNDS")] = pieces.bounds();
  // Numbers that are bits of sets and no groups.
  for (let bit = world.value("GROUP_CPUS"); bit < world.value("GROUP_CPU"); bit++) groups[bit] = [];
  for (let cpu = 0; cpu < world.size.cpus; cpu++) {
    const first = world.value("GROUP_CPU") + cpu * world.value("OF_CPU");
    groups[first + world.value("OF_CPU_FLAGS")] = pieces.flags(cpu);
    groups[first + world.value("OF_CPU_QUEUE")] = pieces.queue(cpu);
    groups[first + world.value("OF_CPU_ENTRIES")] = pieces.entries(cpu);
    groups[first + world.value("OF_CPU_TASK")] = pieces.registers(cpu, "HW_REGS", registers[cpu]!.task);
    groups[first + world.value("OF_CPU_HANDLER")] = pieces.registers(cpu, "hwRegs1", registers[cpu]!.handler);
    groups[first + world.value("OF_CPU_STORES")] = pieces.stores(cpu);
  }
  return groups;
}

class Pieces {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Fields that only keep others off a line hold nothing. */
  records(kind: (typeof RECORD_KINDS)[number]): Run[] {
    const { program, size, u32 } = this.#world;
    const at = this.#v("RECORDS") / 4 + RECORD_KINDS.indexOf(kind) * 2;
    const words = program.layout.words[kind];
    const count = {
      global: 1,
      mm: size.mms,
      cpu: size.cpus,
      task: size.tasks,
      table: size.tables,
      frame: size.frames,
    };
    const used = new Set<number>();
    for (const field of program.layout.fields) {
      if (field.record !== kind || field.name.startsWith("pad")) continue;
      for (let word = field.word; word < field.word + field.words; word++) used.add(word);
    }
    return this.#runs(u32[at]!, count[kind] * words * 8, (offset) =>
      used.has((offset / 8) % words) ? WORD : 0n,
    );
  }

  tables(): Run[] {
    const { size } = this.#world;
    const pages = this.#runs(this.#v("tablePages"), size.tables * (8 << size.radixBits), () => WORD);
    const bytes = this.#v("TM_BYTES");
    const meta = this.#runs(this.#v("tableMeta"), size.tables * bytes, (offset) =>
      offset % bytes <= this.#v("TM_BASE") ? WORD : 0n,
    );
    const unseen = this.plain("tableDirt", Math.ceil((size.tables << size.radixBits) / 8));
    return [...pages, ...meta, ...unseen];
  }

  frames(): Run[] {
    const { frames } = this.#world.size;
    const bytes = this.#v("FM_BYTES");
    const silent = this.#named("FM_", /_SITE$|_MADE$|_KIND$/);
    const meta = this.#runs(this.#v("frameMeta"), frames * bytes, (offset) =>
      without(offset % bytes, silent),
    );
    const words = this.plain("frameWords", frames * 4);
    const peaks = this.#named("POOL_", /_PEAK$/);
    return [...meta, ...words, ...this.#runs(this.#v("pools"), 64, (offset) => without(offset, peaks))];
  }

  plain(base: string, bytes: number): Run[] {
    return this.#runs(this.#v(base), bytes, () => WORD);
  }

  /** One run of five pieces: flags but the status of what has ended, and the thread's place. */
  flags(cpu: number): Run[] {
    const status = new Set([this.#v("HW_STATUS0"), this.#v("HW_STATUS1")]);
    return this.#runs(this.#hw(cpu), this.#v("HW_REGS"), (offset) => (status.has(offset) ? 0n : WORD));
  }

  /** The call queue, and what the CPU has broadcast. */
  queue(cpu: number): Run[] {
    const bytes = this.#v("hwBroadcast") + BROADCAST - this.#v("hwQueue");
    return this.#runs(this.#hw(cpu) + this.#v("hwQueue"), bytes, () => WORD);
  }

  /** Translations, and what the oracle knows of them. */
  entries(cpu: number): Run[] {
    const bytes = this.#v("hwExcuses") + this.#v("slots") * 8 - this.#v("hwEntries");
    return this.#runs(this.#hw(cpu) + this.#v("hwEntries"), bytes, () => WORD);
  }

  bounds(): Run[] {
    return this.#runs(this.#hw(0) + this.#v("hwBounds"), PIECE, () => WORD);
  }

  registers(cpu: number, base: string, count: number): Run[] {
    return this.#runs(this.#hw(cpu) + this.#v(base), count * 8, () => WORD);
  }

  /** A store's site is only for reports: it is the upper part of the flags in its first word, behind the address. */
  stores(cpu: number): Run[] {
    const bytes = this.#world.size.storeBuffer * 16;
    return this.#runs(this.#hw(cpu) + this.#v("hwStores"), bytes, (offset) =>
      offset % 16 === 0 ? 0x1ffffffffn : WORD,
    );
  }

  #v(name: string): number {
    return this.#world.value(name);
  }

  #hw(cpu: number): number {
    return this.#v("hwBase") + cpu * this.#v("hwStride");
  }

  /** Offsets of u32 constants by name. */
  #named(prefix: string, silent: RegExp): ReadonlySet<number> {
    const named = [...this.#world.constants(prefix)].filter(([name]) => silent.test(name));
    return new Set(named.map(([, offset]) => offset));
  }

  /** Cuts bytes into pieces; those without a bit that counts are left out. */
  #runs(base: number, bytes: number, mask: (offset: number) => bigint): Run[] {
    const runs: Piece[][] = [[]];
    for (let offset = 0; offset < bytes; offset += PIECE) {
      const masks = [mask(offset), offset + 8 < bytes ? mask(offset + 8) : 0n] as const;
      if (masks[0] === 0n && masks[1] === 0n) {
        if (runs.at(-1)!.length > 0) runs.push([]);
      } else {
        runs.at(-1)!.push({ address: base + offset, masks });
      }
    }
    return runs.filter((pieces) => pieces.length > 0).map((pieces) => ({ pieces }));
  }
}

/** The mask of a word that holds two u32, some of which do not count. */
function without(offset: number, silent: ReadonlySet<number>): bigint {
  const low = silent.has(offset) ? 0n : 0xffffffffn;
  const high = silent.has(offset + 4) ? 0n : 0xffffffffn << 32n;
  return low | high;
}
