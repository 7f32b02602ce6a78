import { expect, test } from "vitest";
import { ReferenceMachine } from "../src/reference/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import { call, leaf, PAGING, PTE, pagingMachine, siteOf } from "./paging-program.js";

const LOAD = 0;
const STORE = 1;
const FETCH = 2;
const NOTHING = 0n;
const SET = siteOf("setPte", 1);

/** Page 0 maps frame 1; CPU 1 has written it, so its entry is dirty. */
function machine(): ReferenceMachine {
  const m = pagingMachine(new ReferenceMachine(PAGING, SMALL_CONFIG), 4);
  call(m, 0, "setPte", 0, leaf(1));
  m.access(1, 0, STORE);
  return m;
}

function violations(of: ReferenceMachine) {
  return of.state().oracle.violations;
}

/** Without the split view that it is, too. */
function lostWrites(of: ReferenceMachine) {
  return violations(of).filter(({ invariant }) => invariant === "lost-write");
}

test("an access to a frame that was freed since the fill is stale-frame, whoever has it now", () => {
  const m = machine();
  call(m, 0, "setPte", 0, NOTHING);
  call(m, 0, "promiseNone", 0, 1);
  call(m, 0, "free", 1);
  expect(violations(m)).toEqual([]);
  m.access(1, 0, LOAD);
  call(m, 0, "allocate");
  m.access(1, 0, LOAD);
  const expected = { invariant: "stale-frame", cpu: 1, count: 2, vpn: 0, kind: LOAD, made: SET };
  expect(violations(m)).toEqual([{ ...expected, broken: siteOf("free", 0) }]);
});

test("no access after the flush is stale-frame", () => {
  const m = machine();
  call(m, 0, "setPte", 0, NOTHING);
  call(m, 1, "invlpg", 0);
  call(m, 0, "free", 1);
  expect(m.access(1, 0, LOAD)).toEqual({ fault: 0 });
  expect(violations(m)).toEqual([]);
});

test("an access through a page table that still maps a freed frame is stale-frame", () => {
  const m = machine();
  call(m, 0, "free", 1);
  call(m, 0, "flushPcid", 1);
  m.access(0, 0, LOAD);
  const free = siteOf("free", 0);
  expect(violations(m)).toMatchObject([{ invariant: "stale-frame", cpu: 0, made: free, broken: free }]);
});

test("an entry whose frame is mapped in its place again is as good as new, though the frame was freed in between", () => {
  const m = machine();
  call(m, 0, "setPte", 0, NOTHING);
  call(m, 0, "free", 1);
  call(m, 0, "allocate");
  call(m, 0, "setPte", 0, leaf(1));
  m.access(1, 0, STORE);
  expect(violations(m)).toEqual([]);
});

test("a right that is used after a call promised it away is stale-right; before the promise it is not", () => {
  const m = machine();
  call(m, 0, "setPte", 0, leaf(1, NOTHING));
  m.access(1, 0, STORE);
  call(m, 0, "promiseRead", 0, 1);
  m.access(1, 0, LOAD);
  expect(violations(m)).toEqual([]);
  m.access(1, 0, STORE);
  const expected = { invariant: "stale-right", cpu: 1, count: 1, vpn: 0, kind: STORE, made: SET };
  expect(violations(m)).toEqual([{ ...expected, broken: siteOf("promiseRead", 1) }]);
});

test("a promise covers its range and the rights it names, and a right that is granted again is owed no more", () => {
  const m = machine();
  call(m, 0, "setPte", 0, NOTHING);
  call(m, 0, "promiseNone", 1, 2);
  call(m, 0, "promiseRead", 0, 1);
  m.access(1, 0, LOAD);
  expect(violations(m)).toEqual([]);
  call(m, 0, "setPte", 0, leaf(1));
  m.access(1, 0, STORE);
  expect(violations(m)).toEqual([]);
  call(m, 0, "setPte", 0, NOTHING);
  m.access(1, 0, STORE);
  expect(violations(m)).toEqual([]);
});

test("execution is a right of its own", () => {
  const m = machine();
  m.access(1, 0, FETCH);
  call(m, 0, "setPte", 0, leaf(1, PTE.write | PTE.noExecute));
  call(m, 0, "promiseNone", 0, 1);
  m.access(1, 0, LOAD);
  m.access(1, 0, STORE);
  expect(violations(m)).toEqual([]);
  m.access(1, 0, FETCH);
  expect(violations(m)).toMatchObject([{ invariant: "stale-right", kind: FETCH }]);
});

test("a store to a frame while the page table maps a copy of it is lost-write; any other frame starts anew", () => {
  const m = machine();
  call(m, 0, "setPte", 0, leaf(3));
  m.access(1, 0, STORE);
  expect(lostWrites(m)).toEqual([]);
  call(m, 0, "copy", 1, 2, 0);
  call(m, 0, "setPte", 0, leaf(2));
  m.access(1, 0, LOAD);
  expect(lostWrites(m)).toEqual([]);
  m.access(1, 0, STORE);
  const expected = { invariant: "lost-write", cpu: 1, count: 1, vpn: 0, kind: STORE, made: SET, broken: SET };
  expect(lostWrites(m)).toEqual([expected]);
});

test("a store between the copy of a frame and the mapping of the copy is lost-write, once it is mapped", () => {
  const m = machine();
  call(m, 0, "setPte", 0, leaf(1, NOTHING));
  call(m, 0, "copy", 1, 2, 0);
  m.access(1, 0, STORE);
  m.access(1, 0, STORE);
  expect(violations(m)).toEqual([]);
  expect(m.state().oracle.copies).toEqual([{ target: 2, source: 1, root: 1, vpn: 0, storedBy: 1 }]);
  call(m, 0, "setPte", 0, leaf(2));
  const expected = { invariant: "lost-write", cpu: 1, count: 1, vpn: 0, kind: STORE, made: SET };
  expect(violations(m)).toEqual([{ ...expected, broken: siteOf("copy", 1) }]);
  expect(m.state().oracle.copies).toEqual([]);
});

test("a store before the copy, or one whose copy is thrown away, is not lost", () => {
  const m = machine();
  call(m, 0, "copy", 1, 2, 0);
  m.access(1, 0, STORE);
  call(m, 0, "free", 2);
  call(m, 0, "allocate");
  call(m, 0, "setPte", 0, leaf(2));
  expect(violations(m)).toEqual([]);
  expect(m.state().oracle.copies).toEqual([]);
});

test("two copies of one frame for two places are watched apart", () => {
  const m = machine();
  call(m, 0, "copy", 1, 2, 0);
  m.access(1, 0, STORE);
  call(m, 0, "copy", 1, 3, 1);
  call(m, 0, "setPte", 1, leaf(3));
  expect(violations(m)).toEqual([]);
  call(m, 0, "setPte", 0, leaf(2));
  expect(violations(m)).toMatchObject([{ invariant: "lost-write", cpu: 1, vpn: 0 }]);
});
