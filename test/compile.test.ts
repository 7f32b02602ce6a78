/** Compiled programs do what the interpreter does: op for op on random programs, and byte for byte in whole runs. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MicroOp, OpName } from "../src/dsl/program.js";
import { compileWorld } from "../src/engine/compile.js";
import type { RunResult } from "../src/engine/result.js";
import { type RunRequest, runSimulation } from "../src/engine/run.js";
import type { World } from "../src/engine/world.js";
import { priceNames } from "../src/machine/preset.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { builtinWorkload } from "../src/workload/builtins.js";
import { type Prices, TinyClock } from "./tiny-clock.js";
import { at, NONE, op, tinyProgram } from "./tiny-program.js";

const CPUS = 4;
/** Registers 0 to 3 number a CPU, register 4 a bit of a mask; none of them is written. */
const [INDEXES, BIT, FIRST_WRITTEN, REGISTERS] = [4, 4, 8, 16];
const [WORDS, OPS] = [8, 40];

const anyRegister = fc.nat({ max: REGISTERS - 1 });
const written = fc.integer({ min: FIRST_WRITTEN, max: REGISTERS - 1 });
const value = fc.oneof(fc.bigInt({ min: 0n, max: 70n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const binaries: OpName[] = ["ADD", "SUB", "AND", "OR", "XOR", "SHL", "SHR", "EQ", "NE", "LTU", "LEU"];

const binary = fc
  .record({
    name: fc.constantFrom(...binaries),
    dst: written,
    a: anyRegister,
    b: fc.option(anyRegister),
    imm: value,
  })
  .map(({ name, b, imm, ...rest }) => op(name, b === null ? { ...rest, imm } : { ...rest, b }));
const plain = fc
  .record({
    name: fc.constantFrom<OpName>("LI", "MOV", "CPU", "TASK"),
    dst: written,
    a: anyRegister,
    imm: value,
  })
  .map(({ name, dst, a, imm }) =>
    op(name, { dst, ...(name === "MOV" && { a }), ...(name === "LI" && { imm }) }),
  );
const ghost = fc.constantFrom(
  op("COUNT"),
  op("COUNT", { a: 9 }),
  op("MARK"),
  op("MARK", { imm: 1 }),
  op("WINDOW"),
);
/** From where it stands; backwards too, now and then. */
const jump = fc
  .record({
    name: fc.constantFrom<OpName>("JMP", "BZ", "BNZ", "BZ", "BNZ"),
    a: written,
    imm: fc.integer({ min: -3, max: 12 }),
  })
  .map(({ name, a, imm }) => op(name, { ...(name !== "JMP" && { a }), imm }));
const index = fc.option(fc.nat({ max: INDEXES - 1 }), { nil: NONE });
const field = fc
  .record({
    kind: fc.constantFrom("global" as const, "cpu" as const),
    a: index,
    b: index,
    word: fc.nat({ max: WORDS - INDEXES }),
  })
  .map(({ kind, a, b, word }) => ({ a: kind === "global" ? NONE : a, b, imm: at(kind, word) }));
const step = fc
  .record({
    name: fc.constantFrom<OpName>(
      ...([
        "LD",
        "LD",
        "ST",
        "ST",
        "XCHG",
        "CAS",
        "FADD",
        "ADDV",
        "ORV",
        "ANDV",
        "AWAIT",
        "MASK_SET",
        "MASK_CLR",
      ] as const),
      ...(["MASK_TEST", "MASK_NEXT", "MASK_ZERO", "MASK_COUNT", "TRYLOCK"] as const),
    ),
    place: field,
    dst: written,
    c: anyRegister,
    d: fc.nat({ max: 3 }),
  })
  .map(({ name, place, dst, c, d }) =>
    op(name, {
      ...place,
      dst: /^(ST|ADDV|ORV|ANDV|MASK_ZERO)$/.test(name) ? NONE : dst,
      c: name.startsWith("MASK_") ? BIT : /^(LD|TRYLOCK)$/.test(name) ? NONE : c,
      d: /^(CAS|AWAIT)$/.test(name) ? d : NONE,
    }),
  );
const other = fc.constantFrom(op("WORK"), op("FENCE"), op("FENCE", { imm: 2 }), op("IRQ_OFF"), op("IRQ_ON"));
const anyOps = fc
  .array(fc.oneof(...[binary, binary, plain, jump, ghost, step, step, step, other]), {
    minLength: OPS,
    maxLength: OPS,
  })
  .map((ops) => ops.map(placed));

/** Jumps become places. */
function placed(one: MicroOp, place: number): MicroOp {
  if (!/^(JMP|BZ|BNZ)$/.test(one.op)) return one;
  return { ...one, imm: BigInt(Math.min(OPS, Math.max(0, place + Number(one.imm)))) };
}

const prices = Object.fromEntries(priceNames.map((name, at) => [name, 100 + 7 * at])) as Prices;

interface Start {
  readonly registers: readonly bigint[];
  readonly memory: readonly bigint[];
}
const start: fc.Arbitrary<Start> = fc
  .record({
    indexes: fc.array(fc.bigInt({ min: 0n, max: 3n }), { minLength: INDEXES, maxLength: INDEXES }),
    bit: fc.bigInt({ min: 0n, max: 3n }),
    rest: fc.array(value, { minLength: REGISTERS - INDEXES - 1, maxLength: REGISTERS - INDEXES - 1 }),
    memory: fc.array(fc.oneof(fc.constant(0n), value), { minLength: WORDS, maxLength: WORDS }),
  })
  .map(({ indexes, bit, rest, memory }) => ({ registers: [...indexes, bit, ...rest], memory }));

/** A world with a program, stepped by hand on any CPU; both forms leave all of its memory alike. */
class Player {
  readonly world: World;
  readonly #clock: TinyClock;
  readonly #isCompiled: boolean;

  constructor(ops: readonly MicroOp[], model: "tso" | "weak", from: Start, isCompiled: boolean) {
    const program = tinyProgram({ global: WORDS, cpu: WORDS }, { main: { ops } });
    this.#clock = new TinyClock(program, { prices, cpus: CPUS, works: [33], size: { model } });
    this.#isCompiled = isCompiled;
    this.world = this.#clock.world;
    from.memory.forEach((word, index) => {
      this.#clock.setWord("global", 0, index, word);
    });
    if (!isCompiled) return;
    const codes = this.world.value("codes") / 2;
    this.world.u16.fill(this.world.value("CODE_WANTED"), codes, codes + program.ops.length);
    expect(compileWorld(this.world)).toBeGreaterThan(0);
  }

  /** Starts the program; returns the first step, or undefined at its end. */
  begin(cpu: number, registers: readonly bigint[]): number | undefined {
    registers.forEach((all, register) => {
      const [low, high] = [Number(all & 0xffffffffn), Number(all >> 32n)];
      this.world.functions.setRegister(cpu, register, low, high);
    });
    return this.#goOn(cpu, 0);
  }

  /** Takes the step at `pc`. Returns its price and the next step. */
  step(cpu: number, pc: number): { price: number; next: number | undefined } {
    const { functions, table, u16, value } = this.world;
    const { hw, clk, st } = this.#blocks(cpu);
    const registers = hw + value("HW_REGS");
    let price: number;
    let next = pc + 1;
    if (this.#isCompiled) {
      const code = table.get(u16[value("codes") / 2 + pc]!) as (...at: number[]) => bigint;
      const went = code(cpu, hw, clk, st, registers);
      price = Number(went >> 32n);
      next = Number(went & 0xfffffn);
      const free = (st + value("ST_TLB")) / 8 + value("FREE_OPS");
      if (price >= 0) this.world.u64[free]! += (went >> 20n) & 0x7ffn;
    } else price = functions.execute(cpu, registers, pc);
    while (functions.storesBuffered(cpu) > 0) functions.drain(cpu, 0);
    return { price, next: price < 0 ? undefined : this.#goOn(cpu, next) };
  }

  /** Everything but the program, and the sites of stores that are not buffered any more. */
  memory(): Uint8Array {
    const { u8, value } = this.world;
    for (let cpu = 0; cpu < CPUS; cpu++) {
      const sites = this.#blocks(cpu).st + value("stStores");
      u8.fill(0, sites, sites + 4 * this.world.size.storeBuffer);
    }
    return u8.subarray(value("stateBase"), value("memoryEnd"));
  }

  #goOn(cpu: number, pc: number): number | undefined {
    const { functions, u32, value } = this.world;
    const { hw } = this.#blocks(cpu);
    u32[(hw + value("HW_LIVE0")) / 4] = 0;
    functions.begin(cpu, pc);
    return functions.isLive(cpu) ? u32[(hw + value("HW_PC0")) / 4] : undefined;
  }

  #blocks(cpu: number): Record<"hw" | "clk" | "st", number> {
    const of = (name: string): number =>
      this.world.value(`${name}Base`) + cpu * this.world.value(`${name}Stride`);
    return { hw: of("hw"), clk: of("clk"), st: of("st") };
  }
}

/** Both forms, on two CPUs for a while. A loop of free ops without end is a trap of both, behind which nothing is compared. */
function playBoth(ops: readonly MicroOp[], model: "tso" | "weak", from: Start): number {
  const players = [false, true].map((isCompiled) => new Player(ops, model, from, isCompiled));
  let steps = 0;
  for (const cpu of [0, 3, 0]) {
    let pc = same(players.map((player) => trapped(() => player.begin(cpu, from.registers))));
    for (let turn = 0; typeof pc === "number" && turn < 30; turn++) {
      const from = pc;
      const went = same(players.map((player) => trapped(() => player.step(cpu, from))));
      if (typeof went === "string") return steps;
      steps++;
      pc = went.next;
    }
    if (typeof pc === "string") return steps;
  }
  const [interpreted, compiled] = players.map((player) => Buffer.from(player.memory()));
  expect(compiled!.findIndex((byte, at) => interpreted![at] !== byte)).toBe(-1);
  return steps;
}

function same<T>([interpreted, compiled]: readonly T[]): T {
  expect(compiled).toEqual(interpreted);
  return interpreted!;
}

function trapped<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    return (error as Error).message;
  }
}

test("a compiled program does, op for op, what the interpreter does", () => {
  let steps = 0;
  fc.assert(
    fc.property(anyOps, fc.constantFrom("tso" as const, "weak" as const), start, (ops, model, from) => {
      steps += playBoth(ops, model, from);
    }),
    { numRuns: 150, seed: 20_260 },
  );
  expect(steps).toBeGreaterThan(1500);
});

describe.each([
  ["eager", 3, {}],
  ["deferred", 8, {}],
  ["unified", 3, { shootdown: "invlpgb" }],
  ["deferred", 70, {}],
] as const)("a run under %s on %i CPUs, %j", (policy, cpus, set) => {
  test("is the same when it is compiled after 300 steps", async () => {
    const resultOf = async (over: Partial<RunRequest>): Promise<[Omit<RunResult, "host">, number]> => {
      const workload = builtinWorkload("munmap-loop", { iterations: "12" }, cpus);
      let functions = 0;
      const request = {
        machine: skylakeSp,
        policy,
        set,
        cpus,
        seed: 1,
        workload,
        workloadName: "munmap-loop",
      };
      const onEnd = (world: World): void => {
        functions = world.table.length;
      };
      const { host: _host, ...result } = await runSimulation({ ...request, quanta: 20, onEnd, ...over });
      return [result, functions];
    };
    const [interpreted, none] = await resultOf({ compileAfter: Number.POSITIVE_INFINITY });
    const [compiled, some] = await resultOf({ compileAfter: 300 });
    expect(some).toBeGreaterThan(none + 100);
    expect(compiled).toEqual(interpreted);
  });
});
