/* Broadcast invalidation as it takes effect at one CPU. */
import type { Cpu } from "./cpu.js";
import { spanOf } from "./pte.js";

/** What `initiator` has broadcast takes effect at `cpu`; false when it has before. */
export function completeBroadcast(cpu: Cpu, initiator: Cpu, radixBits: number): boolean {
  const { broadcast } = initiator;
  if (broadcast === undefined || !broadcast.waiting.delete(cpu.id)) return false;
  forget(cpu, broadcast.root, broadcast.start, broadcast.end, radixBits);
  if (broadcast.waiting.size === 0) initiator.broadcast = undefined;
  return true;
}

/** The CPU keeps no translation of these pages of this root, nor, if it ever loaded it, a way into its tables. */
export function forget(
  { tlb, pwc, roots }: Cpu,
  root: number,
  start: bigint,
  end: bigint,
  radixBits: number,
): void {
  tlb.dropWhere((entry) => {
    const first = BigInt(tlb.firstVpn(entry));
    const span = BigInt(spanOf(entry.size, radixBits));
    return entry.root === root && first < end && first + span > start;
  });
  if (roots.has(root)) pwc.dropAll();
}
