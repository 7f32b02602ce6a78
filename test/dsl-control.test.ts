import { describe, expect, it } from "vitest";
import { type Builder, bool, type Expr, routine, type U64, u64 } from "../src/dsl/index.js";
import { type Body, build, glob, IN, MASK, run } from "./dsl-alone.js";
import { wordKey } from "./dsl-interpreter.js";

describe("control flow", () => {
  it("forRange takes its bounds once and frees its counter", () => {
    const { out } = run(
      (k, { x, y }) => {
        const end = k.var(y);
        const sum = k.var(0);
        k.forRange(x, end.get(), 3, (i) => {
          sum.set(sum.get().add(i));
          end.set(0);
        });
        k.write("out", glob.at().out, sum.get());
      },
      1n,
      11n,
    );
    expect(out).toBe(1n + 4n + 7n + 10n);
  });

  it("a while condition may read shared words, and breakIf leaves the innermost loop", () => {
    const body: Body = (k, { x }) => {
      const { out, in: input } = glob.at();
      k.while(
        () => k.read("level", input).ne(0),
        () => {
          k.add("down", input, -1);
          k.forRange(0, 10, 1, (i) => {
            k.breakIf(i.eq(x));
            k.add("up", out, 1);
          });
        },
      );
    };
    const { out, steps } = run(body, 2n, 0n, new Map([[IN, 3n]]));
    expect(out).toBe(6n);
    expect(steps.filter((label) => label === "level")).toHaveLength(4);
  });

  it("an endless while ends by breakIf, and by k.return with a status", () => {
    const endless = (leave: (k: Builder, n: Expr<U64>) => void): Body => {
      return (k) => {
        const n = k.var(0);
        k.while(
          () => bool.of(true),
          () => {
            n.set(n.get().add(1));
            leave(k, n.get());
          },
        );
        k.write("out", glob.at().out, n.get());
      };
    };
    expect(run(endless((k, n) => k.breakIf(n.eq(7))))).toMatchObject({ out: 7n, status: 0n });
    const returned = run(endless((k, n) => k.if(n.eq(7), () => k.return(1))));
    expect(returned).toMatchObject({ out: undefined, status: 1n });
  });

  it("forEachCpu visits the bits of a mask in rising order", () => {
    const body: Body = (k) => {
      const { out, mask } = glob.at();
      k.forEachCpu("target", mask, (cpu) => {
        k.write("out", out, k.read("seen", out).shl(4).or(cpu));
      });
    };
    expect(run(body, 0n, 0n, new Map([[MASK, 0b1010_0010n]])).out).toBe(0x157n);
    expect(run(body).steps).toEqual(["target"]);
  });

  it("a constant condition leaves only the taken branch", () => {
    const { steps } = run((k) => {
      const take = (label: string) => () => k.add(label, glob.at().out, 1);
      k.if(bool.of(true), take("taken"), take("not taken"));
      k.if(u64.of(2).lt(1), take("never"));
      k.while(() => bool.of(false), take("nor this"));
    });
    expect(steps).toEqual(["taken"]);
  });

  it("a semaphore downgraded in the block is released as a reader", () => {
    const { steps } = run((k) => {
      k.writeLocked(glob.at().sem, (held) => void held.downgrade("mmap_write_downgrade"));
    });
    expect(steps).toEqual(["lock sem", "mmap_write_downgrade", "unlock sem"]);
    const ops = build((k) => k.writeLocked(glob.at().sem, (held) => void held.downgrade("d"))).ops;
    expect(ops.map(({ op }) => op)).toEqual(["WLOCK", "DOWNGRADE", "RUNLOCK", "LI", "END"]);
  });

  it("trylock runs one of its two blocks and unlocks after the first", () => {
    const body: Body = (k) => {
      const { lock, out } = glob.at();
      const taken = k.trylock(
        "trylock",
        lock,
        () => k.add("under", out, 1),
        () => k.add("without", out, 2),
      );
      k.if(taken, () => k.add("taken", out, 4));
    };
    expect(run(body)).toMatchObject({ out: 5n, steps: ["trylock", "under", "unlock trylock", "taken"] });
    const held = new Map([[wordKey(0, 3), 9n]]);
    expect(run(body, 0n, 0n, held)).toMatchObject({ out: 2n, steps: ["trylock", "without"] });
  });
});

describe("registers", () => {
  const { out, in: input, lock } = glob.at();

  it("what a block or a routine returns outlives it, also inside objects and handles", () => {
    const inner = routine("inner", (k: Builder, x: Expr<U64>) => {
      const wasted = k.copy(x.add(1));
      const kept = k.copy(wasted.add(1));
      return { kept, list: [k.var(wasted.add(5))], none: undefined };
    });
    const { out: stored } = run((k, { x }) => {
      const result = k.locked(lock, () => k.irqsOff(() => inner(k, x)));
      // These would overwrite a register that had been freed too early.
      for (let i = 0; i < 5; i++) k.copy(u64.of(999));
      k.write("out", out, result.kept.shl(16).or(result.list[0]!.get()));
    }, 10n);
    expect(stored).toBe((12n << 16n) | 16n);
  });

  it("what a routine does not return is free again", () => {
    const greedy = routine("greedy", (k: Builder) => {
      const values = Array.from({ length: 20 }, (_, i) => k.read(`value ${i}`, input));
      return values.reduce((sum, value) => sum.add(value)).eq(0);
    });
    const frugal = routine("frugal", (k: Builder) => {
      for (let i = 0; i < 20; i++) k.read(`value ${i}`, input);
      return k.read("last", input);
    });
    expect(build((k) => void [frugal(k), frugal(k), frugal(k)]).registers).toBe(25);
    expect(() => build((k) => void [greedy(k), greedy(k), greedy(k), greedy(k)])).toThrow(/64 registers/);
  });

  it("a chain of free ops needs one temporary", () => {
    const chain = build((k, { x }) => {
      k.write("out", out, x.shr(12).and(511).add(7).shl(3).xor(1));
    });
    expect(chain.registers).toBe(3);
  });
});
