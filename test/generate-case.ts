/* Small random cases in the manner of a kernel: locks, page-table entries, calls by interrupt, promises, frees, accesses and liberties. */
import type { Case, Doing, Liberty, Thread } from "../src/dsl/case.js";
import type { FieldPlace, MicroOp, OpName } from "../src/dsl/program.js";
import { at, op, type TinyEntry, tinyProgram } from "./tiny-program.js";

/** Numbers from a seed: the same ones everywhere. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state ^ (this.#state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0;
    const mixed = Math.imul(this.#state ^ (this.#state >>> 12), 0x297a2d39) >>> 0;
    return ((mixed ^ (mixed >>> 15)) >>> 0) % limit;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }
}

type Fragment = readonly MicroOp[];

/** Words: two of everybody, two locks, one word each CPU that others read too, one that its calls are answered in. */
const WORD = [at("global", 0), at("global", 1)] as const;
const LOCK = at("global", 2);
const RWLOCK = at("global", 3);
const OWN = at("cpu", 0);
const ANSWER = at("cpu", 1);
const WORDS = { global: 4, cpu: 2, mm: 1, task: 1 };
const FIELDS: readonly FieldPlace[] = [
  { record: "global", name: "first", word: 0, words: 1, kind: "word" },
  { record: "global", name: "second", word: 1, words: 1, kind: "word" },
  { record: "global", name: "lock", word: 2, words: 1, kind: "lock" },
  { record: "global", name: "semaphore", word: 3, words: 1, kind: "rwlock" },
  { record: "cpu", name: "own", word: 0, words: 1, kind: "word" },
  { record: "cpu", name: "answer", word: 1, words: 1, kind: "word" },
  { record: "mm", name: "mm_users", word: 0, words: 1, kind: "word" },
  { record: "task", name: "mm", word: 0, words: 1, kind: "word" },
];

/** Registers: indexes and values are loaded right before use; what a lock keeps is none. */
const [I, J, K, L] = [8, 9, 10, 11] as const;
const DATA = [2, 3] as const;
/** The tables that boot builds, from the root down. */
const [ROOT, LEAVES] = [1, 4] as const;
const PCID = 1;
const PAGES = 2;
const PRESENT = 0x27n;
const WRITE = 2n;
const FRAME_SHIFT = 12;
const ALL_BITS = (1n << 64n) - 1n;

const li = (dst: number, imm: bigint | number): MicroOp => op("LI", { dst, imm });
const unlessZero = (register: number, body: Fragment): Fragment => [
  op("BZ", { a: register, imm: body.length + 1 }),
  ...body,
];

/** Page tables for two pages, frames behind them, and their root loaded on every CPU by `enter`. */
const BOOT: Fragment = [
  op("TALLOC", { dst: I, b: 20, c: 21 }),
  ...[2, 1, 0].flatMap((level) => [li(20, level), op("TALLOC", { dst: J, a: I, b: 20, c: 21 })]),
  ...[1, 2, 3].flatMap((table) => [
    li(I, table),
    li(K, (BigInt(table + 1) << 12n) | 0x67n),
    op("PTE_ST", { a: I, b: 21, c: K }),
  ]),
  ...Array.from({ length: PAGES }, (_, page) => [
    op("FALLOC", { dst: L }),
    op("SHL", { dst: L, a: L, imm: FRAME_SHIFT }),
    op("OR", { dst: L, a: L, imm: PRESENT | WRITE }),
    li(I, LEAVES),
    li(J, page),
    op("PTE_ST", { a: I, b: J, c: L }),
  ]).flat(),
];
const ENTER: Fragment = [li(I, ROOT), li(J, PCID), li(K, 0), op("CR3", { a: I, b: J, c: K })];

class Writer {
  readonly #dice: Dice;
  readonly #cpus: number;
  /** Locks that a fragment inside of another one must not take again. */
  #held = new Set<bigint>();

  constructor(dice: Dice, cpus: number) {
    this.#dice = dice;
    this.#cpus = cpus;
  }

  body(length: number): Fragment {
    return Array.from({ length }, () => this.#fragment()).flat();
  }

  #fragment(): Fragment {
    const pick = this.#dice.below(20);
    if (pick < 6) return this.#onWord();
    if (pick < 8) return this.#locked();
    if (pick < 11) return this.#onEntry();
    if (pick < 13) return [li(I, this.#dice.below(PAGES)), op("INVLPG", { c: I })];
    if (pick < 15) return this.#call();
    if (pick === 15) return this.#unmapAndFree();
    if (pick === 16) return this.#copy();
    if (pick === 17) return this.#promise();
    if (pick === 18) return [op("IRQ_OFF"), ...this.#onWord(), op("IRQ_ON")];
    return unlessZero(this.#dice.of(DATA), [...this.#onWord(), op("WINDOW")]);
  }

  #onWord(): Fragment {
    const dice = this.#dice;
    const dst = dice.of(DATA);
    const c = dice.of(DATA);
    const name = dice.of<OpName>(["LD", "LD", "ST", "ST", "ST", "XCHG", "FADD", "ADDV", "FENCE"]);
    if (name === "FENCE") return [op("FENCE", { imm: dice.of([0, 2]) })];
    const value = dice.once(2) ? [li(c, dice.below(3))] : [];
    if (dice.once(2)) return [...value, op(name, { imm: dice.of(WORD), dst, c })];
    const index = dice.once(2) ? op("CPU", { dst: I }) : li(I, dice.below(this.#cpus));
    return [index, ...value, op(name, { a: I, imm: OWN, dst, c })];
  }

  #locked(): Fragment {
    const dice = this.#dice;
    const [word, take, release] = dice.of([
      [LOCK, "LOCK", "UNLOCK"],
      [RWLOCK, "RLOCK", "RUNLOCK"],
      [RWLOCK, "WLOCK", "WUNLOCK"],
    ] as const);
    if (this.#held.has(word)) return [];
    this.#held.add(word);
    const inside = this.body(1 + dice.below(2));
    this.#held.delete(word);
    return [op(take, { imm: word }), ...inside, op(release, { imm: word })];
  }

  #place(): { readonly go: Fragment; readonly page: number } {
    const page = this.#dice.below(PAGES);
    return { go: [li(I, LEAVES), li(J, page)], page };
  }

  #onEntry(): Fragment {
    const { go } = this.#place();
    const entry = { a: I, b: J };
    const upper = [li(I, 1 + this.#dice.below(3)), li(J, 0)];
    switch (this.#dice.below(5)) {
      case 0:
        return [...go, op("PTE_LD", { ...entry, dst: this.#dice.of(DATA) })];
      case 1:
        return [...upper, op("PTE_LD", { ...entry, dst: this.#dice.of(DATA) })];
      case 2:
        return [...go, li(K, ALL_BITS - WRITE), op("PTE_AND", { ...entry, dst: L, c: K })];
      case 3:
        return [
          ...go,
          op("PTE_LD", { ...entry, dst: K }),
          op("AND", { dst: K, a: K, imm: ALL_BITS - WRITE }),
          op("PTE_ST", { ...entry, c: K }),
        ];
      default:
        return [...go, li(K, WRITE), op("PTE_OR", { ...entry, dst: L, c: K })];
    }
  }

  /** Takes a page's entry out; perhaps flushes here; frees the frame if there was one. */
  #unmapAndFree(): Fragment {
    const { go, page } = this.#place();
    const flush = this.#dice.once(2) ? [li(I, page), op("INVLPG", { c: I })] : [];
    const free = [op("SHR", { dst: K, a: L, imm: FRAME_SHIFT }), op("FFREE", { a: K })];
    return [
      ...go,
      li(K, 0),
      op("PTE_XCHG", { a: I, b: J, dst: L, c: K }),
      ...flush,
      op("WINDOW"),
      ...unlessZero(L, free),
    ];
  }

  /** Copies a page to a new frame and maps that. */
  #copy(): Fragment {
    const { go, page } = this.#place();
    const copy = [
      op("SHR", { dst: L, a: L, imm: FRAME_SHIFT }),
      op("FALLOC", { dst: K }),
      ...unlessZero(K, [
        li(12, page),
        li(13, ROOT),
        op("FCOPY", { a: L, b: K, c: 12, d: 13 }),
        op("SHL", { dst: K, a: K, imm: FRAME_SHIFT }),
        op("OR", { dst: K, a: K, imm: PRESENT | WRITE }),
        op("PTE_XCHG", { a: I, b: J, dst: L, c: K }),
      ]),
    ];
    return [...go, op("PTE_LD", { a: I, b: J, dst: L }), ...unlessZero(L, copy)];
  }

  #promise(): Fragment {
    const page = this.#dice.below(PAGES);
    const promise = op("PROMISE", { a: I, b: J, c: K, imm: this.#dice.below(2) });
    return [li(I, ROOT), li(J, page), li(K, page + 1), promise];
  }

  /** Asks another CPU to look into its queue, and mostly waits for the answer. */
  #call(): Fragment {
    const target = this.#dice.below(this.#cpus);
    const ask = [
      op("CPU", { dst: K }),
      li(L, 1),
      op("ST", { a: K, imm: ANSWER, c: L }),
      li(J, target),
      op("QPUSH", { dst: L, c: J }),
      ...unlessZero(L, [op("RAISE1", { c: J })]),
    ];
    const wait = [li(L, 0), op("AWAIT", { a: K, imm: ANSWER, c: L, d: 0 })];
    if (this.#held.has(ANSWER)) return [];
    // One call a program: nobody waits for answers to two.
    this.#held.add(ANSWER);
    return this.#dice.once(4) ? ask : [...ask, ...wait];
  }
}

/** Serves one call: drops a page or everything, and answers. */
function handler(dice: Dice, cpus: number): Fragment {
  const drop = dice.once(3) ? [op("FLUSH_ALL")] : [li(J, dice.below(PAGES)), op("INVLPG", { c: J })];
  const look = dice.once(2) ? [op("LD", { dst: 2, imm: dice.of(WORD) })] : [];
  const answer = [li(J, 0), op("ST", { a: I, imm: ANSWER, c: J })];
  const serve = dice.once(3) ? [...answer, ...drop] : [...drop, ...look, ...answer];
  return [op("QPOP", { dst: I }), op("LTU", { dst: L, a: I, imm: cpus }), ...unlessZero(L, serve)];
}

/** A fault: maps a new frame where there is none and gives up where there is one, under the semaphore. */
const FAULT: Fragment = (() => {
  const map = [
    op("FALLOC", { dst: K }),
    ...unlessZero(K, [
      op("SHL", { dst: K, a: K, imm: FRAME_SHIFT }),
      op("OR", { dst: K, a: K, imm: PRESENT | WRITE }),
      op("PTE_ST", { a: I, b: 0, c: K }),
      li(L, 0),
    ]),
  ];
  return [
    op("RLOCK", { imm: RWLOCK }),
    li(I, LEAVES),
    li(L, 1),
    op("PTE_LD", { a: I, b: 0, dst: K }),
    op("BNZ", { a: K, imm: map.length + 1 }),
    ...map,
    op("RUNLOCK", { imm: RWLOCK }),
    op("END", { a: L }),
  ];
})();

/** Jumps of a fragment count from themselves, those of an entry from its beginning. */
function placed(ops: Fragment): Fragment {
  return ops.map((one, place) =>
    one.op === "BZ" || one.op === "BNZ" ? { ...one, imm: one.imm + BigInt(place) } : one,
  );
}

/** A case of two or three CPUs; the same seed gives the same one. */
export function randomSmallCase(seed: number): Case {
  const dice = new Dice(seed);
  const cpus = dice.once(4) ? 3 : 2;
  const entries: Record<string, TinyEntry> = {
    boot: { ops: placed(BOOT) },
    enter: { ops: ENTER },
    call_function_interrupt: { ops: placed(handler(dice, cpus)) },
    page_fault: { args: ["vpn", "access"], ops: placed(FAULT) },
  };
  const threads: Thread[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) {
    entries[`work${cpu}`] = { ops: placed(new Writer(dice, cpus).body(cpus === 2 ? 3 + dice.below(3) : 2)) };
    const access = (): Doing => ({ access: dice.once(2) ? 1 : 0, vpn: dice.below(PAGES) });
    const does: Doing[] = dice.once(5) ? [] : [{ call: `work${cpu}`, args: [] }];
    if (dice.once(3)) does.push(access());
    if (dice.once(4)) does.unshift(access());
    threads.push({ cpu, does });
  }
  const liberties = Array.from({ length: dice.below(3) }, (): Liberty => {
    const may = dice.of(["touch", "touch", "fill", "evict"] as const);
    return { cpu: dice.below(cpus), may, vpn: dice.below(PAGES), kind: dice.once(2) ? 1 : 0 };
  });
  const program = tinyProgram(WORDS, entries);
  return {
    program: { ...program, layout: { ...program.layout, cpus, fields: FIELDS } },
    machine: {
      cpus,
      mms: 1,
      tasks: cpus,
      tables: 6,
      frames: 6,
      radixBits: 1,
      model: dice.of(["sc", "tso", "tso", "weak"] as const),
      storeBuffer: 1 + dice.below(2),
      assist: dice.of(["strict", "strict", "legacy", "knl"] as const),
      tlb: { sets: 2, ways: 1 },
      walkCache: 0,
    },
    setup: [
      { do: "call", cpu: 0, entry: "boot", args: [] },
      ...threads.map(({ cpu }) => ({ do: "call", cpu, entry: "enter", args: [] }) as const),
      ...threads.flatMap(({ cpu }) =>
        dice.once(2)
          ? [{ do: "touch", cpu, vpn: dice.below(PAGES), kind: dice.once(2) ? 1 : 0 } as const]
          : [],
      ),
    ],
    threads,
    liberties,
    windows: [],
  };
}
