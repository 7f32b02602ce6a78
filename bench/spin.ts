/**
 * npm run bench:spin [-- --large]
 *
 * Two models searched by SPIN and by the adversary, at the same steps: states, transitions, verdicts, seconds. --large adds three CPUs
 * with three pages, which takes minutes and gigabytes in both. Exit code 1 when the verdicts differ, or the states without reduction.
 */
import { parseArgs } from "node:util";
import type { Case } from "../src/dsl/case.js";
import { type SearchResult, searchCase } from "../src/engine/search.js";
import { placeEngine } from "./place.js";
import { batchedCase } from "./spin/batched.js";
import { irqOffCase } from "./spin/irq-off.js";
import { runSpin, type SpinRun, spinMissing } from "./spin/run-spin.js";

interface Pair {
  readonly what: string;
  readonly model: string;
  readonly defines: readonly string[];
  readonly play: Case;
}

const batched = (users: number, pages: number, rule: "flag" | "counters"): Pair => ({
  what: `batched flush, ${rule}, ${users} users, ${pages} pages`,
  model: "batched.pml",
  defines: [`USERS=${users}`, `PAGES=${pages}`, ...(rule === "counters" ? ["COUNTERS"] : [])],
  play: batchedCase({ users, pages, rule }),
});

const SMALL: readonly Pair[] = [
  batched(1, 2, "flag"),
  batched(1, 2, "counters"),
  batched(2, 2, "flag"),
  batched(2, 2, "counters"),
  {
    what: "lock and interrupts, off",
    model: "irq-off.pml",
    defines: [],
    play: irqOffCase("off"),
  },
  { what: "lock and interrupts, on", model: "irq-off.pml", defines: ["IRQ_ON"], play: irqOffCase("on") },
];
const LARGE: readonly Pair[] = [batched(3, 3, "counters")];

function line(tool: string, verdict: string, states: number, transitions: number, seconds: string): string {
  const columns = [verdict.padEnd(8), states.toLocaleString("en").padStart(12)];
  return `  ${tool.padEnd(22)}${columns.join("")}${transitions.toLocaleString("en").padStart(14)}  ${seconds}`;
}

function spinLine(tool: string, run: SpinRun): string {
  const total = run.compileSeconds + run.searchSeconds;
  const seconds = `${run.searchSeconds.toFixed(2)} s, ${total.toFixed(2)} s with the compiler`;
  return line(tool, run.verdict, run.states, run.transitions, seconds);
}

function ownLine(tool: string, { verdict, states, transitions, seconds }: SearchResult): string {
  return line(tool, verdict, states, transitions, `${seconds.toFixed(2)} s`);
}

/** Returns what the two disagree on. */
function compare({ what, model, defines, play }: Pair): string[] {
  console.log(what);
  const spin = runSpin(model, defines, { everyVariable: true });
  const reduced = runSpin(model, defines, { reduce: true });
  const own = searchCase(play);
  const ownReduced = searchCase(play, { reduce: true });
  console.log(spinLine("SPIN, all orders", spin));
  console.log(spinLine("SPIN, reduced", reduced));
  console.log(ownLine("adversary, all orders", own));
  console.log(ownLine("adversary, reduced", ownReduced));
  const verdicts = new Set([spin.verdict, reduced.verdict, own.verdict, ownReduced.verdict]);
  const differences = verdicts.size === 1 ? [] : [`${what}: verdicts ${[...verdicts].join(", ")}`];
  // Where there is something to find, who stops when has seen another part of the space.
  if (spin.verdict === "safe" && own.verdict === "safe" && spin.states !== own.states)
    differences.push(`${what}: ${spin.states} and ${own.states} states`);
  return differences;
}

const { values } = parseArgs({ options: { large: { type: "boolean", default: false } } });
const missing = spinMissing();
if (missing !== undefined) {
  console.log(`comparison with SPIN skipped: ${missing}`);
} else {
  placeEngine();
  const differences = [...SMALL, ...(values.large ? LARGE : [])].flatMap(compare);
  for (const difference of differences) console.error(`differ: ${difference}`);
  process.exitCode = differences.length === 0 ? 0 : 1;
}
