/* Code that may not sleep: what a CPU runs while it holds a spinlock, has interrupts off, or is in an interrupt handler. */
import { CFG_ORACLE, config } from "./config";
import { hw, st } from "./addresses";
import { HW_IN_IRQ, HW_IRQ_OFF, HW_SPINS, ST_ATOMIC } from "./offsets";
import { PROGRESS, report } from "./report";

/** The step at `site` took a spinlock. */
export function spinTaken(cpu: u32, site: u32): void {
  store<u16>(hw(cpu), load<u16>(hw(cpu), HW_SPINS) + 1, HW_SPINS);
  atomicFrom(cpu, site);
}

export function spinReleased(cpu: u32): void {
  store<u16>(hw(cpu), load<u16>(hw(cpu), HW_SPINS) - 1, HW_SPINS);
}

/** The step at `site` is one that a report may name. */
export function atomicFrom(cpu: u32, site: u32): void {
  store<u32>(st(cpu), site + 1, ST_ATOMIC);
}

/** What is at `site` may sleep. */
export function mightSleep(cpu: u32, site: u32): void {
  const c = hw(cpu);
  if ((<u32>load<u16>(c, HW_SPINS) | load<u32>(c, HW_IRQ_OFF) | load<u32>(c, HW_IN_IRQ)) == 0 || config(CFG_ORACLE) == 0) return;
  report(cpu, PROGRESS, 0, 0, 0, load<u32>(st(cpu), ST_ATOMIC) - 1, site);
}
