/** What one step costs, one at a time: every op pays its own price, and the line that it touches what the line costs. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OPS, type OpName } from "../src/dsl/isa.js";
import type { MicroOp } from "../src/dsl/program.js";
import { EngineMachine } from "../src/engine/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import { anyPrices, type Prices, TOPOLOGY, transfer } from "./tiny-clock.js";
import { at, op, type TinyEntry, tinyProgram } from "./tiny-program.js";

const cpus = 40;
const WORDS_OF_A_LINE = 8;
const config = { ...SMALL_CONFIG, cpus, model: "sc", tables: 8, frames: 8 } as const;
const words = { global: 4 * WORDS_OF_A_LINE, cpu: 1 };

function machine(
  entries: Readonly<Record<string, TinyEntry>>,
  prices: Prices,
  works: number[] = [],
): EngineMachine {
  return new EngineMachine(tinyProgram(words, entries), config, "debug", { prices, works, ...TOPOLOGY });
}

/** A step, the free ops that set its operands, and what it costs on a line that nobody has touched yet. */
interface Case {
  readonly op: OpName;
  readonly title?: string;
  readonly setup?: readonly MicroOp[];
  readonly operands?: Parameters<typeof op>[1];
  readonly price: (prices: Prices) => number;
}

const li = (dst: number, imm: number | bigint) => op("LI", { dst, imm });
const field = at("global", 0);
const onLine =
  (extra?: keyof Prices) =>
  (prices: Prices): number =>
    prices.memL3 + (extra === undefined ? 0 : prices[extra]);
const flat =
  (name: keyof Prices) =>
  (prices: Prices): number =>
    prices[name];

function fieldCases(ops: readonly OpName[], extra?: keyof Prices): Case[] {
  return ops.map((name) => ({
    op: name,
    operands: { imm: field, dst: 9, c: 1, d: 2 },
    price: onLine(extra),
  }));
}

function pteCases(ops: readonly OpName[], extra?: keyof Prices): Case[] {
  const setup = [li(1, 2), li(2, 0)];
  return ops.map((name) => ({
    op: name,
    setup,
    operands: { dst: 9, a: 1, b: 2, c: 3, d: 4 },
    price: onLine(extra),
  }));
}

/** A plain store waits for its line in the store buffer, and the CPU does not. */
function buffered(one: Case): Case {
  return { ...one, price: ({ memL1, store }) => memL1 + store };
}

/** Taking the lock has made the line this CPU's own. */
function releaseCase(taking: OpName, name: OpName, extra: keyof Prices): Case {
  const price = (prices: Prices): number => prices.memL1 + prices[extra];
  return { op: name, setup: [op(taking, { imm: field })], operands: { imm: field }, price };
}

/** A RAISE to these CPUs: one command for each cluster of 16. */
function raiseCase(targets: readonly number[]): Case {
  const mask = targets.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n);
  const clusters = new Set(targets.map((cpu) => Math.floor(cpu / 16))).size;
  return {
    op: "RAISE",
    title: `to CPUs ${targets.join(", ")}`,
    // The mask is stored first, by a step of its own.
    setup: [li(1, mask), op("ST", { imm: field, c: 1 })],
    operands: { imm: field },
    price: ({ ipiSend, ipiPerTarget }) => clusters * ipiSend + targets.length * ipiPerTarget,
  };
}

const cases: Case[] = [
  ...fieldCases(["LD", "MASK_TEST"]),
  ...fieldCases(["ST"]).map(buffered),
  ...fieldCases(["XCHG", "CAS", "FADD", "ADDV", "ORV", "ANDV"], "rmw"),
  ...fieldCases(["LOCK", "TRYLOCK", "RLOCK", "WLOCK", "TRYRLOCK"], "rmw"),
  releaseCase("LOCK", "UNLOCK", "store"),
  releaseCase("RLOCK", "RUNLOCK", "rmw"),
  releaseCase("WLOCK", "WUNLOCK", "rmw"),
  releaseCase("WLOCK", "DOWNGRADE", "rmw"),
  ...fieldCases(["MASK_SET", "MASK_CLR"], "rmw"),
  ...fieldCases(["MASK_NEXT", "MASK_ZERO", "MASK_COUNT"], "maskStep"),
  { op: "AWAIT", operands: { imm: field, c: 1, d: 0 }, price: onLine() },
  ...pteCases(["PTE_LD"]),
  ...pteCases(["PTE_ST"]).map(buffered),
  ...pteCases(["PTE_XCHG", "PTE_CAS", "PTE_AND", "PTE_OR"], "rmw"),
  { op: "QPUSH", setup: [li(1, 3)], operands: { dst: 9, c: 1 }, price: onLine("queuePush") },
  { op: "QPOP", operands: { dst: 9 }, price: onLine("queuePop") },
  {
    op: "RAISE1",
    setup: [li(1, 5)],
    operands: { c: 1 },
    price: ({ ipiSend, ipiPerTarget }) => ipiSend + ipiPerTarget,
  },
  raiseCase([5]),
  raiseCase([1, 2, 15]),
  raiseCase([1, 15, 16, 39]),
  { op: "INVLPG", operands: { c: 1 }, price: flat("invlpg") },
  { op: "FLUSH_PCID", operands: { c: 1 }, price: flat("flushPcid") },
  { op: "FLUSH_ALL", price: flat("flushAll") },
  { op: "CR3", title: "with a flush", operands: { a: 1, b: 2, c: 3 }, price: flat("cr3Flush") },
  {
    op: "CR3",
    title: "without",
    setup: [li(3, 1)],
    operands: { a: 1, b: 2, c: 3 },
    price: flat("cr3NoFlush"),
  },
  { op: "INVAL_EVERYWHERE", operands: { a: 1, b: 2, c: 3 }, price: () => 0 },
  { op: "TLBI", operands: { a: 1, b: 2, c: 3 }, price: flat("tlbi") },
  { op: "TLBI", title: "in one PCID", operands: { a: 1, b: 2, c: 3, d: 4 }, price: flat("tlbi") },
  { op: "DSB", price: flat("dsb") },
  { op: "FALLOC", operands: { dst: 9 }, price: flat("frameAlloc") },
  { op: "FZERO", operands: { a: 1 }, price: flat("frameZero") },
  {
    op: "FCOPY",
    setup: [li(1, 2), li(2, 3)],
    operands: { a: 1, b: 2, c: 3, d: 3 },
    price: flat("frameCopy"),
  },
  { op: "FFREE", setup: [op("FALLOC", { dst: 1 })], operands: { a: 1 }, price: flat("frameFree") },
  { op: "TALLOC", setup: [li(1, 3)], operands: { dst: 9, b: 1, c: 2 }, price: flat("tableAlloc") },
  {
    op: "TFREE",
    setup: [li(1, 3), op("TALLOC", { dst: 1, b: 1, c: 2 })],
    operands: { a: 1 },
    price: flat("tableFree"),
  },
  { op: "RFIND", operands: { dst: 9, a: 1, d: 2, b: 7, c: 8 }, price: onLine("rangeFind") },
  {
    op: "RSET",
    setup: [li(3, 4), li(4, 1)],
    operands: { a: 1, b: 2, c: 3, d: 4 },
    price: onLine("rangeSet"),
  },
  { op: "XLOAD", setup: [li(1, 7)], operands: { dst: 9, c: 1 }, price: onLine("cacheLoad") },
  { op: "XSTORE", setup: [li(1, 7), li(2, 1)], operands: { c: 1, d: 2 }, price: onLine("cacheStore") },
  { op: "FENCE", title: "mb", operands: { imm: 0 }, price: flat("fence") },
  { op: "FENCE", title: "rmb", operands: { imm: 1 }, price: () => 0 },
  { op: "FENCE", title: "wmb", operands: { imm: 2 }, price: () => 0 },
  { op: "FENCE", title: "cbar", operands: { imm: 3 }, price: () => 0 },
  { op: "IRQ_OFF", price: flat("irqToggle") },
  { op: "IRQ_ON", price: flat("irqToggle") },
];

describe("a step costs its own price and that of its line", () => {
  const isStep = ({ op: name }: MicroOp): boolean => OPS[name].class === "step";

  test.each(cases.map((one) => [[one.op, one.title].filter(Boolean).join(" "), one] as const))(
    "%s",
    (_, one) => {
      const setup = one.setup ?? [];
      fc.assert(
        fc.property(anyPrices, fc.nat({ max: cpus - 1 }), (prices, cpu) => {
          const engine = machine({ one: { ops: [...setup, op(one.op, one.operands)] } }, prices);
          engine.start(cpu, "one", []);
          for (const _step of setup.filter(isStep)) engine.priceOfStep(cpu);
          expect(engine.priceOfStep(cpu)).toBe(one.price(prices));
          expect(engine.step(cpu)).toBe("ended");
        }),
        { seed: 20260803, numRuns: 4 },
      );
    },
  );

  test("WORK costs what its name costs", () => {
    fc.assert(
      fc.property(anyPrices, fc.nat({ max: 100_000 }), (prices, work) => {
        const engine = machine({ one: { ops: [op("WORK")] } }, prices, [work]);
        engine.start(0, "one", []);
        expect(engine.priceOfStep(0)).toBe(work);
      }),
      { seed: 20260804, numRuns: 4 },
    );
  });

  test("barriers that order nothing on x86 cost something where memory is weaker", () => {
    const barriers = [0, 1, 2, 3].map((imm) => op("FENCE", { imm }));
    const program = tinyProgram(words, { one: { ops: barriers } });
    fc.assert(
      fc.property(anyPrices, fc.constantFrom("sc", "tso", "weak"), (prices, model) => {
        const engine = new EngineMachine(program, { ...config, model }, "debug", {
          prices,
          works: [],
          ...TOPOLOGY,
        });
        engine.start(0, "one", []);
        const partial = model === "weak" ? prices.fence : 0;
        expect(barriers.map(() => engine.priceOfStep(0))).toEqual([prices.fence, partial, partial, 0]);
      }),
      { seed: 20260829, numRuns: 6 },
    );
  });

  test("every op that is a step has its price tested here", () => {
    const steps = (Object.keys(OPS) as OpName[]).filter((name) => OPS[name].class === "step");
    expect(new Set([...cases.map((one) => one.op), "WORK"])).toEqual(new Set(steps));
  });

  test("a disabled step touches no line, so the waiter pays for the line once", () => {
    fc.assert(
      fc.property(anyPrices, (prices) => {
        const lock = op("LOCK", { imm: field });
        const engine = machine(
          { lock: { ops: [lock] }, unlock: { ops: [op("UNLOCK", { imm: field })] } },
          prices,
        );
        for (const cpu of [0, 1]) engine.start(cpu, "lock", []);
        engine.priceOfStep(0);
        for (let spins = 0; spins < 3; spins++) expect(engine.step(1)).toBe("disabled");
        engine.start(0, "unlock", []);
        expect(engine.priceOfStep(0)).toBe(prices.memL1 + prices.store);
        expect(engine.priceOfStep(1)).toBe(transfer(prices, 1, 0) + prices.rmw);
      }),
      { seed: 20260805, numRuns: 4 },
    );
  });
});

/** Lines as the prices understand them: who wrote a line last, which version that was, and who has seen it. */
class Lines {
  readonly #version = new Map<number, number>();
  readonly #writer = new Map<number, number>();
  readonly #seen = new Map<string, number>();
  readonly #prices: Prices;

  constructor(prices: Prices) {
    this.#prices = prices;
  }

  read(cpu: number, line: number): number {
    const cost = this.#hits(cpu, line) ? this.#prices.memL1 : this.#fetch(cpu, line);
    this.#seen.set(`${cpu} ${line}`, this.#version.get(line) ?? 0);
    return cost;
  }

  write(cpu: number, line: number): number {
    const isOwner = this.#hits(cpu, line) && this.#writer.get(line) === cpu;
    const cost = isOwner ? this.#prices.memL1 : this.#fetch(cpu, line);
    this.#version.set(line, (this.#version.get(line) ?? 0) + 1);
    this.#writer.set(line, cpu);
    this.#seen.set(`${cpu} ${line}`, this.#version.get(line)!);
    return cost;
  }

  #hits(cpu: number, line: number): boolean {
    return this.#seen.get(`${cpu} ${line}`) === (this.#version.get(line) ?? 0);
  }

  #fetch(cpu: number, line: number): number {
    const writer = this.#writer.get(line);
    return writer === undefined || writer === cpu ? this.#prices.memL3 : transfer(this.#prices, cpu, writer);
  }
}

describe("lines", () => {
  const move = fc.record({
    cpu: fc.nat({ max: 2 * TOPOLOGY.perSocket }),
    word: fc.nat({ max: 3 * WORDS_OF_A_LINE - 1 }),
    entry: fc.constantFrom("load", "store", "exchange"),
  });

  test("the last writer and the last look decide what a line costs", () => {
    const word = (name: OpName) => [op(name, { imm: field, b: 0, c: 1, dst: 2 })];
    const entries = {
      load: { ops: word("LD") },
      store: { ops: word("ST") },
      exchange: { ops: word("XCHG") },
    };
    fc.assert(
      fc.property(anyPrices, fc.array(move, { minLength: 1, maxLength: 60 }), (prices, moves) => {
        const engine = machine(entries, prices);
        const lines = new Lines(prices);
        const extra = { load: 0, store: prices.store, exchange: prices.rmw };
        for (const { cpu, word: index, entry } of moves) {
          const line = Math.floor(index / WORDS_OF_A_LINE);
          // A plain store takes the line over all the same, and does not wait for it.
          const owning = entry === "load" ? lines.read(cpu, line) : lines.write(cpu, line);
          const cost = entry === "store" ? prices.memL1 : owning;
          engine.start(cpu, entry, [index, 1]);
          expect(engine.priceOfStep(cpu)).toBe(cost + extra[entry]);
        }
      }),
      { seed: 20260806, numRuns: 40 },
    );
  });
});
