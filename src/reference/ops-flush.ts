/* Invalidations and the page-table root. All of them serialise: own stores become visible first. */
import type { Cpu } from "./cpu.js";
import { spanOf } from "./pte.js";
import type { Step } from "./running.js";

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
  for (const { tlb, pwc, roots } of run.world.cpus) {
    tlb.dropWhere((entry) => {
      const first = BigInt(tlb.firstVpn(entry));
      const span = BigInt(spanOf(entry.size, run.world.config.radixBits));
      return entry.root === root && first < end && first + span > start;
    });
    if (roots.has(root)) pwc.dropAll();
  }
  return true;
};

/** Global entries stay. */
function flushPcid(cpu: Cpu, pcid: number): void {
  cpu.tlb.dropWhere((entry) => entry.pcid === pcid && !entry.global);
  cpu.pwc.dropPcid(pcid);
}
