/*
 * Freed page tables that somebody still uses: the walker, by way of a paging-structure cache or of an entry above that still names the
 * table, or a program that reads or writes an entry of one. A cached way into a table is marked when the table is freed, so that it stays
 * known for stale after the number was handed out again.
 */
import { frameOf, structureAt } from "./assoc";
import { CFG_ORACLE, CFG_TABLES, config, PWC_PDE } from "./config";
import { isHolder } from "./holders";
import { entryAt, hw, tableMetaOf } from "./addresses";
import { cpus, pageBytesShift, slots, tablePages, tableSites } from "./layout";
import { ENTRY_PAYLOAD } from "./offsets";
import { FREED, setMark } from "./marks";
import { NO_SITE, TM_LIVE } from "./meta";
import { report, STALE_TABLE } from "./report";

/** The first freed table that the walk under way came through; 0 for none. */
let dead: u32 = 0;

// @ts-ignore: decorator
@inline
export function isLiveTable(table: u32): bool {
  return load<u32>(tableMetaOf(table), TM_LIVE) != 0;
}

// @ts-ignore: decorator
@inline
export function tableAt(address: usize): u32 {
  return <u32>((address - tablePages) >> pageBytesShift);
}

function freedAt(table: u32): u32 {
  return load<u32>(tableSites + (<usize>table << 2)) - 1;
}

export function walkBegins(): void {
  dead = 0;
}

/** The walk reads an entry of `table`; `isStale`: it got there by a cached entry from before the table was freed. */
export function walkReads(table: u32, isStale: bool): void {
  if (dead != 0 || table == 0 || table >= config(CFG_TABLES)) return;
  if (isStale || !isLiveTable(table)) dead = table;
}

export function walkEnds(cpu: u32, vpn: u64, kind: u32): void {
  if (dead != 0 && config(CFG_ORACLE) != 0) report(cpu, STALE_TABLE, vpn, kind, dead, freedAt(dead), NO_SITE);
}

/** A paging-structure cache took in the way into a table that is free. */
export function cachedDead(cpu: u32, slot: u32): void {
  if (config(CFG_ORACLE) != 0) setMark(cpu, slot, FREED);
}

/** A program's step at `site` reads or writes an entry of a table that is free. */
export function touchedDead(cpu: u32, table: u32, kind: u32, site: u32): void {
  if (config(CFG_ORACLE) != 0) report(cpu, STALE_TABLE, 0, kind, table, freedAt(table), site);
}

/** The table, of address space `root`, goes back to the allocator. */
export function tableFreed(table: u32, root: u32, site: u32): void {
  store<u32>(tableSites + (<usize>table << 2), site + 1);
  if (config(CFG_ORACLE) == 0) return;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    if (!isHolder(root, cpu)) continue;
    for (let slot = load<u32>(structureAt(PWC_PDE)); slot < slots; slot++) {
      const at = entryAt(hw(cpu), slot);
      if (load<u64>(at) != 0 && frameOf(load<u64>(at, ENTRY_PAYLOAD)) == table) setMark(cpu, slot, FREED);
    }
  }
}
