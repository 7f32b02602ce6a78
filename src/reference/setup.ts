/* From a case to the machine that its search begins with. Works on any machine that can be stepped. */
import type { Argument, Case, CaseMachine, SetupStep } from "../dsl/case.js";
import type { Program, RecordKind } from "../dsl/program.js";
import { runToEnd, settle, switchTo, touch } from "./drive.js";
import { LEVELS, PRESENT, pfnOf } from "./pte.js";
import type { ArrayGeometry, MachineConfig, SteppableMachine } from "./state.js";

const NO_ARRAY: ArrayGeometry = { sets: 0, ways: 0 };

/** The small machine of a case in full: one TLB for all accesses, and the same size for each paging-structure cache. */
export function configOf(machine: CaseMachine): MachineConfig {
  const { tlb, walkCache, ...sizes } = machine;
  const cache = walkCache === 0 ? NO_ARRAY : { sets: 1, ways: walkCache };
  const first = ["l1d4k", "l1d4k", "l1d4k"] as const;
  return {
    ...sizes,
    freeHardware: true,
    geometry: {
      l1d4k: tlb,
      l1d2m: NO_ARRAY,
      l1d1g: NO_ARRAY,
      l1i4k: NO_ARRAY,
      l1i2m: NO_ARRAY,
      stlb4k: NO_ARRAY,
      stlb1g: NO_ARRAY,
    },
    pwc: { pde: cache, pdpte: cache, pml4e: cache },
    serves: { data: first, fetch: first, second: [null, null, null] },
  };
}

/** Does the setup, every CPU at rest behind each step. Throws Error, naming the step, when one does not do what it should. */
export function setUp(machine: SteppableMachine, setup: Case["setup"]): void {
  for (const [at, step] of setup.entries()) {
    try {
      doStep(machine, step);
      settle(machine);
    } catch (error) {
      const what = JSON.stringify(step, (_, value) => (typeof value === "bigint" ? Number(value) : value));
      throw new Error(`setup step ${at}, ${what}: ${(error as Error).message}`, { cause: error });
    }
  }
  const [violation] = machine.state().oracle.violations;
  if (violation !== undefined) throw new Error(`the setup breaks ${violation.invariant}`);
}

function doStep(machine: SteppableMachine, step: SetupStep): void {
  switch (step.do) {
    case "task": {
      machine.poke("task", step.task, wordOf(machine.program, "task", "mm"), BigInt(step.mm));
      const users = wordOf(machine.program, "mm", "mm_users");
      machine.poke("mm", step.mm, users, machine.peek("mm", step.mm, users) + 1n);
      return;
    }
    case "switch":
      switchTo(machine, step.cpu, step.task);
      return;
    case "call": {
      const args = step.args.map((argument) => argumentOf(machine, argument));
      const status = runToEnd(machine, step.cpu, step.entry, args);
      if (status !== 0n) throw new Error(`the status is ${status}`);
      return;
    }
    case "touch":
      if (!touch(machine, step.cpu, step.vpn, step.kind)) throw new Error("page_fault refuses the access");
      return;
    case "evict":
      machine.evict(step.cpu, step.vpn);
      return;
    case "set": {
      const word = wordOf(machine.program, step.record, step.field);
      machine.poke(step.record, step.index, word, argumentOf(machine, step.value));
      return;
    }
  }
}

/** An argument's value now. Throws Error for a page that no frame is mapped at. */
export function argumentOf(machine: SteppableMachine, argument: Argument): bigint {
  if (typeof argument !== "object") return BigInt.asUintN(64, BigInt(argument));
  const { mm, vpn } = argument.frameAt;
  const root = Number(machine.peek("mm", mm, wordOf(machine.program, "mm", "pgd")));
  return BigInt(frameMappedAt(machine, root, vpn));
}

function frameMappedAt(machine: SteppableMachine, root: number, vpn: number): number {
  const { tables } = machine.state();
  const { radixBits } = machine.config;
  let table = root;
  for (let level = LEVELS - 1; level >= 0; level--) {
    const index = Math.floor(vpn / 2 ** (radixBits * level)) % 2 ** radixBits;
    const entry = tables[table - 1]?.entries.find((one) => one.index === index)?.value ?? 0n;
    if ((entry & PRESENT) === 0n) break;
    table = pfnOf(entry);
    if (level === 0) return table;
  }
  throw new Error(`no frame is mapped at page ${vpn} of root ${root}`);
}

/** Throws RangeError for a field that the program does not declare. */
function wordOf(program: Program, record: RecordKind, name: string): number {
  const place = program.layout.fields.find((field) => field.record === record && field.name === name);
  if (place === undefined) throw new RangeError(`the program has no field ${record}.${name}`);
  return place.word;
}
