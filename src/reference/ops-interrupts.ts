/* CPU masks, call queues and interrupts. */
import type { Running, Step } from "./running.js";

export const MASK_SET: Step = (run) => changeBit(run, (word, bit) => word | bit);
export const MASK_CLR: Step = (run) => changeBit(run, (word, bit) => word & ~bit);

export const MASK_TEST: Step = (run) => {
  run.set(run.op.dst, membersSeen(run).includes(run.cpuNamedBy(run.op.c).id));
  return true;
};

/** The smallest member from `c` on, or the number of CPUs when there is none. */
export const MASK_NEXT: Step = (run) => {
  const from = run.value(run.op.c);
  run.set(run.op.dst, membersSeen(run).find((cpu) => BigInt(cpu) >= from) ?? run.world.config.cpus);
  return true;
};

export const MASK_ZERO: Step = (run) => {
  for (let first = 0; first < run.world.config.cpus; first += 64) {
    run.cpu.stores.store(run.maskWord(first), 0n, run.op.site);
  }
  return true;
};

export const MASK_COUNT: Step = (run) => {
  run.set(run.op.dst, membersSeen(run).length);
  return true;
};

/** Puts this CPU on the target's call queue; dst says whether the queue was empty, which is when to interrupt. */
export const QPUSH: Step = (run) => {
  run.cpu.stores.drainAll();
  const { queue } = run.cpuNamedBy(run.op.c);
  if (queue.length >= run.world.config.cpus)
    throw new Error(`the call queue of CPU ${run.value(run.op.c)} is full`);
  run.set(run.op.dst, queue.length === 0);
  queue.push(run.cpu.id);
  return true;
};

export const QPOP: Step = (run) => {
  run.cpu.stores.drainAll();
  run.set(run.op.dst, run.cpu.queue.shift() ?? run.world.config.cpus);
  return true;
};

export const RAISE: Step = (run) => {
  run.cpu.stores.drainAll();
  for (const target of membersSeen(run)) run.world.cpus[target]!.pending = true;
  return true;
};

export const RAISE1: Step = (run) => {
  run.cpu.stores.drainAll();
  run.cpuNamedBy(run.op.c).pending = true;
  return true;
};

export const IRQ_OFF: Step = (run) => {
  run.cpu.irqsOn = false;
  run.cpu.atomicSite = run.op.site;
  return true;
};

export const IRQ_ON: Step = (run) => {
  run.cpu.irqsOn = true;
  return true;
};

/** CPUs in the mask, ascending, as this CPU reads it; bits beyond the last CPU mean nothing. */
function membersSeen(run: Running): number[] {
  return run.world.cpus
    .map((cpu) => cpu.id)
    .filter((cpu) => ((run.cpu.stores.load(run.maskWord(cpu)) >> BigInt(cpu % 64)) & 1n) === 1n);
}

/** A full fence; dst is the bit before. */
function changeBit(run: Running, change: (word: bigint, bit: bigint) => bigint): boolean {
  const cpu = run.cpuNamedBy(run.op.c).id;
  const cell = run.maskWord(cpu);
  const bit = 1n << BigInt(cpu % 64);
  run.cpu.stores.drainAll();
  const old = run.world.memory.read(cell);
  run.world.memory.write(cell, change(old, bit), run.origin);
  run.set(run.op.dst, (old & bit) !== 0n);
  return true;
}
