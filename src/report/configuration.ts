import type { RunResult } from "../engine/result.js";
import { policiesOf } from "./compare.js";
import { count } from "./format.js";

/**
 * What runs were made with, in one line: a fingerprint of each policy's configuration, and how well the machine is known.
 *
 * Runs of one comparison share their machine.
 */
export function configurationLine(runs: readonly RunResult[]): string {
  const policies = policiesOf(runs);
  const hashes = policies.map((policy) => {
    const { hash } = runs.find((run) => run.policy === policy)!.configuration;
    return policies.length === 1 ? hash : `${hash} (${policy})`;
  });
  const { weakest, grades } = runs[0]!.configuration;
  const all = Object.values(grades).reduce((sum, n) => sum + n, 0);
  const { constant, confidence, cycles } = weakest;
  const dearest = cycles === null ? constant : `${constant}, ${count(cycles)} cycles`;
  return `Configuration ${hashes.join(", ")}; ${grades[confidence]} of ${all} constants have grade ${confidence}, the dearest ${dearest}.`;
}
