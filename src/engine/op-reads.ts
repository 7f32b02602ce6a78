/**
 * What a step and the free ops behind it look at, besides their own CPU: see assembly/reads.ts. What they write counts too, as far as it lies in
 * one piece of 16 bytes with something that they do not write.
 */

import { OPS } from "../dsl/isa.js";
import type { OpName } from "../dsl/program.js";

export type Looks =
  | "ANYWHERE"
  | "OWN"
  | "WORD"
  | "PUT_WORD"
  | "ENTRY"
  | "PUT_ENTRY"
  | "QUEUE"
  | "ENTRIES"
  | "COMMON"
  | "COMMON_WORD";

export interface OpLooks {
  readonly looks: Looks;
  /** The store buffer stays as it is. */
  readonly keeps: boolean;
}

const UNKNOWN: OpLooks = { looks: "ANYWHERE", keeps: false };
const PUTS: ReadonlySet<OpName> = new Set(["ST", "UNLOCK", "MASK_ZERO"]);
const LOADS: ReadonlySet<OpName> = new Set(["LD", "AWAIT", "MASK_TEST", "MASK_NEXT", "MASK_COUNT"]);
const CHANGES =
  /^(XCHG|CAS|FADD|ADDV|ORV|ANDV|LOCK|TRYLOCK|RLOCK|RUNLOCK|WLOCK|WUNLOCK|DOWNGRADE|TRYRLOCK|MASK_SET|MASK_CLR)$/;
const PRIVATE: ReadonlySet<OpName> = new Set(["FZERO", "IRQ_OFF", "IRQ_ON", "WORK"]);
const FLUSHES: ReadonlySet<OpName> = new Set(["INVLPG", "FLUSH_PCID", "FLUSH_ALL"]);
const COMMON =
  /^(PTE_(XCHG|CAS|AND|OR)|QPUSH|RAISE1|CR3|INVAL_EVERYWHERE|FALLOC|FFREE|FCOPY|TALLOC|TFREE|RFIND|RSET|XLOAD|XSTORE|TLBI|DSB)$/;

/** Of the op alone, or, where it is free, of it and the free ops behind it. */
function alone(op: OpName, imm: bigint): OpLooks {
  if (OPS[op].class === "free" || OPS[op].class === "ghost") return { looks: "OWN", keeps: false };
  if (LOADS.has(op)) return { looks: "WORD", keeps: true };
  if (PUTS.has(op)) return { looks: "PUT_WORD", keeps: false };
  if (CHANGES.test(op)) return { looks: "WORD", keeps: false };
  if (op === "PTE_LD") return { looks: "ENTRY", keeps: true };
  if (op === "PTE_ST") return { looks: "PUT_ENTRY", keeps: false };
  if (PRIVATE.has(op)) return { looks: "OWN", keeps: true };
  if (op === "FENCE") return { looks: "OWN", keeps: imm !== 0n };
  if (op === "QPOP") return { looks: "QUEUE", keeps: false };
  if (FLUSHES.has(op)) return { looks: "ENTRIES", keeps: false };
  if (op === "RAISE") return { looks: "COMMON_WORD", keeps: false };
  if (COMMON.test(op)) return { looks: "COMMON", keeps: false };
  return UNKNOWN;
}

const FIELDS: ReadonlySet<Looks> = new Set(["WORD", "PUT_WORD", "COMMON_WORD"]);

/** `tailWrites`: the free ops behind it may write more than registers. Then they may look at all that such writes depend on. */
export function looksOf(op: OpName, imm: bigint, tailWrites: boolean): OpLooks {
  const own = alone(op, imm);
  if (!tailWrites || own.looks === "ANYWHERE") return own;
  return { looks: FIELDS.has(own.looks) ? "COMMON_WORD" : "COMMON", keeps: false };
}
