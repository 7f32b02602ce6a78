/** What the parts of the fault path know of one fault. */

import type { Bool, Expr, Field, SpinLock, U64, Var } from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import type { pte_t } from "./pte.js";
import type { Vma } from "./vma.js";

/** Source: linux include/linux/mm.h, struct vm_fault. */
export interface vm_fault {
  readonly mm: Mm;
  readonly vma: Vma;
  /** Pages of the mapping. */
  readonly vma_start: Expr<U64>;
  readonly vma_end: Expr<U64>;
  /** Page number. */
  readonly vpn: Expr<U64>;
  readonly write: Expr<Bool>;
  /** The PTE table, its entry for the page, and its lock. */
  readonly table: Expr<U64>;
  readonly pte: Field<pte_t>;
  readonly ptl: SpinLock<"ptl">;
  /** Becomes true when a frame was wanted and memory was out. */
  readonly oom: Var<Bool>;
  /** Becomes true when userfaultfd is to hear of the fault. */
  readonly userfault: Var<Bool>;
}
