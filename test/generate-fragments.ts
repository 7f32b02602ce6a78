/*
 * Random pieces of programs that never do what a machine may refuse: name a record that does not exist, free twice, release a lock that is
 * not held. Registers have fixed uses, so that any sequence of pieces is well formed:
 *
 *   0..7 data, any value · 8..11 indexes, loaded right before use · 14, 15 PTE words · 18, 19 frame and table numbers in hand ·
 *   20.. what control structures keep, by depth
 */
import fc from "fast-check";
import type { MicroOp, OpName } from "../src/dsl/program.js";
import { FRAME_SLOT, TABLE_SLOT, type UpperTable, type World } from "./generate-world.js";
import { at, op } from "./tiny-program.js";

/** Ops one behind the other. The `imm` of a jump counts from the jump itself. */
export type Fragment = readonly MicroOp[];

/** Index registers. */
export const [I, J, K, L] = [8, 9, 10, 11] as const;
const [PTE, OLD_PTE] = [14, 15] as const;
const [FRAME, TABLE] = [18, 19] as const;

export const li = (dst: number, imm: bigint | number) => op("LI", { dst, imm });
/** A data register. */
export const data = fc.nat({ max: 7 });
const value = fc.oneof(fc.bigInt({ min: 0n, max: 3n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));

/** Jumps over `body` when the register is zero. */
export function unlessZero(register: number, body: Fragment): Fragment {
  return [op("BZ", { a: register, imm: body.length + 1 }), ...body];
}

/** A data word of some record: the ops that load its index, and the operand. */
function someWord(world: World) {
  return fc.constantFrom(...world.dataWords).chain(({ kind, records, word }) =>
    fc.nat({ max: records - 1 }).map((record) => ({
      load: kind === "global" ? [] : [li(I, record)],
      field: { a: kind === "global" ? 255 : I, imm: at(kind, word) },
    })),
  );
}

const arithmetic = fc.oneof(
  fc.tuple(data, value).map(([dst, imm]): Fragment => [li(dst, imm)]),
  fc.tuple(data, data).map(([dst, a]): Fragment => [op("MOV", { dst, a })]),
  fc
    .tuple(
      fc.constantFrom<OpName[]>("ADD", "SUB", "AND", "OR", "XOR", "SHL", "SHR", "EQ", "NE", "LTU", "LEU"),
      data,
      data,
      data,
    )
    .map(([name, dst, a, b]): Fragment => [op(name, { dst, a, b })]),
  fc
    .tuple(fc.constantFrom<OpName[]>("ADD", "SUB", "SHL", "SHR", "EQ", "LTU"), data, data, value)
    .map(([name, dst, a, imm]): Fragment => [op(name, { dst, a, imm })]),
  fc
    .tuple(fc.constantFrom<OpName[]>("CPU", "TASK"), data)
    .map(([name, dst]): Fragment => [op(name, { dst })]),
);

/** Loads, stores and atomics on words; the void ones and those whose result nobody wants included. */
function onWords(world: World) {
  const names = fc.constantFrom<OpName[]>(
    "LD",
    "LD",
    "ST",
    "ST",
    "ST",
    "XCHG",
    "CAS",
    "FADD",
    "ADDV",
    "ORV",
    "ANDV",
  );
  const waits = fc.tuple(someWord(world), data, fc.nat({ max: 2 }), fc.nat({ max: 3 }));
  const plain = fc.tuple(names, someWord(world), fc.oneof(data, fc.constant(255)), data, data);
  return fc.oneof(
    {
      weight: 8,
      arbitrary: plain.map(
        ([name, { load, field }, dst, c, d]): Fragment => [...load, op(name, { ...field, dst, c, d })],
      ),
    },
    {
      weight: 1,
      arbitrary: waits.map(
        ([{ load, field }, dst, bound, d]): Fragment => [
          ...load,
          li(J, bound),
          op("AWAIT", { ...field, dst, c: J, d }),
        ],
      ),
    },
    { weight: 1, arbitrary: fc.nat({ max: 3 }).map((imm): Fragment => [op("FENCE", { imm })]) },
  );
}

/** Several plain stores in a row, now and then over a write barrier: what a store buffer is for. */
function storesInARow(world: World): fc.Arbitrary<Fragment> {
  const one = fc
    .tuple(someWord(world), data)
    .map(([{ load, field }, c]): Fragment => [...load, op("ST", { ...field, c })]);
  const piece = fc.oneof(
    { weight: 4, arbitrary: one },
    { weight: 1, arbitrary: fc.constant<Fragment>([op("FENCE", { imm: 2 })]) },
  );
  const last = fc.oneof(
    one,
    fc.tuple(someWord(world), data).map(([{ load, field }, c]) => [...load, op("ADDV", { ...field, c })]),
  );
  return fc
    .tuple(fc.array(piece, { minLength: 2, maxLength: 4 }), last)
    .map(([first, end]) => [...first.flat(), ...end]);
}

/** A leaf entry with bits and frame at random; now and then nothing at all. */
function leafWord(world: World) {
  const global = world.plainPages ? 2n : 1n << 8n;
  const one = fc.constantFrom(2n, 2n, 1n << 5n, 1n << 6n, global, 1n << 9n, 1n << 63n);
  const bits = fc.array(one, { maxLength: 4 });
  const user = fc.constantFrom(5n, 5n, 5n, 5n, 1n);
  const present = fc
    .tuple(bits, user, fc.integer({ min: 1, max: world.config.frames - 1 }))
    .map(([set, base, pfn]) => set.reduce((word, bit) => word | bit, base | (BigInt(pfn) << 12n)));
  return fc.oneof({ weight: 3, arbitrary: present }, { weight: 1, arbitrary: fc.constant(0n) });
}

/** Changes of leaf entries, as a kernel makes them: plain, by exchange, read then compare-exchange, clearing rights, setting marks. */
function onLeaves(world: World) {
  // Now and then one that is free, or in the table slot.
  const tables = [...world.leafTables, ...world.leafTables, world.config.tables - 1, 11];
  const place = fc.tuple(fc.constantFrom(...tables), fc.nat({ max: world.entries - 1 }));
  const entry = { a: I, b: J };
  return fc
    .tuple(place, leafWord(world), data, fc.nat({ max: 6 }))
    .map(([[table, index], word, dst, how]): Fragment => {
      const go = [li(I, table), li(J, index), li(PTE, word)];
      const clear = (1n << 64n) - 1n - (word & 0x63n);
      if (how === 0) return [...go, op("PTE_LD", { ...entry, dst })];
      if (how === 1) return [...go, op("PTE_ST", { ...entry, c: PTE })];
      if (how === 2) return [...go, op("PTE_XCHG", { ...entry, dst, c: PTE })];
      if (how === 3) return [...go, op("PTE_CAS", { ...entry, dst, c: dst, d: PTE })];
      if (how === 4) return [...go, li(PTE, clear), op("PTE_AND", { ...entry, dst, c: PTE })];
      if (how === 5) return [...go, li(PTE, word & 0xf62n), op("PTE_OR", { ...entry, dst, c: PTE })];
      return [
        ...go,
        op("PTE_LD", { ...entry, dst: OLD_PTE }),
        op("PTE_CAS", { ...entry, dst, c: OLD_PTE, d: PTE }),
      ];
    });
}

/** Unhooks a page table, hooks the one in the table slot, or puts a large page there. */
function onUpperLevels(world: World) {
  // The lower the level, the more often: there is less to lose below it.
  const tables = world.upperTables.flatMap((upper) => new Array<UpperTable>(4 - upper.level).fill(upper));
  const place = fc.tuple(fc.constantFrom(...tables), fc.nat({ max: world.entries - 1 }));
  const entry = { a: I, b: J };
  return fc.tuple(place, leafWord(world), fc.nat({ max: 4 })).map(([[upper, index], word, how]): Fragment => {
    const go = [li(I, upper.table), li(J, index)];
    const home = upper.children[index];
    if (how === 0) return [...go, li(PTE, 0), op("PTE_XCHG", { ...entry, dst: OLD_PTE, c: PTE })];
    if (how === 1 && home !== undefined)
      return [...go, li(PTE, (BigInt(home) << 12n) | 7n), op("PTE_ST", { ...entry, c: PTE })];
    if (how === 2 && upper.level === 1) {
      const link = [op("SHL", { dst: PTE, a: TABLE, imm: 12 }), op("OR", { dst: PTE, a: PTE, imm: 7 })];
      const hook = [...go, ...link, op("PTE_ST", { ...entry, c: PTE })];
      return [op("LD", { dst: TABLE, imm: TABLE_SLOT }), ...unlessZero(TABLE, hook)];
    }
    if (upper.level > 2 || world.plainPages) return [...go, op("PTE_LD", { ...entry, dst: OLD_PTE })];
    return [...go, li(PTE, word | 0x80n), op("PTE_XCHG", { ...entry, dst: OLD_PTE, c: PTE })];
  });
}

/** `to`, unless that is `from`: a frame is never copied onto itself. */
export function otherFrame(world: World, from: number, to: number): number {
  return from === to ? 1 + (to % (world.config.frames - 1)) : to;
}

/** As many frames as a large page has, and a single one while they are taken: out of what is left, or out of a block that is free. */
function inBlocks(order: number): Fragment {
  const single = [op("FALLOC", { dst: J }), ...unlessZero(J, [op("FFREE", { a: J })])];
  return [
    li(I, order),
    op("FALLOC", { dst: K, a: I }),
    ...single,
    ...unlessZero(K, [op("FFREE", { a: K, b: I })]),
    ...single,
  ];
}

/** Frames and tables in hand are kept in shared slots; what an exchange takes out of a slot has one owner, who frees it. */
function onResources(world: World) {
  const swap = (alloc: MicroOp, register: number, slot: bigint, free: OpName): Fragment => [
    alloc,
    op("XCHG", { dst: register, imm: slot, c: register }),
    ...unlessZero(register, [op(free, { a: register })]),
  ];
  const frame = fc.integer({ min: 1, max: world.config.frames - 1 });
  const page = fc.nat({ max: world.pages - 1 });
  const allocateTable = fc.tuple(fc.constantFrom(...world.roots), fc.nat({ max: world.entries - 1 }));
  return fc.oneof(
    fc.constant(swap(op("FALLOC", { dst: FRAME }), FRAME, FRAME_SLOT, "FFREE")),
    fc.constant([
      li(FRAME, 0),
      op("XCHG", { dst: FRAME, imm: FRAME_SLOT, c: FRAME }),
      ...unlessZero(FRAME, [op("FFREE", { a: FRAME })]),
    ]),
    fc.integer({ min: 1, max: 2 }).map((level) => inBlocks(level * world.config.radixBits)),
    fc.constant([
      li(TABLE, 0),
      op("XCHG", { dst: TABLE, imm: TABLE_SLOT, c: TABLE }),
      ...unlessZero(TABLE, [op("TFREE", { a: TABLE })]),
    ]),
    allocateTable.map(([root, place]): Fragment => {
      const operands = [li(I, root), li(J, 0), li(K, place * world.entries)];
      return [
        ...operands,
        ...swap(op("TALLOC", { dst: TABLE, a: I, b: J, c: K }), TABLE, TABLE_SLOT, "TFREE"),
      ];
    }),
    fc
      .tuple(frame, frame, page, fc.constantFrom(...world.roots))
      .map(
        ([from, to, vpn, root]): Fragment => [
          li(I, from),
          li(J, otherFrame(world, from, to)),
          li(K, vpn),
          li(L, root),
          op("FCOPY", { a: I, b: J, c: K, d: L }),
        ],
      ),
    frame.map((pfn): Fragment => [li(I, pfn), op("FZERO", { a: I })]),
    fc
      .tuple(fc.nat({ max: 5 }), page)
      .map(([dst, vpn]): Fragment => [li(I, 0), li(J, vpn), op("RFIND", { dst, a: I, b: 6, c: 7, d: J })]),
    fc
      .tuple(page, page, fc.nat({ max: 2 }))
      .map(
        ([start, end, word]): Fragment => [
          li(I, 0),
          li(J, start),
          li(K, end),
          li(L, word),
          op("RSET", { a: I, b: J, c: K, d: L }),
        ],
      ),
    fc
      .tuple(fc.nat({ max: 5 }), data)
      .map(([key, dst]): Fragment => [li(I, key), op("XLOAD", { dst, c: I })]),
    fc
      .tuple(fc.nat({ max: 5 }), fc.nat({ max: 2 }))
      .map(([key, word]): Fragment => [li(I, key), li(J, word), op("XSTORE", { c: I, d: J })]),
    fc.constant([op("WORK")]),
  );
}

/** Straight-line pieces about memory, page tables and what is allocated. */
export function memoryFragment(world: World): fc.Arbitrary<Fragment> {
  return fc.oneof(
    { weight: 2, arbitrary: arithmetic },
    { weight: 4, arbitrary: onWords(world) },
    { weight: 2, arbitrary: storesInARow(world) },
    { weight: 4, arbitrary: onLeaves(world) },
    { weight: 2, arbitrary: onUpperLevels(world) },
    { weight: 2, arbitrary: onResources(world) },
  );
}
