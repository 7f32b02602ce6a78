/* Random programs and schedules for comparing machines step by step. */
import fc from "fast-check";
import { NONE, OPS, type OpRoles } from "../src/dsl/isa.js";
import type { MicroOp, Program } from "../src/dsl/program.js";
import type { Case, Move } from "../src/reference/compare.js";
import type { AccessKind } from "../src/reference/state.js";
import { body, pageBody, takeCall } from "./generate-control.js";
import type { Fragment } from "./generate-fragments.js";
import { bootOps, ENTER_OPS, page, type World, world } from "./generate-world.js";
import { op } from "./tiny-program.js";

/** Entries with random bodies, under names that an engine may insist on, and their arguments. */
const RANDOM_ENTRIES: Readonly<Record<string, readonly string[]>> = {
  page_fault: ["vpn", "access"],
  context_switch: ["next"],
  munmap: ["start", "end"],
  mprotect: ["start", "end", "prot"],
};

/** The one that does nothing but what pages notice. */
const PAGE_ENTRY = "mprotect";

/** A well-formed program: entries boot (builds the page tables), enter(root, pcid), the interrupt's, and the random ones. */
function program(of: World): fc.Arbitrary<Program> {
  const names = Object.keys(RANDOM_ENTRIES);
  const early = fc
    .tuple(body(of), fc.nat({ max: 7 }), body(of))
    .map(
      ([first, status, rest]): Fragment => [
        ...first,
        op("BZ", { a: status, imm: 2 }),
        op("END", { a: status }),
        ...rest,
      ],
    );
  const bodyOf = (name: string) => (name === PAGE_ENTRY ? pageBody(of) : fc.oneof(body(of), early));
  const bodies = fc.tuple(...names.map(bodyOf));
  return fc
    .tuple(bodies, body(of))
    .map(([parts, handler]) =>
      assembled(of, [
        { name: "boot", args: [], ops: bootOps(of) },
        { name: "enter", args: ["root", "pcid"], ops: ENTER_OPS },
        { name: "call_function_interrupt", args: [], ops: [...takeCall(of), ...handler] },
        ...names.map((name, at) => ({ name, args: RANDOM_ENTRIES[name]!, ops: parts[at]! })),
      ]),
    );
}

interface Part {
  readonly name: string;
  readonly args: readonly string[];
  readonly ops: Fragment;
}

/** Lays the entries one behind the other; jumps, which count from themselves, become places. The site of an op is its place. */
function assembled(of: World, parts: readonly Part[]): Program {
  const ops: MicroOp[] = [];
  const entries = parts.map(({ name, args, ops: fragment }) => {
    const pc = ops.length;
    for (const one of [...fragment, op("LI", { dst: 20, imm: 0 }), op("END", { a: 20 })]) {
      const isJump = one.op === "JMP" || one.op === "BZ" || one.op === "BNZ";
      const place = ops.length;
      const imm = isJump ? one.imm + BigInt(place) : BigInt.asUintN(64, one.imm);
      ops.push({ ...withRoles(one), imm, site: place });
    }
    return { name, pc, args };
  });
  const sites = ops.map((_, place) => {
    const { name, pc } = entries.findLast((entry) => entry.pc <= place)!;
    return {
      routine: name,
      path: `${name}.${place - pc}`,
      label: `${place - pc}`,
      file: "generated",
      line: place,
    };
  });
  const tables = { windows: ["window"], counters: ["counter"], works: ["work"] };
  return { ops, sites, entries, ...tables, layout: of.layout, registers: 48 };
}

/** Drops operands that the op does not have; pieces give them all, to be short. */
function withRoles(one: MicroOp): MicroOp {
  const roles: OpRoles = OPS[one.op];
  const operand = (name: "dst" | "a" | "b" | "c" | "d") => (roles[name] === undefined ? NONE : one[name]);
  return { ...one, dst: operand("dst"), a: operand("a"), b: operand("b"), c: operand("c"), d: operand("d") };
}

/** Boots on CPU 0, lets every CPU enter an address space, then does anything a scheduler might. */
function schedule(of: World): fc.Arbitrary<Move[]> {
  const cpu = fc.nat({ max: of.config.cpus - 1 });
  const vpn = page(of);
  const call = fc
    .tuple(fc.constantFrom(...Object.entries(RANDOM_ENTRIES)), vpn, vpn)
    .map(([[entry, names], ...args]) => {
      return { entry, args: names.map((_, at) => args[at] ?? 1) };
    });
  const kind = fc.constantFrom<AccessKind[]>(0, 1, 1, 2);
  const access = fc
    .tuple(cpu, vpn, kind)
    .map(([on, to, how]): Move => ({ do: "access", cpu: on, vpn: to, kind: how }));
  const drain = fc
    .tuple(cpu, fc.nat({ max: 3 }))
    .map(([on, index]): Move => ({ do: "drain", cpu: on, index }));
  const step = cpu.map((on): Move => ({ do: "step", cpu: on }));
  const stepAndDrain = fc.tuple(step, drain).map(([one, then]) => [one, { ...then, cpu: one.cpu }]);
  // A CPU has a translation, another one makes a call, and the first stores by what it still has.
  const pageCall = fc.constant({ entry: PAGE_ENTRY, args: [0, 1, 1] });
  const around = fc
    .tuple(cpu, fc.nat({ max: 1 }), fc.constantFrom<AccessKind[]>(0, 1), cpu, fc.oneof(call, pageCall))
    .map(([on, to, how, other, what]): Move[] => [
      { do: "access", cpu: on, vpn: to, kind: how },
      { do: "run", cpu: other, ...what },
      { do: "access", cpu: on, vpn: to, kind: 1 },
    ]);
  const moves: { weight: number; arbitrary: fc.Arbitrary<Move | Move[]> }[] = [
    { weight: 8, arbitrary: step },
    {
      weight: 6,
      arbitrary: fc
        .tuple(step, fc.integer({ min: 2, max: 8 }))
        .map(([one, times]) => new Array<Move>(times).fill(one)),
    },
    { weight: 5, arbitrary: fc.tuple(cpu, call).map(([on, what]) => ({ do: "start", cpu: on, ...what })) },
    { weight: 5, arbitrary: fc.tuple(cpu, call).map(([on, what]) => ({ do: "run", cpu: on, ...what })) },
    { weight: 8, arbitrary: access },
    { weight: 3, arbitrary: fc.array(access, { minLength: 3, maxLength: 8, size: "max" }) },
    { weight: 2, arbitrary: cpu.map((on) => sweep(of, on)) },
    { weight: 6, arbitrary: around },
    { weight: 3, arbitrary: cpu.map((on) => ({ do: "deliver", cpu: on })) },
    { weight: 2, arbitrary: drain },
    {
      weight: 4,
      arbitrary: fc.array(stepAndDrain, { minLength: 1, maxLength: 6 }).map((pairs) => pairs.flat()),
    },
    { weight: 3, arbitrary: fc.tuple(cpu, vpn).map(([on, to]) => ({ do: "speculate", cpu: on, vpn: to })) },
    { weight: 1, arbitrary: fc.tuple(cpu, vpn).map(([on, to]) => ({ do: "evict", cpu: on, vpn: to })) },
    {
      weight: 4,
      arbitrary: fc.tuple(cpu, cpu).map(([on, of]) => ({ do: "complete", cpu: on, initiator: of })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(cpu, fc.nat({ max: 3 })).map(([on, task]) => ({ do: "setTask", cpu: on, task })),
    },
  ];
  return fc
    .array(fc.oneof(...moves), { minLength: 10, maxLength: 100, size: "max" })
    .map((chosen) => [...opening(of), ...chosen.flat()]);
}

/** Loads every page once: what fills the translation caches. */
function sweep(of: World, cpu: number): Move[] {
  return Array.from({ length: of.pages }, (_, vpn): Move => ({ do: "access", cpu, vpn, kind: 0 }));
}

function opening(of: World): Move[] {
  const enter = Array.from({ length: of.config.cpus }, (_, cpu): Move => {
    // Two CPUs in one address space, so that one can hold what the other takes away.
    return { do: "run", cpu, entry: "enter", args: [of.roots[cpu === 2 ? 1 : 0]!, 1] };
  });
  return [{ do: "run", cpu: 0, entry: "boot", args: [] }, ...enter];
}

/** A configuration, a program for it and a schedule of both. */
export const randomCase: fc.Arbitrary<Case> = world.chain((of) =>
  fc.record({ program: program(of), config: fc.constant(of.config), schedule: schedule(of) }),
);
