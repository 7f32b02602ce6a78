/**
 * The safe policies under random schedules. Nobody may use what they should not, and nothing may be left behind.
 */

import { describe, expect, test } from "vitest";
import { Stage } from "./kernel-stage.js";
import { CONFIG, CPUS, MEMORY_IS_SHORT, MMS, RandomRun, TUNABLES } from "./random-run.js";

const SEEDS = [1, 2, 3, 4];
const runs = (["tso", "weak"] as const).flatMap((model) => SEEDS.map((seed) => [model, seed] as const));

describe.each(["deferred", "eager", "unified", "coherent"])("policy %s", (policy) => {
  const { program } = new Stage({ policy, cpus: CPUS, tunables: TUNABLES, config: CONFIG });

  test.each(runs)("%s, seed %i", (model, seed) => {
    const run = new RandomRun({ program, config: { ...CONFIG, model } }, seed);
    run.run();
    expect(run.stage.violations()).toEqual([]);
    expect(run.stage.leaks()).toEqual({ frames: 0, tables: 0 });
    for (let mm = 0; mm < MMS; mm++) expect(run.stage.field("mm", mm, "tlb_flush_pending")).toBe(0n);
  });
});

const others: readonly Readonly<Record<string, string>>[] = [
  { shootdown: "serial-ipi" },
  { shootdown: "early-ack" },
  { shootdown: "invlpgb" },
  { shootdown: "tlbi" },
  { shootdown: "invlpgb", pending: "deferred-gen", reclaim: "unified" },
  { pti: "on" },
  { thp: "always" },
  { thp: "always", unmap: "eager", protect: "per-table", reclaim: "unified" },
];

describe.each(others.map((set) => [JSON.stringify(set), set] as const))("%s", (_, set) => {
  const tunables = { ...TUNABLES, invlpgb_count_max: 2, global_asid_cpus: 1, global_asid_interval: 2 };
  const { program } = new Stage({ set, cpus: CPUS, tunables, config: CONFIG });

  test.each(runs.filter(([, seed]) => seed === 1))("%s, seed %i", (model, seed) => {
    const run = new RandomRun({ program, config: { ...CONFIG, model } }, seed);
    run.run();
    expect(run.stage.violations()).toEqual([]);
    expect(run.stage.leaks()).toEqual({ frames: 0, tables: 0 });
    if (set.shootdown === "invlpgb") expect(run.stage.field("global", 0, "global_asids_used")).not.toBe(0n);
  });
});

describe.each(["deferred", "eager", "unified", "coherent"])("policy %s, when memory is short", (policy) => {
  const { program } = new Stage({ policy, cpus: CPUS, tunables: TUNABLES, config: CONFIG });

  test.each(runs)("%s, seed %i", (model, seed) => {
    const run = new RandomRun({ program, config: { ...CONFIG, model } }, seed, MEMORY_IS_SHORT);
    run.run();
    expect(run.stage.violations()).toEqual([]);
    expect(run.stage.leaks()).toEqual({ frames: 0, tables: 0 });
    expect(run.stage.count("faults.major")).toBeGreaterThan(0);
  });
});
