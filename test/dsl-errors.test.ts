import { describe, expect, it } from "vitest";
import {
  AssembleError,
  assemble,
  type Builder,
  bit,
  bits,
  bool,
  cpuArray,
  type Expr,
  type Held,
  program,
  pte,
  pteAt,
  record,
  routine,
  rwlock,
  spinlock,
  struct,
  type U64,
  u64,
  type WriteHeld,
} from "../src/dsl/index.js";

const glob = record("global", { word: u64, lock: spinlock("ptl"), sem: rwlock("mmap_lock") });
const { word, lock, sem } = glob.at();

/** The mistake of one program body, with the line number as N. */
function mistake(body: (k: Builder, x: Expr<U64>) => void): string {
  const source = program("p", ["x"], (k, { x }) => body(k, x));
  return mistakeIn(() => assemble({ entries: [source], records: [glob], cpus: 4, radixBits: 2 }));
}

function mistakeIn(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(AssembleError);
    const { message } = error as AssembleError;
    expect(message).not.toContain("\n");
    expect(message).toMatch(/^test\/dsl-errors\.test\.ts:\d+: /);
    return message.replace(/^[^ ]+ /, "");
  }
  return "no error";
}

const needsPtl = routine("needs_ptl", (k: Builder, _ptl: Held<"ptl">) => k.flushAll("flush"));

describe("an AssembleError", () => {
  it("carries routine, label, file, line, rule and remedy", () => {
    const broken = routine("broken", (k: Builder) => [k.flushAll("flush"), k.flushAll("flush")]);
    const source = program("p", [], (k) => void broken(k));
    let caught: unknown;
    try {
      assemble({ entries: [source], records: [], cpus: 1, radixBits: 2 });
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({
      name: "AssembleError",
      routine: "p.broken",
      label: "flush",
      file: "test/dsl-errors.test.ts",
      rule: 'label "flush" is used twice in one routine',
      remedy: "give each step a label of its own",
    });
    expect((caught as AssembleError).line).toBeGreaterThan(40);
  });

  it.each<[string, (k: Builder, x: Expr<U64>) => void, string]>([
    [
      "a label is used twice",
      (k, x) => {
        k.write("set", word, x);
        k.if(x.eq(0), () => k.write("set", word, 1));
      },
      'p.set: label "set" is used twice in one routine; give each step a label of its own',
    ],
    [
      "a step has no label",
      (k) => k.flushAll(""),
      "p: a step has no label; name the step after the C function or the variable",
    ],
    [
      "a lock token is used after its scope",
      (k) => {
        const token = k.locked(lock, (held) => held);
        needsPtl(k, token);
      },
      'p: the token of lock "ptl" is used after its scope; call the routine inside the block that holds the lock',
    ],
    [
      "a write token is used after a downgrade",
      (k) =>
        k.writeLocked(sem, (held: WriteHeld<"mmap_lock">) => {
          held.downgrade("once");
          held.downgrade("twice");
        }),
      'p: the token of lock "mmap_lock:write" is used after its scope; call the routine inside the block that holds the lock',
    ],
    [
      "a downgrade depends on the run",
      (k, x) => k.writeLocked(sem, (held) => k.if(x.eq(0), () => void held.downgrade("perhaps"))),
      "p.perhaps: a lock is downgraded inside a branch or a loop; downgrade directly in the body of k.writeLocked",
    ],
    [
      "the program returns under a lock",
      (k) => k.locked(lock, () => k.return(1)),
      'p: the program returns out of a block that holds lock "ptl"; keep the outcome in a k.var and leave after the block',
    ],
    [
      "the program returns with interrupts off",
      (k) => k.irqsOff(() => k.return(1)),
      "p: the program returns out of a block that holds interrupts off; keep the outcome in a k.var and leave after the block",
    ],
    [
      "a loop is left under a lock that its body took",
      (k) => k.forRange(0, 9, 1, (i) => k.trylock("try", lock, () => k.breakIf(i.eq(2)))),
      'p: breakIf jumps out of a block that holds lock "ptl"; keep the outcome in a k.var and leave after the block',
    ],
    [
      "breakIf stands outside a loop",
      (k) => k.breakIf(bool.of(true)),
      "p: breakIf stands outside a loop; use it in the body of k.while",
    ],
    [
      "a field is not declared",
      (k) => k.read("gen", record("mm", { gen: u64 }).at(0).gen),
      'p.gen: field "mm.gen" is not declared in this program; add the record declared at test/dsl-errors.test.ts:N to `records` of assemble()',
    ],
    [
      "a constant is wider than a member",
      (k) => k.write("set_pte_at", pteAt(1, 0), pte.of({ pfn: 1n << 40n })),
      'p: the constant 1099511627776 is wider than the 40 bits of "pte.pfn"; use a smaller value or a wider member',
    ],
    [
      "a constant is wider than a word",
      (k) => k.write("set", word, 1n << 64n),
      "p: the constant 18446744073709551616 is wider than a 64-bit word; use a value below 2^64",
    ],
    [
      "a constant has lost digits",
      (k) => k.write("set", word, 1e18),
      "p: 1000000000000000000 is not an exact integer; write large constants as bigint",
    ],
    [
      "a value is used after its block",
      (k, x) => {
        let inner = x;
        k.if(x.eq(0), () => {
          inner = k.read("inner", word);
        });
        k.write("late", word, inner);
      },
      'p: value "inner" is used after the block that made it ended; return it from the block, or keep it in a k.var made outside',
    ],
    [
      "a page-table entry is added to",
      (k) => k.addReturn("sum", pteAt(1, 0), 1),
      "p.sum: there is no FADD on page-table entries; use xchg, cmpxchg, and, or",
    ],
    [
      "a plain word is fetched and masked",
      (k) => k.fetchAnd("old", word, 1),
      "p.old: PTE_AND works on page-table entries only; use and, or, cmpxchg",
    ],
    [
      "a run-time value is used as a JS value",
      (k, x) => k.write("sum", word, (x as unknown as number) + 1),
      "p: a run-time value is used as a JS value; use the methods of Expr, and k.if to branch at run time",
    ],
  ])("is thrown when %s", (_, body, expected) => {
    expect(mistake(body).replace(/:\d+ to /, ":N to ")).toBe(expected);
  });

  it("is thrown when a routine calls itself, directly or through another", () => {
    const direct = routine("direct", (k: Builder): void => direct(k));
    const there = routine("there", (k: Builder): void => back(k));
    const back = routine("back", (k: Builder): void => there(k));
    const remedy = "routines are inlined and cannot recurse: use k.while or a JS loop";
    expect(mistake((k) => direct(k))).toBe(`p.direct: routine "direct" calls itself; ${remedy}`);
    expect(mistake((k) => there(k))).toBe(`p.there.back: routine "there" calls itself; ${remedy}`);
  });

  it("is thrown when more values live than there are registers, and names them", () => {
    const text = mistake((k) => {
      for (let i = 0; i < 64; i++) k.read(`value${i}`, word);
    });
    expect(text).toContain("p: more than 64 registers are in use (x, value0, value1,");
    expect(text).toContain("; move steps into a routine or a block");
  });

  it("is thrown when a value leaks from one program into another", () => {
    let leaked: Expr<U64> | undefined;
    const first = program("first", [], (k) => {
      leaked = k.read("word", word);
    });
    const second = program("second", [], (k) => k.write("set", word, leaked!));
    const both = () => assemble({ entries: [first, second], records: [glob], cpus: 1, radixBits: 2 });
    expect(mistakeIn(both)).toBe(
      'second: value "word" belongs to another program; pass values as arguments, never in JS variables',
    );
  });

  it("is thrown for declarations that contradict each other", () => {
    const inputs = { entries: [], cpus: 1, radixBits: 2 };
    const mm = record("mm", { gen: u64 });
    const again = record("mm", { gen: u64 });
    const task = record("task", { flags: u64, mm: u64 });
    expect(mistakeIn(() => assemble({ ...inputs, records: [mm, mm] }))).toBe("no error");
    expect(mistakeIn(() => assemble({ ...inputs, records: [mm, again] }))).toContain(
      '"mm.gen" is declared twice',
    );
    expect(mistakeIn(() => assemble({ ...inputs, records: [task] }))).toContain(
      'the first field of the task record is "flags"',
    );
    expect(mistakeIn(() => record("mm", { csd: cpuArray(u64) }))).toContain("has a word per CPU");
    const p = program("p", [], () => {});
    expect(mistakeIn(() => assemble({ ...inputs, records: [], entries: [p, p] }))).toContain('named "p"');
  });

  it("is thrown for structs whose members do not fit", () => {
    expect(mistakeIn(() => struct("s", { a: bit(3), b: bits(0, 4) }))).toContain(
      '"b" of struct "s" overlaps',
    );
    expect(mistakeIn(() => struct("s", { a: bits(60, 5) }))).toContain("does not fit into 64 bits");
    expect(mistakeIn(() => struct("s", { with: bit(0) }))).toContain("has the name of an operation");
  });
});
