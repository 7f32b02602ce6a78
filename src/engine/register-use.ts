/** Which registers the contexts of a case's CPUs can use: the others are no part of a state. */

import type { Case } from "../dsl/case.js";
import type { MicroOp, Program } from "../dsl/program.js";
import type { RegisterUse } from "./state-pieces.js";

/** How many registers each CPU's contexts can use, by what their threads call. */
export function registersOf(play: Case): RegisterUse[] {
  const { program, machine } = play;
  const handler = registersFrom(program, ["call_function_interrupt"]);
  return Array.from({ length: machine.cpus }, (_, cpu) => {
    const does = play.threads.find((thread) => thread.cpu === cpu)?.does ?? [];
    const entries = does.map((item) =>
      "call" in item ? item.call : "switchTo" in item ? "context_switch" : "page_fault",
    );
    return { task: registersFrom(program, entries), handler };
  });
}

/** Highest register that a run of one of the entries names, + 1. */
function registersFrom(program: Program, names: readonly string[]): number {
  const reached = new Set<number>();
  const open = names.flatMap((name) => program.entries.find((entry) => entry.name === name)?.pc ?? []);
  let highest = -1;
  for (let pc = open.pop(); pc !== undefined; pc = open.pop()) {
    if (reached.has(pc)) continue;
    reached.add(pc);
    const op = program.ops[pc]!;
    highest = Math.max(highest, highestRegister(op, program.registers));
    if (op.op !== "END" && op.op !== "JMP") open.push(pc + 1);
    if (op.op === "JMP" || op.op === "BZ" || op.op === "BNZ") open.push(Number(op.imm));
  }
  for (const name of names) {
    highest = Math.max(highest, (program.entries.find((entry) => entry.name === name)?.args.length ?? 0) - 1);
  }
  return highest + 1;
}

function highestRegister({ op, dst, a, b, c, d }: MicroOp, registers: number): number {
  const named = [dst, a, b, c, ...(op === "AWAIT" ? [] : [d])];
  return Math.max(-1, ...named.filter((register) => register < registers));
}
