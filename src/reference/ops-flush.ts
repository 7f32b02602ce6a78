/* Invalidations and the page-table root. All of them serialise: own stores become visible first. */
import { completeBroadcast, forget } from "./broadcast.js";
import type { Cpu } from "./cpu.js";
import { NONE, type Step } from "./running.js";

export const INVLPG: Step = (run) => {
  run.cpu.stores.drainAll();
  run.cpu.tlb.dropPage(run.number(run.op.c), run.cpu.pcid);
  run.cpu.pwc.dropPcid(run.cpu.pcid);
  return true;
};

export const FLUSH_PCID: Step = (run) => {
  run.cpu.stores.drainAll();
  flushPcid(run.cpu, run.number(run.op.c));
  return true;
};

export const FLUSH_ALL: Step = (run) => {
  run.cpu.stores.drainAll();
  run.cpu.tlb.dropWhere(() => true);
  run.cpu.pwc.dropAll();
  return true;
};

export const CR3: Step = (run) => {
  run.cpu.stores.drainAll();
  run.cpu.root = run.number(run.op.a);
  run.cpu.pcid = run.number(run.op.b);
  run.cpu.roots.add(run.cpu.root);
  if (run.value(run.op.c) === 0n) flushPcid(run.cpu, run.cpu.pcid);
  return true;
};

/** Ideal coherence: no CPU keeps a translation of these pages of this root, nor, if it ever loaded it, a way into its tables. */
export const INVAL_EVERYWHERE: Step = (run) => {
  run.cpu.stores.drainAll();
  const root = run.number(run.op.a);
  const start = run.value(run.op.b);
  const end = run.value(run.op.c);
  for (const cpu of run.world.cpus)
    forget(cpu, { root, pcid: undefined }, start, end, run.world.config.radixBits);
  return true;
};

/** Broadcast, Arm's TLBI, AMD's INVLPGB: under `freeHardware` it takes effect at each CPU when the scheduler says so. */
export const TLBI: Step = (run) => {
  const { cpu, world } = run;
  const root = run.number(run.op.a);
  const pcid = run.op.d === NONE ? undefined : run.number(run.op.d);
  const [start, end] = [run.value(run.op.b), run.value(run.op.c)];
  if (!world.config.freeHardware) {
    for (const each of world.cpus) forget(each, { root, pcid }, start, end, world.config.radixBits);
    return true;
  }
  if (cpu.broadcast !== undefined && (cpu.broadcast.root !== root || cpu.broadcast.pcid !== pcid)) {
    for (const each of world.cpus) completeBroadcast(each, cpu, world.config.radixBits);
  }
  const open = cpu.broadcast;
  const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
  const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  cpu.broadcast = {
    root,
    pcid,
    start: open ? least(open.start, start) : start,
    end: open ? most(open.end, end) : end,
    waiting: new Set(world.cpus.map(({ id }) => id)),
  };
  return true;
};

/** Waits until the CPU's broadcasts have taken effect everywhere. */
export const DSB: Step = ({ cpu }) => {
  if (cpu.broadcast !== undefined) return false;
  cpu.stores.drainAll();
  return true;
};

/** Global entries stay. */
function flushPcid(cpu: Cpu, pcid: number): void {
  cpu.tlb.dropWhere((entry) => entry.pcid === pcid && !entry.global);
  cpu.pwc.dropPcid(pcid);
}
