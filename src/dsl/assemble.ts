/** From program sources to one Program. The same input always gives the same bytes. */

import { Builder } from "./builder.js";
import { AssembleError, fail } from "./errors.js";
import { Layout } from "./layout.js";
import { liveRegisters } from "./liveness.js";
import type { Entry, Program } from "./program.js";
import type { ProgramSource, Replacement } from "./routine.js";
import { type Expr, type U64, u64 } from "./shapes.js";
import type { AnyRecord } from "./state.js";
import { type Assembly, NameTable, Writer } from "./writer.js";

export interface AssembleInput {
  readonly entries: readonly ProgramSource[];
  /** All declarations of shared state, in the order of their words; the first task record starts with `mm`. */
  readonly records: readonly AnyRecord[];
  readonly cpus: number;
  /** Bits of a vpn per page-table level: 9 on real machines, fewer in tests. */
  readonly radixBits: number;
  /** Routines that stand in for others, at most one for each. */
  readonly replace?: readonly Replacement[];
}

/** Throws: AssembleError with the author's line when a program breaks a rule of the language. */
export function assemble(input: AssembleInput): Program {
  const assembly: Assembly = {
    cpus: input.cpus,
    radixBits: input.radixBits,
    layout: new Layout(input.records, input.cpus),
    ops: [],
    sites: [],
    windows: new NameTable(),
    counters: new NameTable(),
    works: new NameTable(),
    replacements: replacements(input.replace ?? []),
  };
  let registers = 0;
  const entries: Entry[] = [];
  for (const source of input.entries) {
    if (entries.some((entry) => entry.name === source.name)) {
      fail(`there are two programs named "${source.name}"`, "list each program once in `entries`");
    }
    const writer = new Writer(assembly, source.name);
    entries.push(assembleEntry(assembly, writer, source));
    registers = Math.max(registers, writer.registers.used);
  }
  let live: readonly bigint[] | undefined;
  return {
    ops: assembly.ops,
    sites: assembly.sites,
    entries,
    windows: assembly.windows.names,
    counters: assembly.counters.names,
    works: assembly.works.names,
    layout: assembly.layout.finish(),
    registers,
    get live() {
      live ??= liveRegisters(assembly.ops);
      return live;
    },
  };
}

function replacements(list: readonly Replacement[]): ReadonlyMap<object, Replacement> {
  const found = new Map<object, Replacement>();
  for (const one of list) {
    if (found.has(one.of))
      fail(`"${one.name}" is the second routine in one place`, "let one replacement do what both do");
    found.set(one.of, one);
  }
  return found;
}

function assembleEntry(assembly: Assembly, writer: Writer, source: ProgramSource): Entry {
  const pc = assembly.ops.length;
  try {
    const args: Record<string, Expr<U64>> = {};
    for (const name of source.args) {
      const slot = writer.registers.allocate(name, false);
      args[name] = u64.over({ kind: "slot", slot }) as Expr<U64>;
    }
    const k = new Builder(writer);
    source.body(k, args);
    if (!writer.hasEnded) k.finish(source.declaredAt);
  } catch (error) {
    // Expressions and registers do not know which routine they are used in; the writer does.
    if (error instanceof AssembleError && error.routine === "") throw error.within(writer.path.text);
    throw error;
  }
  const text = [`${source.name}(${source.args.join(", ")}) {`, ...writer.text, "}"];
  return { name: source.name, pc, args: source.args, text };
}
