/** Every invariant has a canary that is caught, and next to it the same thing done right; on the twin and on both forms of the engine. */
import { afterAll, describe, expect, test } from "vitest";
import { EngineMachine } from "../src/engine/machine.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import {
  INVARIANT_NAMES,
  type InvariantName,
  type MachineConfig,
  type SteppableMachine,
} from "../src/reference/state.js";
import { call, leaf, PAGING, PTE, pagingMachine, siteOf } from "./paging-program.js";

const LOAD = 0;
const STORE = 1;
const NOTHING = 0n;
/** What is cached and used, and the CPU that uses it; CPU 0 is the kernel's. */
const USER = 1;

const machines: Readonly<Record<string, (config: MachineConfig) => SteppableMachine>> = {
  twin: (config) => new ReferenceMachine(PAGING, config),
  "engine, canonical": (config) => new EngineMachine(PAGING, config),
  "engine, as the clock has it": (config) =>
    new EngineMachine(PAGING, config, "release", undefined, { canonical: false }),
};

const caught = new Set<InvariantName>();

/** Page 0 maps frame 1; CPU 1 has written it, so that its entry is dirty. */
function machineOf(make: (config: MachineConfig) => SteppableMachine, over: Partial<MachineConfig> = {}) {
  const m = pagingMachine(make({ ...SMALL_CONFIG, model: "sc", ...over }), 4);
  call(m, 0, "setPte", 0, leaf(1));
  m.access(USER, 0, STORE);
  return m;
}

function found(m: SteppableMachine) {
  const all = m.state().oracle.violations;
  for (const { invariant } of all) caught.add(invariant);
  return all.map(({ invariant, cpu, made, broken }) => ({ invariant, cpu, made, broken }));
}

describe.each(Object.entries(machines))("%s", (_, make) => {
  const machine = (over: Partial<MachineConfig> = {}) => machineOf(make, over);

  describe("stale-table", () => {
    const freed = siteOf("freeTable", 1);
    const violation = { invariant: "stale-table", cpu: USER, made: freed, broken: -1 };

    test("a walk by a cached way into a table that was freed", () => {
      const m = machine();
      call(m, 0, "unhook");
      m.evict(USER, 0);
      call(m, 0, "freeTable");
      expect(found(m)).toEqual([]);
      m.access(USER, 0, LOAD);
      expect(found(m)).toEqual([violation]);
    });

    test("the same after the table's number was handed out again, by speculation alone", () => {
      const m = machine();
      call(m, 0, "unhook");
      m.evict(USER, 0);
      call(m, 0, "freeTable");
      call(m, 0, "allocateLeafTable");
      m.speculate(USER, 0);
      expect(found(m)).toEqual([violation]);
    });

    test("not after the flush of what led there", () => {
      const m = machine();
      call(m, 0, "unhook");
      call(m, USER, "invlpg", 0);
      call(m, 0, "freeTable");
      expect(m.access(USER, 0, LOAD)).toEqual({ fault: 0 });
      expect(found(m)).toEqual([]);
    });

    test("a walk through an entry that still names a freed table, and what it cached of that", () => {
      const m = machine();
      call(m, USER, "flushAll");
      call(m, 0, "freeTable");
      m.access(USER, 0, LOAD);
      m.access(USER, 1, LOAD);
      expect(found(m)).toEqual([violation]);
      expect(m.state().oracle.violations[0]!.count).toBe(2);
    });

    test("a step of the kernel on an entry of a freed table", () => {
      const m = machine();
      call(m, 0, "freeTable");
      call(m, 0, "clean", 0);
      expect(found(m)).toEqual([{ ...violation, cpu: 0, broken: siteOf("clean", 2) }]);
    });

    test("a store that was under way when the table was freed", () => {
      const m = machine({ model: "tso" });
      m.start(USER, "setPlain", [0, leaf(2)]);
      m.step(USER);
      m.step(USER);
      call(m, 0, "freeTable");
      expect(found(m)).toEqual([]);
      m.drain(USER, 0);
      expect(found(m)).toEqual([{ ...violation, broken: siteOf("setPlain", 1) }]);
    });
  });

  describe("split-view", () => {
    const violation = { invariant: "split-view", cpu: USER, made: siteOf("setPte", 1), broken: -1 };

    test("a page that two CPUs see in two frames while nothing is going on", () => {
      const m = machine();
      call(m, 0, "setPte", 0, leaf(2));
      m.access(USER, 0, LOAD);
      expect(found(m)).toEqual([violation]);
    });

    test("not while a call runs, nor while an interrupt is handled", () => {
      const m = machine();
      call(m, 0, "setPte", 0, leaf(2));
      m.start(0, "zap", [1]);
      m.step(0);
      m.access(USER, 0, LOAD);
      while (m.step(0) === "stepped");
      call(m, 0, "interrupt", 0);
      m.deliver(0);
      m.access(USER, 0, LOAD);
      expect(found(m)).toEqual([]);
      while (m.step(0) === "stepped");
      m.access(USER, 0, LOAD);
      expect(found(m).map(({ invariant }) => invariant)).toContain("split-view");
    });

    test("not where the page table maps nothing, nor after the flush", () => {
      const m = machine();
      call(m, 0, "setPte", 0, NOTHING);
      m.access(USER, 0, LOAD);
      call(m, 0, "setPte", 0, leaf(2));
      call(m, USER, "invlpg", 0);
      m.access(USER, 0, LOAD);
      expect(found(m)).toEqual([]);
    });
  });

  describe("lost-dirty", () => {
    test("a plain store wipes out the D bit of a store in between", () => {
      const m = machine();
      call(m, 0, "clean", 0);
      call(m, USER, "invlpg", 0);
      m.start(0, "readThenStore", [0, leaf(1, NOTHING)]);
      m.step(0);
      m.step(0);
      m.access(USER, 0, STORE);
      m.step(0);
      const broken = siteOf("readThenStore", 2);
      expect(found(m)).toEqual([{ invariant: "lost-dirty", cpu: 0, made: -1, broken }]);
    });

    test("not one that was there when the entry was read, nor one that an exchange gives back", () => {
      const m = machine();
      call(m, 0, "readThenStore", 0, leaf(1));
      call(m, USER, "invlpg", 0);
      m.start(0, "readThenExchange", [0, leaf(1, NOTHING)]);
      m.step(0);
      m.step(0);
      m.access(USER, 0, STORE);
      m.step(0);
      expect(found(m)).toEqual([]);
    });

    test("a plain store that waits in a buffer does not see what it will wipe out", () => {
      const m = machine({ model: "tso" });
      call(m, 0, "clean", 0);
      call(m, USER, "invlpg", 0);
      m.start(0, "setPlain", [0, leaf(1)]);
      m.step(0);
      m.step(0);
      m.access(USER, 0, STORE);
      m.drain(0, 0);
      expect(found(m).map(({ invariant }) => invariant)).toEqual(["lost-dirty"]);
    });

    test("a store to a frame that was judged clean, by an entry that is dirty already", () => {
      const m = machine();
      call(m, 0, "clean", 0);
      call(m, 0, "judge", 1);
      m.access(USER, 0, LOAD);
      expect(found(m)).toEqual([]);
      m.access(USER, 0, STORE);
      const [made, broken] = [siteOf("clean", 2), siteOf("judge", 0)];
      expect(found(m)).toEqual([{ invariant: "lost-dirty", cpu: USER, made, broken }]);
    });

    test("a store to a frame that was judged clean when nothing mapped it any more", () => {
      const m = machine();
      call(m, 0, "setPte", 0, NOTHING);
      call(m, 0, "judge", 1);
      m.access(USER, 0, STORE);
      expect(found(m).map(({ invariant }) => invariant)).toEqual(["lost-dirty"]);
    });

    test("not when the store sets D, when the frame was recorded as dirty, or when it is another's by then", () => {
      const m = machine();
      call(m, 0, "clean", 0);
      call(m, 0, "judge", 1);
      call(m, USER, "invlpg", 0);
      m.access(USER, 0, STORE);
      m.access(USER, 0, STORE);
      call(m, 0, "clean", 0);
      call(m, 0, "record", 1);
      m.access(USER, 0, STORE);
      call(m, 0, "judge", 1);
      call(m, 0, "free", 1);
      call(m, 0, "allocate");
      call(m, USER, "flushAll");
      call(m, 0, "setPte", 0, leaf(1, PTE.write | PTE.dirty));
      m.access(USER, 0, STORE);
      call(m, 0, "clean", 0);
      m.access(USER, 0, STORE);
      expect(found(m)).toEqual([]);
    });

    test("a store by a dirty entry after a call has promised that the next one sets D", () => {
      const m = machine();
      call(m, 0, "clean", 0);
      m.access(USER, 0, STORE);
      expect(found(m)).toEqual([]);
      call(m, 0, "promiseClean", 0, 1);
      m.access(USER, 0, LOAD);
      expect(found(m)).toEqual([]);
      m.access(USER, 0, STORE);
      const [made, broken] = [siteOf("clean", 2), siteOf("promiseClean", 1)];
      expect(found(m)).toEqual([{ invariant: "lost-dirty", cpu: USER, made, broken }]);
    });

    test("not when it does, or when another CPU's store set D in the meantime", () => {
      const m = machine();
      call(m, 0, "clean", 0);
      call(m, 0, "promiseClean", 0, 1);
      m.access(0, 0, STORE);
      m.access(USER, 0, STORE);
      call(m, 0, "clean", 0);
      call(m, USER, "invlpg", 0);
      call(m, 0, "invlpg", 0);
      call(m, 0, "promiseClean", 0, 1);
      m.access(USER, 0, STORE);
      expect(found(m)).toEqual([]);
    });
  });

  test("a D bit set by hardware gives back no right that a program's write took", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    call(m, USER, "flushAll");
    m.access(USER, 0, LOAD);
    // A second leaf table of the same page, which nothing leads to.
    call(m, 0, "allocateLeafTable");
    call(m, 0, "setLarge", 5, 0, leaf(1, NOTHING));
    expect(m.access(USER, 0, STORE)).toBe("ok");
    const entries = m.state().cpus[USER]!.tlb.l1d4k;
    expect(entries).toMatchObject([{ dirty: true, stale: 2 }]);
    expect(found(m)).toEqual([]);
  });

  test("nor one that was promised gone, whether D is set before the store is judged or after", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    call(m, USER, "flushAll");
    m.access(USER, 0, LOAD);
    call(m, 0, "allocateLeafTable");
    call(m, 0, "setLarge", 5, 0, leaf(2, NOTHING));
    call(m, 0, "promiseRead", 0, 1);
    expect(m.access(USER, 0, STORE)).toBe("ok");
    expect(found(m).map(({ invariant }) => invariant)).toEqual(["stale-right"]);
  });

  describe("progress", () => {
    const sleepers = {
      sleepWithSpinlock: [0, 1],
      sleepWithoutIrqs: [0, 1],
      readLockUnderSpinlock: [0, 1],
    } as const;
    test.each(Object.entries(sleepers))("%s", (entry, [made, broken]) => {
      const m = machine();
      call(m, 0, entry);
      const sites = { made: siteOf(entry, made), broken: siteOf(entry, broken) };
      expect(found(m)).toEqual([{ invariant: "progress", cpu: 0, ...sites }]);
    });

    test("an interrupt handler may not sleep", () => {
      const m = machine();
      call(m, 0, "interrupt", USER);
      m.deliver(USER);
      m.step(USER);
      expect(found(m)).toMatchObject([{ invariant: "progress", cpu: USER }]);
    });

    test("who holds no spinlock may sleep, and who holds a sleeping lock may take a spinlock", () => {
      const m = machine();
      for (const entry of ["sleep", "sleepAfterSpinlock", "spinlockUnderWriteLock"]) call(m, 0, entry);
      expect(found(m)).toEqual([]);
    });
  });

  test("what a device does wrong is stale-device, whatever it is", () => {
    const m = machine({ devices: [USER] });
    call(m, 0, "setPte", 0, leaf(1, NOTHING));
    call(m, 0, "promiseRead", 0, 1);
    m.access(USER, 0, STORE);
    call(m, 0, "setPte", 0, NOTHING);
    call(m, 0, "free", 1);
    m.access(USER, 0, LOAD);
    expect(found(m).map(({ invariant }) => invariant)).toEqual(["stale-device"]);
    expect(m.state().oracle.violations[0]!.count).toBe(2);
  });

  test.each(["strict", "legacy", "knl"] as const)(
    "a store whose write right is promised away retires only with the assist that does not look: %s",
    (assist) => {
      const m = machine({ assist });
      call(m, 0, "clean", 0);
      call(m, USER, "invlpg", 0);
      m.access(USER, 0, LOAD);
      call(m, 0, "setPte", 0, leaf(1, NOTHING));
      call(m, 0, "promiseRead", 0, 1);
      const outcome = m.access(USER, 0, STORE);
      expect(outcome).toEqual(assist === "legacy" ? "ok" : { fault: 5 });
      const broken = assist === "legacy" ? ["stale-right"] : [];
      expect(found(m).map(({ invariant }) => invariant)).toEqual(broken);
    },
  );

  test("stale-frame, stale-right and lost-write", () => {
    const m = machine();
    call(m, 0, "copy", 1, 2, 0);
    m.access(USER, 0, STORE);
    call(m, 0, "setPte", 0, leaf(2));
    call(m, 0, "promiseNone", 0, 1);
    m.access(USER, 0, LOAD);
    call(m, 0, "free", 1);
    m.access(USER, 0, LOAD);
    const names = found(m).map(({ invariant }) => invariant);
    expect(names).toEqual(["stale-frame", "stale-right", "lost-write", "split-view"]);
  });
});

afterAll(() => {
  expect([...caught].sort()).toEqual([...INVARIANT_NAMES].sort());
});
