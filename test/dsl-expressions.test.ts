import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bool, bit, bits, type Expr, pte, struct, type U64, u64 } from "../src/dsl/index.js";
import { build, glob, run } from "./dsl-alone.js";

const flags = struct("flags", { on: bit(0), low: bits(1, 7), mid: bits(20, 13), high: bits(48, 16) });
/** A formula over x and y: as an Expr, and as arithmetic on bigints. */
interface Formula {
  readonly expr: (x: Expr<U64>, y: Expr<U64>) => Expr<U64>;
  readonly value: (x: bigint, y: bigint) => bigint;
}

const wrap = (value: bigint) => BigInt.asUintN(64, value);
const word = fc.oneof(fc.bigInt(0n, (1n << 64n) - 1n), fc.bigInt(0n, 70n));

const BINARY: readonly [string, (a: bigint, b: bigint) => bigint][] = [
  ["add", (a, b) => wrap(a + b)],
  ["sub", (a, b) => wrap(a - b)],
  ["and", (a, b) => a & b],
  ["or", (a, b) => a | b],
  ["xor", (a, b) => a ^ b],
  ["shl", (a, b) => wrap(a << (b & 63n))],
  ["shr", (a, b) => a >> (b & 63n)],
  ["min", (a, b) => (a < b ? a : b)],
  ["max", (a, b) => (a < b ? b : a)],
];
const COMPARE: readonly [string, (a: bigint, b: bigint) => boolean][] = [
  ["eq", (a, b) => a === b],
  ["ne", (a, b) => a !== b],
  ["lt", (a, b) => a < b],
  ["le", (a, b) => a <= b],
  ["gt", (a, b) => a > b],
  ["ge", (a, b) => a >= b],
];

/** Only run-time values are cut to the width of a member; a constant must fit. */
const fitting = (value: Expr<U64>) => (value.node.kind === "constant" ? value.and(0x1fff) : value);

type Method = "add" | "lt";
const call = <R>(target: Expr<U64>, name: string, other: Expr<U64>) =>
  target[name as Method](other) as unknown as R;

const { formula } = fc.letrec<{ formula: Formula }>((tie) => {
  const sub = tie("formula");
  return {
    formula: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.constantFrom<Formula>(
        { expr: (x) => x, value: (x) => x },
        { expr: (_, y) => y, value: (_, y) => y },
      ),
      word.map((n): Formula => ({ expr: () => u64.of(n), value: () => n })),
      fc.tuple(fc.constantFrom(...BINARY), sub, sub).map(
        ([[name, op], a, b]): Formula => ({
          expr: (x, y) => call(a.expr(x, y), name, b.expr(x, y)),
          value: (x, y) => op(a.value(x, y), b.value(x, y)),
        }),
      ),
      fc.tuple(fc.constantFrom(...COMPARE), sub, sub, fc.boolean()).map(
        ([[name, op], a, b, negate]): Formula => ({
          expr: (x, y) => {
            const holds = call<Expr<Bool>>(a.expr(x, y), name, b.expr(x, y));
            return (negate ? holds.not() : holds).select(a.expr(x, y), b.expr(x, y));
          },
          value: (x, y) => (op(a.value(x, y), b.value(x, y)) !== negate ? a.value(x, y) : b.value(x, y)),
        }),
      ),
      fc.tuple(sub, sub).map(
        ([a, b]): Formula => ({
          expr: (x, y) => flags.as(a.expr(x, y)).with({ mid: fitting(b.expr(x, y)), on: true, high: 7 }).raw,
          value: (x, y) => {
            const cleared = a.value(x, y) & ~((0x1fffn << 20n) | (0xffffn << 48n));
            return cleared | 1n | (7n << 48n) | ((b.value(x, y) & 0x1fffn) << 20n);
          },
        }),
      ),
      sub.map(
        (a): Formula => ({
          expr: (x, y) => flags.as(a.expr(x, y)).low.add(flags.as(a.expr(x, y)).high),
          value: (x, y) => ((a.value(x, y) >> 1n) & 127n) + (a.value(x, y) >> 48n),
        }),
      ),
    ),
  };
});

describe("expressions", () => {
  it("any formula computes the same in registers, in a branch and on paper", () => {
    fc.assert(
      fc.property(formula, word, word, ({ expr, value }, x, y) => {
        const expected = value(x, y);
        const stored = run((k, args) => k.write("out", glob.at().out, expr(args.x, args.y)), x, y);
        expect(stored.out).toBe(expected);
        const branched = run(
          (k, args) => {
            const result = expr(args.x, args.y);
            const flag = (n: number) => () => k.write(`out ${n}`, glob.at().out, n);
            k.if(result.ne(0), flag(1), flag(2));
            k.if(flags.as(result).on.not(), () => k.add("odd", glob.at().out, 10));
          },
          x,
          y,
        );
        expect(branched.out).toBe((expected === 0n ? 2n : 1n) + ((expected & 1n) === 0n ? 10n : 0n));
      }),
      { seed: 20240, numRuns: 300 },
    );
  });

  it("comparisons hold at their edges, with a constant on the right or a register", () => {
    const edges = [0n, 1n, 2n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
    const pairs = edges.flatMap((a) => edges.map((b) => [a, b] as const));
    for (const [[name, holds], [a, b]] of COMPARE.flatMap((row) =>
      pairs.map((pair) => [row, pair] as const),
    )) {
      const { out } = run(
        (k, { x, y }) => {
          const results = [y, u64.of(b)].map((right) => call<Expr<Bool>>(x, name, right).raw);
          k.write("out", glob.at().out, results[0]!.shl(1).or(results[1]!));
        },
        a,
        b,
      );
      expect(out, `${a} ${name} ${b}`).toBe(holds(a, b) ? 3n : 0n);
    }
  });

  it("constants fold: no op is left of them", () => {
    const folded = build((k) => {
      const mask = pte.ones.with({ write: false, dirty: false });
      k.write("out", glob.at().out, mask.raw.and(0xff).add(1).shl(3));
    });
    expect(folded.ops.map(({ op }) => op)).toEqual(["LI", "ST", "LI", "END"]);
    expect(folded.ops[0]!.imm).toBe((0xbdn + 1n) << 3n);
  });

  it("a bit is tested without a shift, and a comparison with zero without a comparison", () => {
    const source = build((k, { x }) => {
      k.if(pte.as(x).softDirty.not(), () => k.count("clean"));
      k.if(x.gt(0), () => k.count("positive"));
    });
    expect(source.ops.map(({ op }) => op)).toEqual([
      "AND",
      "BNZ",
      "COUNT",
      "LEU",
      "BNZ",
      "COUNT",
      "LI",
      "END",
    ]);
  });

  it("an expression over a variable shows the value at the place of use, k.copy the value here", () => {
    const { out } = run((k, { x }) => {
      const v = k.var(x);
      const formula = v.get().add(1);
      const snapshot = k.copy(formula);
      v.set(100);
      k.write("out", glob.at().out, formula.shl(32).or(snapshot));
    }, 5n);
    expect(out).toBe((101n << 32n) | 6n);
  });
});
