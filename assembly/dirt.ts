/*
 * Dirty bits and judgements that a frame is clean. A store that software will never hear of is lost: a D bit that hardware set and a plain
 * store wiped out before any program read it; a store to a frame that was judged clean, without a D bit in the page-table entry that maps
 * the frame; a store by a cached D after a call promised that the next store sets D.
 */
import { frameOf, occupied, PAY_WRITE } from "./assoc";
import { hasStore } from "./cells";
import { CFG_FRAMES, CFG_ORACLE, CFG_SEARCHED, config } from "./config";
import { KIND_STORE, PTE_D } from "./isa";
import { entryAt, frameMetaOf, frameWordAt, hw, pteAddress, tableMetaOf } from "./addresses";
import { cpus, radixBits, radixMask, slots, tableDirt, tablePages } from "./layout";
import { ENTRY_PAYLOAD } from "./offsets";
import { JUDGED, markOf, setMark } from "./marks";
import { FM_COPY_TO, FM_JUDGED, NO_SITE, SITE_JUDGED, TM_BASE, TM_LEVEL, TM_LIVE, FW_LIVE, FW_WATCHED } from "./meta";
import { pfnOf } from "./oracle";
import { LOST_DIRTY, report, frameSiteAt } from "./report";
import { tableAt } from "./tables";
import { noteWrote } from "./wrote";

// @ts-ignore: decorator
@inline
function byteOf(address: usize): usize {
  return tableDirt + ((address - tablePages) >> 6);
}

// @ts-ignore: decorator
@inline
function bitOf(address: usize): u32 {
  const index = (address - tablePages) >> 3;
  return 1 << (<u32>index & 7);
}

function setBits(address: usize, bits: u32): void {
  store<u8>(byteOf(address), <u8>bits);
  if (config(CFG_SEARCHED) != 0) noteWrote(byteOf(address) & ~(<usize>7));
}

/** Hardware set D in the entry, which had it clear. */
export function dirtyUnseen(address: usize): void {
  const bits: u32 = load<u8>(byteOf(address));
  setBits(address, bits | bitOf(address));
}

/** A program knows the entry as it is now. */
export function entrySeen(address: usize): void {
  const bits: u32 = load<u8>(byteOf(address));
  if ((bits & bitOf(address)) != 0) setBits(address, bits & ~bitOf(address));
}

/** A program of `cpu` loaded the entry: from memory, unless a store of its own is still on the way there. */
export function entryLoaded(cpu: u32, address: usize): void {
  if (((load<u8>(byteOf(address)) & bitOf(address)) != 0) && !hasStore(cpu, address)) entrySeen(address);
}

/** A plain store of `cpu` to the entry becomes visible. */
export function entryOverwritten(cpu: u32, address: usize, value: u64, site: u32): void {
  if ((load<u8>(byteOf(address)) & bitOf(address)) == 0 || (value & PTE_D) != 0) return;
  const meta = tableMetaOf(tableAt(address));
  if (load<u32>(meta, TM_LIVE) == 0 || config(CFG_ORACLE) == 0) return;
  const index = <u64>(address >> 3) & radixMask;
  const shift = <u64>radixBits * <u64>load<u32>(meta, TM_LEVEL);
  const vpn = load<u64>(meta, TM_BASE) + (index << shift);
  report(cpu, LOST_DIRTY, vpn, KIND_STORE, pfnOf(load<u64>(address)), NO_SITE, site);
}

/** The table is handed out, or taken back: its entries begin anew. */
export function forgetDirt(table: u32): void {
  for (let index: u32 = 0; index <= <u32>radixMask; index++) entrySeen(pteAddress(table, index));
}

/** Software takes the frame for clean from here on. */
export function judgeClean(pfn: u32, site: u32): void {
  if (config(CFG_ORACLE) == 0 || pfn == 0 || pfn >= config(CFG_FRAMES) || (load<u32>(frameWordAt(pfn)) & FW_LIVE) == 0) return;
  store<u32>(frameMetaOf(pfn), 1, FM_JUDGED);
  store<u32>(frameSiteAt(pfn), site, SITE_JUDGED);
  store<u32>(frameWordAt(pfn), load<u32>(frameWordAt(pfn)) | FW_WATCHED);
  markAll(pfn, true);
}

/** It is on record that the frame is dirty, or the frame is gone. */
export function recordDirty(pfn: u32): void {
  if (pfn >= config(CFG_FRAMES) || load<u32>(frameMetaOf(pfn), FM_JUDGED) == 0) return;
  store<u32>(frameMetaOf(pfn), 0, FM_JUDGED);
  if (load<u32>(frameMetaOf(pfn), FM_COPY_TO) == 0) store<u32>(frameWordAt(pfn), load<u32>(frameWordAt(pfn)) & ~FW_WATCHED);
  markAll(pfn, false);
}

/** Marks every translation that may store to the frame, or takes the mark off. */
function markAll(pfn: u32, judged: bool): void {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    for (let from: u32 = 0; from < slots; from += 8) {
      for (let m = occupied(cpu, from); m != 0; m &= m - 1) {
        const slot = from + <u32>ctz(m);
        const at = entryAt(hw(cpu), slot);
        const payload = load<u64>(at, ENTRY_PAYLOAD);
        if (((<u32>load<u64>(at) >> 1) & 3) == 3 || frameOf(payload) != pfn || (payload & PAY_WRITE) == 0) continue;
        setMark(cpu, slot, judged ? markOf(cpu, slot) | JUDGED : markOf(cpu, slot) & ~JUDGED);
      }
    }
  }
}
