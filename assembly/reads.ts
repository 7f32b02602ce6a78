/*
 * What a choice looks at, and so what it does: keyOf() sums the hashes of these parts of the loaded state. A piece that the choice writes
 * counts too, as a change has pieces as a whole. What every op looks at is listed in src/engine/op-reads.ts.
 */
import { canComplete } from "./broadcast";
import { buffered, canDrain, MODEL_SC } from "./cells";
import {
  CHOICE_CPU_SHIFT, CHOICE_DRAIN, CHOICE_INDEX_MASK, CHOICE_INTERRUPT, CHOICE_KIND_SHIFT, CHOICE_LIBERTY, CHOICE_LIBERTY_MASK, CHOICE_STEP, infoOf, OP_LOOKS,
} from "./choose";
import { CFG_IRQ_ENTRY, CFG_MODEL, CFG_STORE_BUFFER, CFG_TABLES, config } from "./config";
import { canDeliver } from "./ipi";
import { OP_BYTES } from "./isa";
import { hw, pteAddress, tableMetaOf } from "./addresses";
import { cpus, hwRegs1, hwStores, PROGRAM, RECORDS, tablePages, tableDirt } from "./layout";
import { TM_LIVE } from "./meta";
import { HW_IN_IRQ, HW_LIVE0, HW_LIVE1, HW_PC0, HW_PC1, HW_REGS } from "./offsets";
import { hasAccess, libertyAt, LIBERTY_FILL, LIBERTY_TOUCH } from "./script";
import {
  hashAt, PART_CPU, PART_FRAMES, PART_OF_CPU_ENTRIES, PART_OF_CPU_OWN, PART_OF_CPU_QUEUE, PART_OF_CPU_SEEN, PART_REST, PART_TABLES, PARTS_OF_CPU, sumOf,
} from "./pieces";
import { isLive } from "./step";

// What an op looks at besides its CPU's own parts, and together with the free ops behind it.
/** Nobody knows. */
export const LOOKS_ANYWHERE: u32 = 0;
export const LOOKS_OWN: u32 = 1;
/** The word that its field names. */
export const LOOKS_WORD: u32 = 2;
/** The same, unless the store buffer takes it in. */
export const LOOKS_PUT_WORD: u32 = 3;
/** A page-table entry, and what is known of it and its table. */
export const LOOKS_ENTRY: u32 = 4;
/** The table's state, if the store buffer takes the store in; else what all can see. */
export const LOOKS_PUT_ENTRY: u32 = 5;
/** The CPU's call queue, or its translations. */
export const LOOKS_QUEUE: u32 = 6;
export const LOOKS_ENTRIES: u32 = 7;
/** All that all can see but words of records; and the word that its field names. */
export const LOOKS_COMMON: u32 = 8;
export const LOOKS_COMMON_WORD: u32 = 9;
/** A bit besides these: the store buffer stays as it is, but for a store put into it. */
export const LOOKS_KEEPS: u32 = 16;

/** In place of a key: what the choice looks at is not known; the choice is refused. */
export const NO_KEY: u64 = 0;
export const REFUSED_KEY: u64 = 1;

/** The sum of all parts but those that belong to one CPU alone. */
let common: u64 = 0;

/** To be called when a state has been loaded. */
export function beginReads(): void {
  common = sumOf(PART_TABLES) + sumOf(PART_FRAMES) + sumOf(PART_REST);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) common += seenOf(cpu) + partOf(cpu, PART_OF_CPU_QUEUE) + partOf(cpu, PART_OF_CPU_ENTRIES);
}

// @ts-ignore: decorator
@inline
function partOf(cpu: u32, part: u32): u64 {
  return sumOf(PART_CPU + cpu * PARTS_OF_CPU + part);
}

// @ts-ignore: decorator
@inline
function ownOf(cpu: u32): u64 {
  return partOf(cpu, PART_OF_CPU_OWN);
}

// @ts-ignore: decorator
@inline
function seenOf(cpu: u32): u64 {
  return partOf(cpu, PART_OF_CPU_SEEN);
}

/** What dropping a translation looks at and writes. */
// @ts-ignore: decorator
@inline
function entriesOf(cpu: u32): u64 {
  return partOf(cpu, PART_OF_CPU_ENTRIES) + sumOf(PART_FRAMES);
}

/** The key of a choice in the loaded state. */
export function keyOf(choice: u32): u64 {
  const kind = choice >> CHOICE_KIND_SHIFT;
  const cpu = (choice >> CHOICE_CPU_SHIFT) & CHOICE_INDEX_MASK;
  const index = choice & CHOICE_INDEX_MASK;
  if (kind == CHOICE_STEP) return keyed(stepSum(cpu), choice);
  if (kind == CHOICE_INTERRUPT) return keyed(interruptSum(cpu), choice);
  if (kind == CHOICE_DRAIN) return keyed(drainSum(cpu, index), choice);
  if (kind == CHOICE_LIBERTY) return keyed(libertySum(choice & CHOICE_LIBERTY_MASK), choice);
  return keyed(broadcastSum(cpu, index), choice);
}

/** Makes a key of a sum, unless it is none. */
// @ts-ignore: decorator
@inline
export function keyed(sum: u64, choice: u32): u64 {
  return sum <= REFUSED_KEY ? sum : sum + <u64>(choice + 1) * 0x9e3779b97f4a7c15;
}

// @ts-ignore: decorator
@inline
export function interruptSum(cpu: u32): u64 {
  return canDeliver(cpu) ? behindStores(cpu, load<u32>(infoOf(config(CFG_IRQ_ENTRY)), OP_LOOKS)) : REFUSED_KEY;
}

// @ts-ignore: decorator
@inline
export function libertySum(index: u32): u64 {
  const liberty = libertyAt(index);
  const kind = load<u32>(liberty);
  const cpu = load<u32>(liberty, 4);
  if (kind == LIBERTY_TOUCH) return isLive(cpu) ? REFUSED_KEY : common;
  return seenOf(cpu) + entriesOf(cpu) + (kind == LIBERTY_FILL ? sumOf(PART_TABLES) : 0);
}

// @ts-ignore: decorator
@inline
export function broadcastSum(cpu: u32, from: u32): u64 {
  return canComplete(cpu, from) ? common : REFUSED_KEY;
}

export function stepSum(cpu: u32): u64 {
  const c = hw(cpu);
  const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
  if (load<u32>(c + (inIrq ? HW_LIVE1 : HW_LIVE0)) == 0) return hasAccess(cpu) ? behindStores(cpu, LOOKS_COMMON) : REFUSED_KEY;
  const pc = load<u32>(c + (inIrq ? HW_PC1 : HW_PC0));
  const looks = load<u32>(infoOf(pc), OP_LOOKS);
  if (looks == LOOKS_ANYWHERE) return NO_KEY;
  const r = c + (inIrq ? hwRegs1 : HW_REGS);
  const ip = PROGRAM + <usize>pc * <usize>OP_BYTES;
  const w = load<u64>(ip);
  const held = buffered(cpu);
  const isPut = config(CFG_MODEL) != MODEL_SC && held < config(CFG_STORE_BUFFER);
  let kind = looks & (LOOKS_KEEPS - 1);
  let keeps = (looks & LOOKS_KEEPS) != 0;
  if (kind == LOOKS_PUT_WORD || kind == LOOKS_PUT_ENTRY) keeps = isPut;
  let sum: u64 = 0;
  switch (kind) {
    case LOOKS_OWN: break;
    case LOOKS_PUT_WORD: if (!isPut) sum = hashAt(wordOf(r, w, load<u64>(ip, 8))); break;
    case LOOKS_WORD: case LOOKS_COMMON_WORD: sum = hashAt(wordOf(r, w, load<u64>(ip, 8))); break;
    case LOOKS_QUEUE: sum = partOf(cpu, PART_OF_CPU_QUEUE); break;
    case LOOKS_ENTRIES: sum = entriesOf(cpu); break;
    case LOOKS_ENTRY: case LOOKS_PUT_ENTRY: {
      const table = <u32>load<u64>(r + (((<usize>(w >> 16)) & 255) << 3));
      if (table >= config(CFG_TABLES)) return NO_KEY;
      const at = pteAddress(table, <u32>load<u64>(r + (((<usize>(w >> 24)) & 255) << 3)));
      sum = hashAt(tableMetaOf(table) + TM_LIVE);
      if (kind == LOOKS_ENTRY) sum += hashAt(at) + hashAt(tableDirt + ((at - tablePages) >> 6));
      else if (!isPut) kind = LOOKS_COMMON;
    }
  }
  return sum + (keeps ? ownOf(cpu) + (kind >= LOOKS_COMMON ? common : seenOf(cpu)) : behindStores(cpu, kind));
}

/** Address of the word that a field operand names. */
// @ts-ignore: decorator
@inline
export function wordOf(r: usize, w: u64, imm: u64): usize {
  const record = RECORDS + (<usize>(imm >> 32) << 3);
  const index = <usize>load<u64>(r + (((<usize>(w >> 16)) & 255) << 3));
  const word = <usize><u32>imm + <usize>load<u64>(r + (((<usize>(w >> 24)) & 255) << 3));
  return <usize>load<u32>(record) + index * <usize>load<u32>(record, 4) + (word << 3);
}

/** The CPU's own parts, the words that its buffered stores go to, and what all can see if it looks there or one of them is a page-table entry. */
function behindStores(cpu: u32, looks: u32): u64 {
  if (looks == LOOKS_ANYWHERE) return NO_KEY;
  const c = hw(cpu);
  let isCommon = (looks & (LOOKS_KEEPS - 1)) >= LOOKS_COMMON;
  let sum = ownOf(cpu);
  const held = buffered(cpu);
  for (let i: u32 = 0; i < held; i++) {
    const address = <usize>load<u32>(c + hwStores + (<usize>i << 4));
    if (address >= tablePages) isCommon = true;
    else sum += hashAt(address);
  }
  return sum + (isCommon ? common : seenOf(cpu));
}

export function drainSum(cpu: u32, index: u32): u64 {
  if (!canDrain(cpu, index)) return REFUSED_KEY;
  const address = <usize>load<u32>(hw(cpu) + hwStores + (<usize>index << 4));
  return ownOf(cpu) + (address >= tablePages ? common : seenOf(cpu) + hashAt(address));
}
