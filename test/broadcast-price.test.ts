/** What a flush by broadcast costs: an instruction for each page, up to the size from which the whole address space is told. */
import { expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { neoverseN1 } from "../src/machine/neoverse-n1.js";
import { machineNumbers } from "../src/machine/preset.js";
import { builtinWorkload } from "../src/workload/builtins.js";

async function mprotect(pages: number) {
  const workload = builtinWorkload("mprotect-loop", { pages: String(pages), iterations: "4" }, 1);
  return runSimulation({
    ...{ machine: neoverseN1, policy: "deferred", set: { shootdown: "tlbi" }, cpus: 1, seed: 1 },
    ...{ workload, workloadName: "mprotect-loop" },
  });
}

test("each page more costs a TLBI more, until one is for all", async () => {
  const [few, most, all] = await Promise.all([8, 511, 512].map(mprotect));
  expect(few!.flushes.pages * 511).toBe(most!.flushes.pages * 8);
  expect(all!.flushes.full - most!.flushes.full).toBe(most!.flushes.ranged);
  expect(all!.flushes.pages).toBe(0);
  const { tlbi } = machineNumbers(neoverseN1).prices;
  const calls = most!.flushes.ranged;
  const saved = most!.cycles.kernel - all!.cycles.kernel;
  expect(saved / calls).toBeGreaterThan(0.9 * 510 * tlbi);
});
