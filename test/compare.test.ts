import fc from "fast-check";
import { expect, describe as group, test } from "vitest";
import { OPS } from "../src/dsl/isa.js";
import { type Case, compareStepByStep, describe, type MakeMachine } from "../src/reference/compare.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { INVARIANT_NAMES, type MachineConfig } from "../src/reference/state.js";
import { expectAgreement } from "./agreement.js";
import { randomCase } from "./generate-program.js";

const SEED = 20260802;
/** Enough for each rare thing to happen in several cases; a change of the generator that loses one fails here, not at random. */
const cases = fc.sample(randomCase, { numRuns: 225, seed: SEED });
const twin: MakeMachine = (program, config) => new ReferenceMachine(program, config);

test("the twin agrees with itself", () => {
  expectAgreement(twin, twin, 40, SEED);
});

/** Runs of a case by the twin, for what happened in it. */
function observe(one: Case, seen: Set<string>): void {
  class Observed extends ReferenceMachine {
    override step(cpu: number) {
      const next = this.next(cpu)?.op;
      const outcome = super.step(cpu);
      seen.add(`step ${outcome}`);
      if (next !== undefined && outcome !== "disabled") seen.add(next);
      return outcome;
    }
    override access(...args: Parameters<ReferenceMachine["access"]>) {
      const outcome = super.access(...args);
      seen.add(outcome === "ok" ? `access ${args[2]} ok` : `fault ${outcome.fault}`);
      return outcome;
    }
    override deliver(cpu: number) {
      const taken = super.deliver(cpu);
      if (taken) seen.add("deliver");
      return taken;
    }
    override drain(cpu: number, index: number) {
      const went = super.drain(cpu, index);
      if (went) seen.add(`drain ${this.config.model} ${index}`);
      return went;
    }
    override speculate(cpu: number, vpn: number) {
      const filled = super.speculate(cpu, vpn);
      if (filled) seen.add("speculate");
      return filled;
    }
  }
  let last: ReferenceMachine | undefined;
  const make: MakeMachine = (program, config) => {
    last = new Observed(program, config);
    return last;
  };
  expect(compareStepByStep(make, twin, one)).toBeUndefined();
  for (const { op } of one.program.ops) if (OPS[op].class !== "step") seen.add(op);
  const { oracle, cpus } = last!.state();
  for (const { invariant } of oracle.violations) seen.add(invariant);
  for (const { tlb } of cpus) {
    for (const entry of Object.values(tlb).flat())
      seen.add(`size ${entry.size}`).add(entry.global ? "global" : "tagged");
  }
}

test("random cases run every op, take every kind of move and break every invariant", () => {
  const seen = new Set<string>();
  for (const one of cases) observe(one, seen);
  const moves = [
    "step stepped",
    "step disabled",
    "step ended",
    "deliver",
    "speculate",
    "drain tso 0",
    "drain weak 1",
  ];
  const accesses = [
    "access 0 ok",
    "access 1 ok",
    "access 2 ok",
    "fault 0",
    "fault 1",
    "fault 2",
    "fault 4",
    "fault 5",
    "fault 6",
  ];
  const entries = ["size 0", "size 1", "size 2", "global", "tagged"];
  const wanted = [...Object.keys(OPS), ...INVARIANT_NAMES, ...moves, ...accesses, ...entries];
  expect(wanted.filter((one) => !seen.has(one))).toEqual([]);
});

/** The twin under another configuration than the one it is asked for. */
function changed(change: (config: MachineConfig) => Partial<MachineConfig>): MakeMachine {
  return (program, config) => twin(program, { ...config, ...change(config) });
}

/** A twin whose CPUs lose what `broken` does to it after each move. */
function mutated(after: (machine: ReferenceMachine, op: string, cpu: number) => void): MakeMachine {
  return (program, config) => {
    const machine = new (class extends ReferenceMachine {
      override step(cpu: number) {
        const op = this.next(cpu)?.op ?? "";
        const outcome = super.step(cpu);
        after(this, op, cpu);
        return outcome;
      }
    })(program, config);
    return machine;
  };
}

group("a machine that is wrong in one thing is caught", () => {
  const canaries: Record<string, MakeMachine> = {
    "stores pass no others in tso": changed(({ model }) => ({ model: model === "tso" ? "sc" : model })),
    "a weak machine drains in order": changed(({ model }) => ({ model: model === "weak" ? "tso" : model })),
    "the store buffer is one shorter": changed(({ storeBuffer }) => ({ storeBuffer: storeBuffer - 1 })),
    "the assist needs no write right": changed(({ assist }) => ({
      assist: assist === "strict" ? "legacy" : assist,
    })),
    "the second level has a way more": changed(({ geometry }) => ({
      geometry: { ...geometry, stlb4k: { ...geometry.stlb4k, ways: geometry.stlb4k.ways + 1 } },
    })),
    "the walk cache has a way more": changed(({ pwc }) => ({ pwc: { ...pwc, pde: { sets: 1, ways: 3 } } })),
    "an interrupt is lost": mutated((machine, op, cpu) => {
      if (op === "RAISE1")
        for (let other = 0; other < machine.config.cpus; other++) if (other !== cpu) machine.deliver(other);
    }),
    "INVLPG evicts another page too": mutated((machine, op, cpu) => {
      if (op === "INVLPG") machine.evict(cpu, 0);
    }),
    "an unlock lets a word change": mutated((machine, op) => {
      if (op === "UNLOCK") machine.poke("frame", 1, 0, machine.peek("frame", 1, 0) + 1n);
    }),
  };
  test.each(Object.entries(canaries))("%s", (_, broken) => {
    expect(cases.some((one) => compareStepByStep(broken, twin, one) !== undefined)).toBe(true);
  });
});

test("a difference is told by the names of the program", () => {
  const [one] = cases;
  const broken: MakeMachine = (program, config) => {
    const machine = new ReferenceMachine(program, config);
    machine.poke("cpu", 1, 3, 7n);
    return machine;
  };
  expect(describe(compareStepByStep(broken, twin, one!)!)).toBe(
    'at the start: cpu[1].asked[1] is "0x7" on the left and "0x0" on the right',
  );
});
