/* Random pieces of programs, continued: locks, interrupts, invalidations, ghosts, and what nests: branches and loops. */
import fc from "fast-check";
import type { OpName } from "../src/dsl/program.js";
import {
  data,
  type Fragment,
  I,
  J,
  K,
  L,
  li,
  memoryFragment,
  otherFrame,
  unlessZero,
} from "./generate-fragments.js";
import { ASKED, LOCK, MASK, OWN_MASK, PTL, page, RWLOCK, type World } from "./generate-world.js";
import { op } from "./tiny-program.js";

/** Registers of control structures, one pair a depth. */
const KEPT = 20;

function onMasks(world: World) {
  const last = world.config.cpus - 1;
  const cpu = fc.nat({ max: last });
  const names = fc.constantFrom<OpName[]>(
    "MASK_SET",
    "MASK_SET",
    "MASK_CLR",
    "MASK_TEST",
    "MASK_NEXT",
    "MASK_ZERO",
    "MASK_COUNT",
    "RAISE",
  );
  return fc.tuple(names, fc.boolean(), cpu, cpu, data).map(([name, own, record, member, dst]): Fragment => {
    const field = own ? { a: I, imm: OWN_MASK } : { imm: MASK };
    return [li(I, record), li(J, member), op(name, { ...field, dst, c: J })];
  });
}

/** A call to another CPU as smp_call_function does it: no second one before the first was taken, an interrupt on an empty queue. */
function calls(world: World): fc.Arbitrary<Fragment> {
  const asked = { a: K, b: J, imm: ASKED };
  return fc.nat({ max: world.config.cpus - 1 }).map((target) => {
    const push = [op("QPUSH", { dst: L, c: J }), ...unlessZero(L, [op("RAISE1", { c: J })])];
    return [
      op("CPU", { dst: K }),
      li(J, target),
      li(L, 1),
      op("XCHG", { ...asked, dst: L, c: L }),
      op("BNZ", { a: L, imm: push.length + 1 }),
      ...push,
    ];
  });
}

/** What call_function_interrupt begins with: takes one call off the own queue and lets its initiator call again. */
export function takeCall(world: World): Fragment {
  const release = [li(L, 0), op("CPU", { dst: J }), op("ST", { a: I, b: J, imm: ASKED, c: L })];
  return [
    op("QPOP", { dst: I }),
    op("LTU", { dst: L, a: I, imm: world.config.cpus }),
    ...unlessZero(L, release),
  ];
}

function invalidations(world: World): fc.Arbitrary<Fragment> {
  const vpn = page(world);
  const pcid = fc.integer({ min: 1, max: 2 });
  const root = fc.constantFrom(...world.roots);
  return fc.oneof(
    vpn.map((one): Fragment => [li(I, one), op("INVLPG", { c: I })]),
    pcid.map((one): Fragment => [li(I, one), op("FLUSH_PCID", { c: I })]),
    fc.constant<Fragment>([op("FLUSH_ALL")]),
    fc
      .tuple(
        fc.oneof({ weight: 8, arbitrary: root }, { weight: 1, arbitrary: fc.constant(0) }),
        pcid,
        fc.nat({ max: 1 }),
      )
      .map(
        ([to, tag, keep]): Fragment => [li(I, to), li(J, tag), li(K, keep), op("CR3", { a: I, b: J, c: K })],
      ),
    fc
      .tuple(root, vpn, vpn)
      .map(
        ([of, start, end]): Fragment => [
          li(I, of),
          li(J, start),
          li(K, end),
          op("INVAL_EVERYWHERE", { a: I, b: J, c: K }),
        ],
      ),
    broadcasts(fc.constantFrom(0, ...world.roots), vpn, pcid),
    fc.constant<Fragment>([op("DSB")]),
  );
}

/** By root or for all of them, in one PCID or in each. */
function broadcasts(
  root: fc.Arbitrary<number>,
  vpn: fc.Arbitrary<number>,
  pcid: fc.Arbitrary<number>,
): fc.Arbitrary<Fragment> {
  return fc
    .tuple(root, vpn, vpn, fc.option(pcid, { nil: undefined }))
    .map(([of, start, end, tag]): Fragment => {
      const limited = tag === undefined ? {} : { d: L };
      const range = [li(I, of), li(J, start), li(K, end)];
      return [
        ...range,
        ...(tag === undefined ? [] : [li(L, tag)]),
        op("TLBI", { a: I, b: J, c: K, ...limited }),
      ];
    });
}

/** Promises about ranges that mostly begin at page 0, and what only statistics see. */
function ghosts(world: World): fc.Arbitrary<Fragment> {
  const range = fc.tuple(fc.constantFrom(...world.roots), page(world), page(world), fc.nat({ max: 2 }));
  const counts = fc.constantFrom(
    op("WINDOW"),
    op("COUNT", { a: 0 }),
    op("COUNT"),
    op("MARK"),
    op("MARK", { imm: 1 }),
    op("SLEEP"),
  );
  return fc.oneof(
    {
      weight: 2,
      arbitrary: range.map(
        ([root, start, length, imm]): Fragment => [
          li(I, root),
          li(J, start),
          li(K, start + length + 1),
          op("PROMISE", { a: I, b: J, c: K, imm }),
        ],
      ),
    },
    { weight: 1, arbitrary: counts.map((one): Fragment => [one]) },
    { weight: 1, arbitrary: judgements(world) },
  );
}

/** A frame is taken for clean, and then perhaps recorded as dirty. */
function judgements(world: World): fc.Arbitrary<Fragment> {
  const frame = fc.integer({ min: 1, max: world.config.frames - 1 });
  const names = fc.constantFrom<OpName[]>("CLEAN", "CLEAN", "CLEAN", "DIRTY");
  return fc.tuple(names, frame).map(([name, pfn]): Fragment => [li(I, pfn), op(name, { a: I })]);
}

/** What calls do to one page in order: take a right away, perhaps copy and map the copy, perhaps flush, promise. */
function pageCalls(world: World): fc.Arbitrary<Fragment> {
  const { roots, leafTables, entries, config } = world;
  const frame = fc.integer({ min: 1, max: config.frames - 1 });
  const choice = fc.record({
    space: fc.nat({ max: 1 }),
    vpn: fc.nat({ max: 1 }),
    from: frame,
    to: frame,
    how: fc.constantFrom("unmap", "protect", "map and copy", "copy", "remap"),
    flush: fc.boolean(),
  });
  return choice.map(({ space, vpn, from, to, how, flush }): Fragment => {
    const place = [li(I, leafTables[2 * space + Math.floor(vpn / entries)]!), li(J, vpn % entries)];
    const root = roots[space]!;
    const change = (name: OpName, word: bigint) => [
      ...place,
      li(K, word),
      op(name, { dst: L, a: I, b: J, c: K }),
    ];
    const frameWord = (pfn: number) => (BigInt(pfn) << 12n) | 7n;
    const copyOf = (source: number) => {
      const target = otherFrame(world, source, to);
      const operands = [li(I, source), li(J, target), li(K, vpn), li(L, root)];
      return [...operands, op("FCOPY", { a: I, b: J, c: K, d: L }), ...change("PTE_XCHG", frameWord(target))];
    };
    // What the page maps now, so that CPUs may have it in their TLBs.
    const differs = [
      li(I, to),
      li(J, vpn),
      li(L, root),
      op("FCOPY", { a: K, b: I, c: J, d: L }),
      ...change("PTE_XCHG", frameWord(to)),
    ];
    const isFrame = [op("NE", { dst: L, a: K, imm: to }), ...unlessZero(L, differs)];
    const copyOfMapped = [
      ...place,
      op("PTE_LD", { dst: K, a: I, b: J }),
      op("SHR", { dst: K, a: K, imm: 12 }),
      op("AND", { dst: K, a: K, imm: 0xffffffffff }),
      ...unlessZero(K, isFrame),
    ];
    const steps = {
      unmap: change("PTE_XCHG", 0n),
      protect: change("PTE_AND", ~2n & ((1n << 64n) - 1n)),
      "map and copy": [...change("PTE_XCHG", frameWord(from)), ...copyOf(from)],
      copy: copyOfMapped,
      remap: change("PTE_ST", frameWord(to)),
    }[how];
    const invalidate = flush ? [li(I, vpn), op("INVLPG", { c: I })] : [];
    const promise = [
      li(I, root),
      li(J, vpn),
      li(K, vpn + 1),
      op("PROMISE", { a: I, b: J, c: K, imm: how === "protect" ? 1 : 0 }),
    ];
    return [...steps, ...invalidate, ...promise];
  });
}

const join = (parts: readonly Fragment[]): Fragment => parts.flat();

/** Takes a lock, runs the body, releases it. Bodies hold no further locks, so that most programs get somewhere. */
function locked(body: fc.Arbitrary<Fragment>, depth: number): fc.Arbitrary<Fragment> {
  const got = KEPT + 2 * depth;
  const tried = (name: OpName, field: object, inside: Fragment): Fragment => [
    op(name, { ...field, dst: got }),
    ...unlessZero(got, inside),
  ];
  const lock = { imm: LOCK };
  const rwlock = { imm: RWLOCK };
  return fc.tuple(body, body, fc.nat({ max: 6 })).map(([first, second, how]): Fragment => {
    if (how === 0) return [op("LOCK", lock), ...first, op("UNLOCK", lock)];
    if (how === 1) return tried("TRYLOCK", lock, [...first, op("UNLOCK", lock)]);
    if (how === 2) return [op("RLOCK", rwlock), ...first, op("RUNLOCK", rwlock)];
    if (how === 3) return [op("WLOCK", rwlock), ...first, op("WUNLOCK", rwlock)];
    if (how === 4)
      return [op("WLOCK", rwlock), ...first, op("DOWNGRADE", rwlock), ...second, op("RUNLOCK", rwlock)];
    if (how === 5) return tried("TRYRLOCK", rwlock, [...first, op("RUNLOCK", rwlock)]);
    return [li(I, 1), op("LOCK", { a: I, imm: PTL }), ...first, li(I, 1), op("UNLOCK", { a: I, imm: PTL })];
  });
}

/** Branches and loops around a body; a loop counts down in a register of its own. */
function nested(body: fc.Arbitrary<Fragment>, depth: number): fc.Arbitrary<Fragment> {
  const counter = KEPT + 2 * depth + 1;
  return fc.oneof(
    fc.tuple(data, body).map(([register, inside]) => unlessZero(register, inside)),
    fc
      .tuple(data, body, body)
      .map(
        ([register, no, yes]): Fragment => [
          op("BNZ", { a: register, imm: no.length + 2 }),
          ...no,
          op("JMP", { imm: yes.length + 1 }),
          ...yes,
        ],
      ),
    fc
      .tuple(fc.integer({ min: 1, max: 3 }), body)
      .map(
        ([times, inside]): Fragment => [
          li(counter, times),
          ...inside,
          op("SUB", { dst: counter, a: counter, imm: 1 }),
          op("BNZ", { a: counter, imm: -(inside.length + 1) }),
        ],
      ),
    body.map((inside): Fragment => [op("IRQ_OFF"), ...inside, op("IRQ_ON")]),
  );
}

/** The body of an entry that only takes rights away, copies and promises. */
export function pageBody(world: World): fc.Arbitrary<Fragment> {
  return fc.array(pageCalls(world), { minLength: 1, maxLength: 3 }).map(join);
}

/** The body of an entry: pieces of every kind, nested twice. */
export function body(world: World): fc.Arbitrary<Fragment> {
  const simple = fc.oneof(
    { weight: 6, arbitrary: memoryFragment(world) },
    { weight: 1, arbitrary: onMasks(world) },
    { weight: 1, arbitrary: calls(world) },
    { weight: 2, arbitrary: invalidations(world) },
    { weight: 1, arbitrary: ghosts(world) },
    { weight: 3, arbitrary: pageCalls(world) },
  );
  const few = fc.array(simple, { minLength: 1, maxLength: 4 }).map(join);
  const held = fc.oneof({ weight: 3, arbitrary: simple }, { weight: 1, arbitrary: locked(few, 0) });
  const some = fc.array(held, { minLength: 1, maxLength: 4 }).map(join);
  const any = fc.oneof({ weight: 4, arbitrary: held }, { weight: 1, arbitrary: nested(some, 1) });
  return fc.array(any, { minLength: 1, maxLength: 5 }).map(join);
}
