/** Whose changes a promise speaks for: those of its own call, and those that were made before its call's first step. */
import { describe, expect, test } from "vitest";
import { EngineMachine } from "../src/engine/machine.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import type { SteppableMachine } from "../src/reference/state.js";
import { call, leaf, PAGING, pagingMachine } from "./paging-program.js";

const config = { ...SMALL_CONFIG, cpus: 3 };
const machines: Readonly<Record<string, () => SteppableMachine>> = {
  twin: () => new ReferenceMachine(PAGING, config),
  "engine, canonical": () => new EngineMachine(PAGING, config),
  "engine, as the clock has it": () =>
    new EngineMachine(PAGING, config, "debug", undefined, { canonical: false }),
};

/** The CPUs whose calls overlap, and the one that uses page 0 all the time. */
const [FIRST, SECOND, USER] = [0, 2, 1];
/** Steps of `zap`: it reads where the table is, empties the entry, works, reads the root; the promise comes behind. */
const TO_ZAP = 2;

describe.each(Object.entries(machines))("%s", (_, make) => {
  function machine(): SteppableMachine {
    const m = pagingMachine(make(), 4);
    call(m, FIRST, "setPte", 0, leaf(1));
    m.access(USER, 0, 0);
    return m;
  }
  const steps = (m: SteppableMachine, cpu: number, times: number) => {
    for (let step = 0; step < times; step++) m.step(cpu);
  };
  const finish = (m: SteppableMachine, cpu: number) => {
    while (m.step(cpu) === "stepped");
  };
  const violations = (m: SteppableMachine) =>
    m.state().oracle.violations.map(({ invariant, cpu }) => ({ invariant, cpu }));
  const stale = [{ invariant: "stale-right", cpu: USER }];

  test("what another call takes away meanwhile is that call's to promise", () => {
    const m = machine();
    m.start(FIRST, "zap", [0]);
    m.start(SECOND, "zap", [0]);
    steps(m, FIRST, TO_ZAP);
    // The first call's flush, and the page comes back.
    m.evict(USER, 0);
    call(m, USER, "setPte", 0, leaf(2));
    m.access(USER, 0, 0);
    steps(m, SECOND, TO_ZAP);
    finish(m, FIRST);
    m.access(USER, 0, 0);
    expect(violations(m)).toEqual([]);
    finish(m, SECOND);
    m.access(USER, 0, 0);
    expect(violations(m)).toEqual(stale);
  });

  test("what another call took away before is promised, though that call still runs", () => {
    const m = machine();
    m.start(FIRST, "zap", [0]);
    m.start(SECOND, "zap", [0]);
    steps(m, SECOND, TO_ZAP);
    // Only now the first call begins: it finds nothing to do, and returns.
    finish(m, FIRST);
    m.access(USER, 0, 0);
    expect(violations(m)).toEqual(stale);
  });

  test("a call that has begun before but ended since holds back no later promise of its CPU", () => {
    const m = machine();
    m.start(FIRST, "zap", [0]);
    steps(m, FIRST, TO_ZAP - 1);
    m.start(SECOND, "zap", [0]);
    steps(m, SECOND, TO_ZAP);
    finish(m, FIRST);
    m.access(USER, 0, 0);
    expect(violations(m)).toEqual([]);
    call(m, FIRST, "zap", 0);
    m.access(USER, 0, 0);
    expect(violations(m)).toEqual(stale);
  });
});
