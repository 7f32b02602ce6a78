import { describe, expect, test } from "vitest";
import { ReferenceMachine } from "../src/reference/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import type { MachineConfig, TlbEntryState, TlbName } from "../src/reference/state.js";
import { call, leaf, PAGING, PTE, pagingMachine } from "./paging-program.js";

const LOAD = 0;
const STORE = 1;
const FETCH = 2;
/** No bits beyond present and user; as a whole entry, nothing at all. */
const BARE = 0n;

function machine(config: Partial<MachineConfig> = {}): ReferenceMachine {
  return pagingMachine(new ReferenceMachine(PAGING, { ...SMALL_CONFIG, ...config }), 4);
}

/** The PTE of page 0 or 1. */
function pte(of: ReferenceMachine, index: number): bigint {
  const table = Number(of.peek("global", 0, 1));
  return of.state().tables[table - 1]!.entries.find((entry) => entry.index === index)?.value ?? 0n;
}

function held(of: ReferenceMachine, array: TlbName, cpu = 0): readonly TlbEntryState[] {
  return of.state().cpus[cpu]!.tlb[array];
}

describe("a walk", () => {
  test("fills both levels, sets A, and leaves D to the first store", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    expect(m.access(0, 0, LOAD)).toBe("ok");
    expect(pte(m, 0)).toBe(leaf(1) | PTE.accessed);
    const entry = { vpn: 0, size: 0, pcid: 1, global: false, pfn: 1, write: true, dirty: false, exec: true };
    expect(held(m, "l1d4k")).toMatchObject([entry]);
    expect(held(m, "stlb4k")).toMatchObject([entry]);
    expect(held(m, "l1i4k")).toEqual([]);
    expect(m.access(0, 0, STORE)).toBe("ok");
    expect(pte(m, 0)).toBe(leaf(1) | PTE.accessed | PTE.dirty);
    expect(held(m, "l1d4k")).toMatchObject([{ ...entry, dirty: true }]);
    expect(held(m, "stlb4k")).toMatchObject([{ ...entry, dirty: true }]);
  });

  test("faults say what was asked for, and whether an entry was present", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1, PTE.noExecute));
    expect(m.access(0, 1, LOAD)).toEqual({ fault: 0 });
    expect(m.access(0, 1, STORE)).toEqual({ fault: 1 });
    expect(m.access(0, 0, STORE)).toEqual({ fault: 5 });
    expect(m.access(0, 0, FETCH)).toEqual({ fault: 6 });
    expect(pte(m, 0)).toBe(leaf(1, PTE.noExecute));
    expect(held(m, "l1d4k")).toEqual([]);
    call(m, 0, "setPte", 1, leaf(1) & ~PTE.user);
    expect(m.access(0, 1, LOAD)).toEqual({ fault: 4 });
  });

  test("reads memory, not the CPU's own store buffer", () => {
    const m = machine();
    m.start(0, "setPlain", [0, leaf(1)]);
    m.step(0);
    expect(m.step(0)).toBe("stepped");
    expect(m.access(0, 0, LOAD)).toEqual({ fault: 0 });
    expect(m.drain(0, 0)).toBe(true);
    expect(m.access(0, 0, LOAD)).toBe("ok");
  });

  test("a fetch fills the instruction side, and a second-level hit fills the first level", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1, BARE));
    expect(m.access(0, 0, FETCH)).toBe("ok");
    expect(held(m, "l1i4k")).toHaveLength(1);
    expect(held(m, "l1d4k")).toEqual([]);
    // The entry is gone from the page table, so only the second level can serve this load.
    call(m, 0, "setPte", 0, BARE);
    expect(m.access(0, 0, LOAD)).toBe("ok");
    expect(held(m, "l1d4k")).toHaveLength(1);
  });

  test("a speculative one sets A, never D, and does nothing where there is a translation", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    expect(m.speculate(0, 1)).toBe(false);
    expect(m.speculate(0, 0)).toBe(true);
    expect(pte(m, 0)).toBe(leaf(1) | PTE.accessed);
    expect(m.speculate(0, 0)).toBe(false);
    expect(m.evict(0, 0)).toBe(true);
    expect(m.evict(0, 0)).toBe(false);
    expect(m.speculate(0, 0)).toBe(true);
  });
});

test("without a root loaded nothing is speculated, though the walk cache may know a way", () => {
  const m = machine();
  call(m, 0, "setPte", 0, leaf(1));
  call(m, 0, "setPte", 1, leaf(2));
  m.access(0, 0, LOAD);
  call(m, 0, "leave", 1, 1);
  expect(m.speculate(0, 1)).toBe(false);
  expect(m.state().cpus[0]!.pwc.pde).toHaveLength(1);
});

describe("a stale entry", () => {
  test("serves until it is invalidated, and an INVLPG on one CPU leaves the other's alone", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    for (const cpu of [0, 1]) expect(m.access(cpu, 0, STORE)).toBe("ok");
    call(m, 0, "setPte", 0, BARE);
    for (const cpu of [0, 1]) expect(m.access(cpu, 0, STORE)).toBe("ok");
    call(m, 0, "invlpg", 0);
    expect(m.access(0, 0, LOAD)).toEqual({ fault: 0 });
    expect(m.access(1, 0, STORE)).toBe("ok");
    call(m, 1, "flushPcid", 1);
    expect(m.access(1, 0, LOAD)).toEqual({ fault: 0 });
  });

  test("that lacks the right is dropped by the fault, so that the retry walks", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1, BARE));
    expect(m.access(0, 0, LOAD)).toBe("ok");
    call(m, 0, "setPte", 0, leaf(1));
    expect(m.access(0, 0, STORE)).toEqual({ fault: 5 });
    expect(held(m, "l1d4k")).toEqual([]);
    expect(held(m, "stlb4k")).toEqual([]);
    expect(m.access(0, 0, STORE)).toBe("ok");
  });

  test("is gone everywhere after ideal coherence took care of its range", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    for (const cpu of [0, 1]) m.access(cpu, 0, LOAD);
    call(m, 0, "invalidateEverywhere", 1, 2);
    expect(held(m, "stlb4k", 1)).toHaveLength(1);
    call(m, 0, "invalidateEverywhere", 0, 1);
    expect([held(m, "stlb4k", 0), held(m, "l1d4k", 1)]).toEqual([[], []]);
    expect(m.state().cpus[1]!.pwc.pde).toEqual([]);
  });

  test("of another PCID is neither used nor flushed; a global one is used and stays", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    call(m, 0, "setPte", 1, leaf(2, PTE.global));
    m.access(0, 0, LOAD);
    m.access(0, 1, LOAD);
    call(m, 0, "enter", 2, 1);
    call(m, 0, "setPte", 0, BARE);
    call(m, 0, "setPte", 1, BARE);
    expect(m.access(0, 0, LOAD)).toEqual({ fault: 0 });
    expect(m.access(0, 1, LOAD)).toBe("ok");
    call(m, 0, "enter", 1, 1);
    expect(m.access(0, 0, LOAD)).toBe("ok");
    call(m, 0, "enter", 1, 0);
    expect(m.access(0, 0, LOAD)).toEqual({ fault: 0 });
    expect(m.access(0, 1, LOAD)).toBe("ok");
    call(m, 0, "flushAll");
    expect(m.access(0, 1, LOAD)).toEqual({ fault: 0 });
  });
});

test("a fault drops the way that the walk cache remembers, so that a new table is found", () => {
  const m = machine();
  expect(m.access(0, 0, LOAD)).toEqual({ fault: 0 });
  expect(m.state().cpus[0]!.pwc).toEqual({ pde: [], pdpte: [], pml4e: [] });
});

describe("the dirty assist", () => {
  const afterRemoval = (assist: MachineConfig["assist"], value: bigint) => {
    const m = machine({ assist });
    call(m, 0, "setPte", 0, leaf(1));
    m.access(0, 0, LOAD);
    call(m, 0, "setPte", 0, value);
    return { outcome: m.access(0, 0, STORE), pte: pte(m, 0), left: held(m, "l1d4k").length };
  };

  test("strict: the store retires only if the entry is present, writable and maps the same frame", () => {
    expect(afterRemoval("strict", BARE)).toEqual({ outcome: { fault: 1 }, pte: BARE, left: 0 });
    expect(afterRemoval("strict", leaf(1, BARE))).toEqual({
      outcome: { fault: 5 },
      pte: leaf(1, BARE),
      left: 0,
    });
    expect(afterRemoval("strict", leaf(2))).toEqual({ outcome: { fault: 5 }, pte: leaf(2), left: 0 });
    const same = leaf(1) | PTE.accessed | PTE.dirty;
    expect(afterRemoval("strict", leaf(1))).toEqual({ outcome: "ok", pte: same, left: 1 });
  });

  test("legacy: present is enough, so a read-only entry can become dirty", () => {
    const dirty = leaf(1, BARE) | PTE.accessed | PTE.dirty;
    expect(afterRemoval("legacy", leaf(1, BARE))).toEqual({ outcome: "ok", pte: dirty, left: 1 });
    expect(afterRemoval("legacy", BARE)).toEqual({ outcome: { fault: 1 }, pte: BARE, left: 0 });
  });

  test("knl: a stray D appears in an entry that is not present, and the store does not retire", () => {
    expect(afterRemoval("knl", BARE)).toEqual({ outcome: { fault: 1 }, pte: PTE.dirty, left: 0 });
  });
});

describe("a paging-structure cache", () => {
  test("still reaches a table that was unhooked and freed, until an INVLPG of any page", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    call(m, 0, "setPte", 1, leaf(2));
    expect(m.access(0, 0, LOAD)).toBe("ok");
    call(m, 1, "unhook");
    call(m, 1, "freeTable");
    expect(m.access(0, 1, LOAD)).toBe("ok");
    expect(m.access(1, 1, LOAD)).toEqual({ fault: 0 });
    call(m, 0, "invlpg", 9);
    expect(m.access(0, 1, LOAD)).toBe("ok");
    m.evict(0, 1);
    expect(m.access(0, 1, LOAD)).toEqual({ fault: 0 });
  });

  test("holds one entry a level on the way down, tagged by PCID", () => {
    const m = machine();
    call(m, 0, "setPte", 0, leaf(1));
    m.access(0, 0, LOAD);
    const tag = { key: 0, pcid: 1, freed: false, age: 0 };
    expect(m.state().cpus[0]!.pwc).toEqual({
      pde: [{ ...tag, table: 4 }],
      pdpte: [{ ...tag, table: 3 }],
      pml4e: [{ ...tag, table: 2 }],
    });
  });
});

test("the least recently used entry of a set makes room", () => {
  const oneWay = { ...SMALL_CONFIG.geometry, l1d4k: { sets: 1, ways: 1 }, stlb4k: { sets: 1, ways: 1 } };
  const m = machine({ geometry: oneWay });
  call(m, 0, "setPte", 0, leaf(1));
  call(m, 0, "setPte", 1, leaf(2));
  m.access(0, 0, LOAD);
  m.access(0, 1, LOAD);
  expect(held(m, "l1d4k")).toMatchObject([{ vpn: 1, age: 0 }]);
  expect(held(m, "stlb4k")).toMatchObject([{ vpn: 1, age: 0 }]);
});

test("a large page is one entry for all its pages", () => {
  const m = machine();
  // Entry 1 of the level-1 table: pages 2 and 3.
  call(m, 0, "setLarge", 3, 1, leaf(1, PTE.write | PTE.huge));
  expect(m.access(0, 2, LOAD)).toBe("ok");
  expect(m.access(0, 3, STORE)).toBe("ok");
  expect(held(m, "l1d2m")).toMatchObject([{ vpn: 2, size: 1, dirty: true }]);
  expect(held(m, "stlb4k")).toMatchObject([{ vpn: 2, size: 1, dirty: true }]);
});
