import type { RunResult, StepPlace, ViolationExample } from "../engine/result.js";
import { policiesOf } from "./compare.js";
import { count, cyclesAsTime, plural } from "./format.js";
import type { Paint } from "./paint.js";
import { tableLines } from "./table.js";

/** What the oracle saw: for each policy and invariant the count over all runs, and the first one step by step. */
export function violationLines(runs: readonly RunResult[], paint: Paint): string[] {
  const lines: string[] = [];
  for (const policy of policiesOf(runs)) {
    const own = runs.filter((run) => run.policy === policy);
    for (const invariant of new Set(own.flatMap((run) => run.violations.map((one) => one.invariant)))) {
      const found = own.flatMap((run) =>
        run.violations.filter((one) => one.invariant === invariant).map((one) => ({ run, one })),
      );
      const total = found.reduce((sum, { one }) => sum + one.count, 0);
      const where = own.length === 1 ? "" : ` in ${found.length} of ${plural(own.length, "run")}`;
      lines.push(paint("red", `VIOLATION ${invariant} under ${policy}: ${count(total)}${where}`));
      lines.push(...exampleLines(found[0]!.run, found[0]!.one.first));
    }
  }
  return lines;
}

function exampleLines(run: RunResult, first: ViolationExample): string[] {
  const time = first.time === 0 ? "0 s" : cyclesAsTime(first.time, cyclesPerSecond(run));
  const { access, va, task, cpu, frame, made, broken } = first;
  const rows = [
    ["first", `seed ${run.seed}, at ${time} (cycle ${count(first.time)})`],
    ["access", `${access} of ${va} by task ${task} on CPU ${cpu} reached frame ${frame}`],
    ...(made === null ? [] : [["made stale by", stepText(made)]]),
    ...(broken === null ? [] : [["flush missing", `before ${stepText(broken)}`]]),
    ["what broke", first.text],
  ];
  return tableLines({ rows: rows.map(([title, text]) => [`  ${title}:`, text!]), isText: true });
}

function stepText(step: StepPlace): string {
  return `${step.routine}, step '${step.label}' (${step.file}:${step.line})`;
}

/** The clock rate, read back from the run itself; a run of no length has no violation to date. */
export function cyclesPerSecond(run: RunResult): number {
  return run.simulated.seconds > 0 ? run.simulated.cycles / run.simulated.seconds : 1e9;
}
