/** What the fault path knows of userfaultfd. */

import type { Bool, Builder, Expr, Var } from "../dsl/index.js";
import type { Pte } from "./pte.js";
import type { Vma } from "./vma.js";

/** The entry is write-protected for userfaultfd. Source: linux include/linux/userfaultfd_k.h, userfaultfd_pte_wp(). */
export function userfaultfd_pte_wp(vma: Vma, pte: Pte): Expr<Bool> {
  return vma.uffd_wp.and(pte.uffd_wp);
}

/**
 * The monitor is told, and the access is given up.
 *
 * Source: linux fs/userfaultfd.c, handle_userfault(), of a descriptor with UFFD_FEATURE_SIGBUS. Left out: waiting until the monitor
 * has resolved the fault.
 */
export function handle_userfault(k: Builder, failed: Var<Bool>): void {
  k.count("faults.userfault");
  failed.set(true);
}
