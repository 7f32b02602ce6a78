/* Broadcast invalidation as it takes effect at one CPU. */
import type { Cpu } from "./cpu.js";
import { spanOf } from "./pte.js";

/** What `initiator` has broadcast takes effect at `cpu`; false when it has before. */
export function completeBroadcast(cpu: Cpu, initiator: Cpu, radixBits: number): boolean {
  const { broadcast } = initiator;
  if (broadcast === undefined || !broadcast.waiting.delete(cpu.id)) return false;
  forget(cpu, broadcast, broadcast.start, broadcast.end, radixBits);
  if (broadcast.waiting.size === 0) initiator.broadcast = undefined;
  return true;
}

/** Whose translations are meant: a root's (0: all that are not global), in one PCID if there is one. */
export interface Space {
  readonly root: number;
  readonly pcid: number | undefined;
}

/** The CPU keeps no translation of these pages of this space, nor, if it ever loaded its root, a way into its tables. */
export function forget(
  { tlb, pwc, roots }: Cpu,
  { root, pcid }: Space,
  start: bigint,
  end: bigint,
  radixBits: number,
): void {
  tlb.dropWhere((entry) => {
    const first = BigInt(tlb.firstVpn(entry));
    const span = BigInt(spanOf(entry.size, radixBits));
    const mayBeGlobal = root !== 0 && pcid === undefined;
    if (entry.global && !mayBeGlobal) return false;
    const isMeant = (root === 0 || entry.root === root) && (pcid === undefined || entry.pcid === pcid);
    return isMeant && first < end && first + span > start;
  });
  if (root !== 0 && !roots.has(root)) return;
  if (pcid === undefined) pwc.dropAll();
  else pwc.dropPcid(pcid);
}
