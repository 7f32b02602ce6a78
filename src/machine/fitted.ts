import { quantity } from "./preset.js";
import { assumed, from } from "./sources.js";

/*
 * The constants that nobody measures alone, fitted together on published rows; docs/validation.md has the rows, the residuals, and what
 * the constants then predict of rows that they were not fitted on. test/validation.test.ts runs both.
 *
 * Flushes of one CPU [H17], INVLPG only, 1 and 129 pages: 692 and 25663 cycles in the function that flushes one CPU. The slope is INVLPG; the
 * rest, less the steps that the simulated function takes, is its private work.
 *
 * MADV_DONTNEED of one page and a touch [A19R2, baseline], with 0, 1 and 3 busy CPUs of the same socket: 661, 1436 and 1571 ns on a
 * Haswell. The first is kernel entries and private work: each as published or assumed, all by one factor, because their sum is more
 * than was measured. The second, less flush and lines, is one interrupt: its split between sending, delivery and entry is a guess.
 * The third leaves nothing for a further target but its lines and the instructions that the simulation has anyway.
 */

/** How much of the published kernel entries, and of the assumed work around them, the fit leaves. */
const share = 0.37;
const entries = (what: string) =>
  assumed(`fitted to 661 ns without a target [A19R2 baseline]: ${share} of ${what}`);
const interrupt = assumed(
  "fitted to 1436 ns with one target and 1571 with three [A19R2 baseline]; how the 413 ns of an interrupt are split is a guess",
);

/** Nanoseconds that an interrupt takes to the nearest CPU; `farther` are added for one whose lines take so much longer. */
export function delivery(farther = 0) {
  const why =
    farther === 0 ? interrupt : assumed(`as to the nearest CPU, and what a line takes longer: ${farther} ns`);
  return quantity(160 + farther, "ns", why);
}

export const fittedPrices = {
  ipiSend: quantity(40, "ns", interrupt),
  ipiPerTarget: quantity(0, "ns", interrupt),
  irqEntry: quantity(213, "ns", interrupt),
  irqExit: quantity(122, "cycles", entries("330 cycles, an IRET on Haswell [LT14]")),
  syscallEntry: quantity(95, "ns", entries("339 ns there and back, getppid on Haswell [FBSD1], most of it")),
  syscallExit: quantity(30, "ns", entries("339 ns there and back, getppid on Haswell [FBSD1], the rest")),
  faultEntry: quantity(265, "cycles", entries("715 cycles, an exception on Haswell [LT14]")),
  faultExit: quantity(122, "cycles", entries("330 cycles, an IRET on Haswell [LT14]")),
};

/** INVLPG of an Intel core. */
export const fittedInvlpg = quantity(
  195,
  "cycles",
  from("H17", "A", "INVLPG only, 692 cycles for a flush of 1 page and 25663 for one of 129: the slope"),
);

export const fittedWork = {
  flush_tlb_func: quantity(
    472,
    "cycles",
    assumed(
      "fitted to 692 cycles for a flush of one page [H17]: less one INVLPG and the function's own steps",
    ),
  ),
  handle_mm_fault: quantity(
    111,
    "cycles",
    entries("300 cycles, assumed for checks, accounting and descent of a fault besides its entry and exit"),
  ),
  madvise_vma_behavior: quantity(
    56,
    "cycles",
    entries("150 cycles, assumed for checking arguments and finding the VMA suitable"),
  ),
};
