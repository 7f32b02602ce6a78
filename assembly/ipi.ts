/*
 * Inter-processor interrupts: a call queue per CPU, one call-function vector, delivery by topology, masking while interrupts are off.
 *
 * A second raise before delivery changes nothing but, possibly, makes it earlier: one pending bit per vector, as in a local APIC's IRR.
 */
import { CFG_CANONICAL, CFG_IRQ_ENTRY, config } from "./config";
import { drainAll } from "./cells";
import { dueOf, setDue } from "./due";
import { clk, hw } from "./addresses";
import { cpus, hwQueue, maskWords } from "./layout";
import { CK_ARRIVAL, CK_CLOCK, HW_IN_IRQ, HW_IRQ_OFF, HW_LIVE1, HW_PC1, HW_PENDING, HW_QUEUE_COUNT, HW_QUEUE_HEAD } from "./offsets";
import { distance } from "./lines";
import { EVENT_DELIVER, observe } from "./observe";
import { price, PRICE_IPI_DELIVER_SMT, PRICE_IPI_PER_TARGET, PRICE_IPI_SEND } from "./prices";
import { IPI_DELIVERED, IPI_HANDLED, IPI_RAISED, IPI_REQUESTS, tally } from "./stats";
import { panic, TRAP_QUEUE_FULL } from "./trap";

/** Logical CPUs that one write to the interrupt command register reaches: an x2APIC cluster (Intel SDM vol. 3A, 11.12.9). */
const CLUSTER: u32 = 16;

/** Appends `cpu` to the call queue of `target`; returns whether it was empty. */
export function push(cpu: u32, target: u32): bool {
  const c = hw(target);
  const n = load<u32>(c, HW_QUEUE_COUNT);
  if (n >= cpus) panic(TRAP_QUEUE_FULL, target);
  const at = (load<u32>(c, HW_QUEUE_HEAD) + n) % cpus;
  store<u16>(c + hwQueue + (<usize>at << 1), <u16>cpu);
  store<u32>(c, n + 1, HW_QUEUE_COUNT);
  tally(cpu, IPI_REQUESTS, 1);
  return n == 0;
}

/** Takes the oldest initiator off the CPU's own queue; `cpus` when it is empty. */
export function pop(cpu: u32): u32 {
  const c = hw(cpu);
  const n = load<u32>(c, HW_QUEUE_COUNT);
  if (n == 0) return cpus;
  const head = load<u32>(c, HW_QUEUE_HEAD);
  const at = c + hwQueue + (<usize>head << 1);
  const initiator = <u32>load<u16>(at);
  if (config(CFG_CANONICAL) != 0) {
    // It always begins at the same place, and moves up.
    memory.copy(at, at + 2, <usize>(n - 1) << 1);
    store<u16>(at + (<usize>(n - 1) << 1), 0);
    store<u32>(c, n - 1, HW_QUEUE_COUNT);
    tally(cpu, IPI_HANDLED, 1);
    return initiator;
  }
  store<u16>(at, 0);
  store<u32>(c, n - 1, HW_QUEUE_COUNT);
  // An empty queue is the same state wherever its head stood.
  store<u32>(c, n == 1 ? 0 : (head + 1) % cpus, HW_QUEUE_HEAD);
  tally(cpu, IPI_HANDLED, 1);
  return initiator;
}

function raiseAt(cpu: u32, target: u32, sent: u64): void {
  assert(target < cpus);
  const arrival = sent + <u64>price(PRICE_IPI_DELIVER_SMT + distance(cpu, target));
  const c = hw(target);
  const k = clk(target);
  tally(cpu, IPI_RAISED, 1);
  if (load<u32>(c, HW_PENDING) == 0 || arrival < load<u64>(k, CK_ARRIVAL)) store<u64>(k, arrival, CK_ARRIVAL);
  store<u32>(c, 1, HW_PENDING);
  noteArrival(target);
}

/** Makes the weave look at a CPU when its pending interrupt arrives, if that is earlier than what it waits for now. */
export function noteArrival(cpu: u32): void {
  if (!canDeliver(cpu)) return;
  const k = clk(cpu);
  const at = max(load<u64>(k, CK_CLOCK), load<u64>(k, CK_ARRIVAL));
  wantDue(cpu, at);
}

/** Schedules a CPU for `time` unless it is scheduled earlier already. */
export function wantDue(cpu: u32, time: u64): void {
  if (((time << 10) | <u64>cpu) < dueOf(cpu)) setDue(cpu, time);
}

/** Sends to one CPU; returns the sender's cycles. */
export function raiseOne(cpu: u32, target: u32): u32 {
  const cost = price(PRICE_IPI_SEND) + price(PRICE_IPI_PER_TARGET);
  raiseAt(cpu, target, load<u64>(clk(cpu), CK_CLOCK) + cost);
  return cost;
}

/** Sends to every CPU in a mask, one command per cluster, in ascending order; returns the sender's cycles. */
export function raise(cpu: u32, mask: usize): u32 {
  let cost: u32 = 0;
  let cluster: u32 = u32.MAX_VALUE;
  const now = load<u64>(clk(cpu), CK_CLOCK);
  for (let word: u32 = 0; word < maskWords; word++) {
    let bits = load<u64>(mask + (<usize>word << 3));
    while (bits != 0) {
      const target = (word << 6) + <u32>ctz(bits);
      bits &= bits - 1;
      if (target / CLUSTER != cluster) {
        cluster = target / CLUSTER;
        cost += price(PRICE_IPI_SEND);
      }
      cost += price(PRICE_IPI_PER_TARGET);
      raiseAt(cpu, target, now + cost);
    }
  }
  return cost;
}

/** Whether a pending interrupt would be taken now. */
export function canDeliver(cpu: u32): bool {
  const c = hw(cpu);
  return load<u32>(c, HW_PENDING) != 0 && load<u32>(c, HW_IRQ_OFF) == 0 && load<u32>(c, HW_IN_IRQ) == 0;
}

/** Takes the interrupt: the handler starts with interrupts off, and like any interrupt it lets no store stay behind. */
export function deliver(cpu: u32): void {
  assert(canDeliver(cpu));
  const c = hw(cpu);
  observe(EVENT_DELIVER, cpu);
  drainAll(cpu);
  store<u32>(c, 0, HW_PENDING);
  store<u32>(c, 1, HW_IN_IRQ);
  store<u32>(c, config(CFG_IRQ_ENTRY), HW_PC1);
  store<u32>(c, 1, HW_LIVE1);
  tally(cpu, IPI_DELIVERED, 1);
}
