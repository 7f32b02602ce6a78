/*
 * Opcode numbers. The host joins them to names by reading these exported constants, and refuses to start on a mismatch.
 *
 * A micro-op is 16 bytes, little endian:
 *
 *   0     1     2     3     4     5     6       8                    16
 *   | op  | dst | a   | b   | c   | d   | 0 u16 | imm i64            |
 *
 * Operands are register numbers. For the record index `a` and the word index `b` of a field, "none" is the register
 * that always holds zero; for the second operand of arithmetic, "none" (255) means imm.
 */

// Steps: each is one shared access, and one interleaving point.
export const OP_LD: u32 = 0;
export const OP_ST: u32 = 1;
export const OP_XCHG: u32 = 2;
export const OP_CAS: u32 = 3;
export const OP_FADD: u32 = 4;
export const OP_ADDV: u32 = 5;
export const OP_ORV: u32 = 6;
export const OP_ANDV: u32 = 7;
export const OP_PTE_LD: u32 = 8;
export const OP_PTE_ST: u32 = 9;
export const OP_PTE_XCHG: u32 = 10;
export const OP_PTE_CAS: u32 = 11;
export const OP_PTE_AND: u32 = 12;
export const OP_PTE_OR: u32 = 13;
export const OP_LOCK: u32 = 14;
export const OP_UNLOCK: u32 = 15;
export const OP_TRYLOCK: u32 = 16;
export const OP_RLOCK: u32 = 17;
export const OP_RUNLOCK: u32 = 18;
export const OP_WLOCK: u32 = 19;
export const OP_WUNLOCK: u32 = 20;
export const OP_DOWNGRADE: u32 = 21;
export const OP_TRYRLOCK: u32 = 22;
export const OP_AWAIT: u32 = 23;
export const OP_MASK_SET: u32 = 24;
export const OP_MASK_CLR: u32 = 25;
export const OP_MASK_TEST: u32 = 26;
export const OP_MASK_NEXT: u32 = 27;
export const OP_MASK_ZERO: u32 = 28;
export const OP_MASK_COUNT: u32 = 29;
export const OP_QPUSH: u32 = 30;
export const OP_QPOP: u32 = 31;
export const OP_RAISE: u32 = 32;
export const OP_RAISE1: u32 = 33;
export const OP_INVLPG: u32 = 34;
export const OP_FLUSH_PCID: u32 = 35;
export const OP_FLUSH_ALL: u32 = 36;
export const OP_CR3: u32 = 37;
export const OP_INVAL_EVERYWHERE: u32 = 38;
export const OP_FALLOC: u32 = 39;
export const OP_FFREE: u32 = 40;
export const OP_FZERO: u32 = 41;
export const OP_FCOPY: u32 = 42;
export const OP_TALLOC: u32 = 43;
export const OP_TFREE: u32 = 44;
export const OP_RFIND: u32 = 45;
export const OP_RSET: u32 = 46;
export const OP_XLOAD: u32 = 47;
export const OP_XSTORE: u32 = 48;
export const OP_FENCE: u32 = 49;
export const OP_IRQ_OFF: u32 = 50;
export const OP_IRQ_ON: u32 = 51;
export const OP_WORK: u32 = 52;
export const OP_TLBI: u32 = 53;
export const OP_DSB: u32 = 54;

/** The first op that is free: no interleaving point, no time. */
export const OP_FREE_FIRST: u32 = 64;
export const OP_LI: u32 = 64;
export const OP_MOV: u32 = 65;
export const OP_ADD: u32 = 66;
export const OP_SUB: u32 = 67;
export const OP_AND: u32 = 68;
export const OP_OR: u32 = 69;
export const OP_XOR: u32 = 70;
export const OP_SHL: u32 = 71;
export const OP_SHR: u32 = 72;
export const OP_EQ: u32 = 73;
export const OP_NE: u32 = 74;
export const OP_LTU: u32 = 75;
export const OP_LEU: u32 = 76;
export const OP_JMP: u32 = 77;
export const OP_BZ: u32 = 78;
export const OP_BNZ: u32 = 79;
export const OP_CPU: u32 = 80;
export const OP_TASK: u32 = 81;
// Ghosts: seen by the oracle and by statistics only.
export const OP_PROMISE: u32 = 82;
export const OP_WINDOW: u32 = 83;
export const OP_COUNT: u32 = 84;
export const OP_MARK: u32 = 85;
export const OP_END: u32 = 86;
export const OP_CLEAN: u32 = 87;
export const OP_DIRTY: u32 = 88;
export const OP_SLEEP: u32 = 89;

/** Bytes of one micro-op. */
export const OP_BYTES: u32 = 16;
/** In an operand of arithmetic: use imm. */
export const NONE: u32 = 255;

// x86-64 page-table entry bits (Intel SDM vol. 3A, 4.5). 52 and 53 are ignored by hardware; the engine uses them for A and D
// bits that are set in a bound phase and merged in the next weave phase.
export const PTE_P: u64 = 1;
export const PTE_W: u64 = 1 << 1;
export const PTE_U: u64 = 1 << 2;
export const PTE_A: u64 = 1 << 5;
export const PTE_D: u64 = 1 << 6;
export const PTE_PS: u64 = 1 << 7;
export const PTE_G: u64 = 1 << 8;
export const PTE_NX: u64 = 1 << 63;
export const PTE_PEND_A: u64 = 1 << 52;
export const PTE_PEND_D: u64 = 1 << 53;
export const PTE_PEND: u64 = PTE_PEND_A | PTE_PEND_D;
export const PFN_SHIFT: u64 = 12;
export const PFN_MASK: u64 = 0xffffffffff;

// What an access asks for; the low bits of a feed record.
export const KIND_LOAD: u32 = 0;
export const KIND_STORE: u32 = 1;
export const KIND_FETCH: u32 = 2;
export const KIND_MODIFY: u32 = 3;

// Error codes of a fault, as the argument `access` of page_fault.
export const FAULT_WRITE: u32 = 1;
export const FAULT_FETCH: u32 = 2;
export const FAULT_PRESENT: u32 = 4;
