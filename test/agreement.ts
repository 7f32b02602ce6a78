import fc from "fast-check";
import type { MicroOp } from "../src/dsl/program.js";
import { type Case, compareStepByStep, describe, type MakeMachine } from "../src/reference/compare.js";
import { randomCase } from "./generate-program.js";

/**
 * Two machines agree after every move of random schedules of random programs. A failure tells the first difference of the smallest case
 * found, that case, and the seed and path that give it again.
 */
export function expectAgreement(
  makeLeft: MakeMachine,
  makeRight: MakeMachine,
  runs: number,
  seed: number,
): void {
  const agree = (one: Case) => compareStepByStep(makeLeft, makeRight, one) === undefined;
  const result = fc.check(fc.property(randomCase, agree), { numRuns: runs, seed });
  if (!result.failed) return;
  const [one] = result.counterexample!;
  const found = compareStepByStep(makeLeft, makeRight, one)!;
  const again = `seed: ${seed}, path: "${result.counterexamplePath}"`;
  throw new Error(`${describe(found)}\n${again}\n${caseText(one, found.at)}`);
}

/** A case as far as its `last` move, without the entries that build the world. */
function caseText({ program, config, schedule }: Case, last: number): string {
  const lines = program.ops.map((op, place) => ({
    entry: program.sites[op.site]!.routine,
    text: `${place} ${opText(op)}`,
  }));
  const code = program.entries
    .filter(({ name }) => name !== "boot" && name !== "enter")
    .map(
      ({ name }) =>
        `${name}: ${lines.flatMap(({ entry, text }) => (entry === name ? [text] : [])).join("; ")}`,
    );
  const moves = schedule.slice(0, last + 1).map((move) => Object.values(move).flat().join(" "));
  const { geometry: _geometry, pwc: _pwc, serves: _serves, ...rest } = config;
  const opening = moves.findLastIndex((move) => move.startsWith("start") && move.includes("enter"));
  return [JSON.stringify(rest), ...code, ...moves.slice(opening + 2)].join("\n");
}

function opText({ op, dst, a, b, c, d, imm }: MicroOp): string {
  const operands = Object.entries({ dst, a, b, c, d }).flatMap(([name, value]) =>
    value === 255 ? [] : [`${name}=${value}`],
  );
  return [op, ...operands, ...(imm === 0n ? [] : [`0x${imm.toString(16)}`])].join(" ");
}
