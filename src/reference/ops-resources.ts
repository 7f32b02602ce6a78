/*
 * Frames, page tables, address-space maps, the page cache, and work that touches nothing shared. What gives something away or changes what
 * others look up hides a lock, so own stores become visible first.
 */
import type { Running, Step } from "./running.js";
import { NONE } from "./running.js";

function orderIn(run: Running, register: number): number {
  return register === NONE ? 0 : run.number(register);
}

export const FALLOC: Step = (run) => {
  run.set(run.op.dst, run.world.memory.allocateFrames(orderIn(run, run.op.a)));
  return true;
};

export const FFREE: Step = (run) => {
  run.cpu.stores.drainAll();
  run.world.memory.freeFramesAt(run.number(run.op.a), orderIn(run, run.op.b), run.op.site);
  return true;
};

export const FZERO: Step = (run) => {
  frameNamedBy(run, run.op.a);
  return true;
};

export const FCOPY: Step = (run) => {
  const source = frameNamedBy(run, run.op.a);
  const target = frameNamedBy(run, run.op.b);
  const vpn = run.number(run.op.c);
  run.world.oracle.copies.frameCopied(source, target, vpn, run.number(run.op.d), run.op.site);
  return true;
};

export const TALLOC: Step = (run) => {
  const { a, b, c, dst } = run.op;
  const root = a === NONE ? undefined : run.number(a);
  run.set(dst, run.world.memory.allocateTable(root, run.number(b), run.number(c)));
  return true;
};

export const TFREE: Step = (run) => {
  run.cpu.stores.drainAll();
  run.world.memory.freeTable(run.number(run.op.a), run.op.site);
  return true;
};

export const RFIND: Step = (run) => {
  const { a, b, c, d, dst } = run.op;
  const found = rangesOf(run, a).find(run.value(d));
  run.set(dst, found?.value ?? 0n);
  run.set(b, found?.start ?? 0n);
  run.set(c, found?.end ?? 0n);
  return true;
};

export const RSET: Step = (run) => {
  run.cpu.stores.drainAll();
  const { a, b, c, d } = run.op;
  rangesOf(run, a).set(run.value(b), run.value(c), run.value(d));
  return true;
};

export const XLOAD: Step = (run) => {
  run.set(run.op.dst, run.world.memory.cache.get(run.value(run.op.c)) ?? 0n);
  return true;
};

export const XSTORE: Step = (run) => {
  run.cpu.stores.drainAll();
  const key = run.value(run.op.c);
  const value = run.value(run.op.d);
  if (value === 0n) run.world.memory.cache.delete(key);
  else run.world.memory.cache.set(key, value);
  return true;
};

export const WORK: Step = () => true;

function frameNamedBy(run: Running, operand: number): number {
  const pfn = run.number(operand);
  if (!run.world.memory.isFrame(pfn)) throw new RangeError(`no frame ${pfn}`);
  return pfn;
}

function rangesOf(run: Running, operand: number) {
  const ranges = run.world.memory.ranges[run.number(operand)];
  if (ranges === undefined) throw new RangeError(`no mm ${run.value(operand)}`);
  return ranges;
}
